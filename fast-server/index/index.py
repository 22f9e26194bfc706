"""The index as the gateway uses it, from the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from index import batches, counts, pages
from index.batches import BatchCounts, BatchMedia
from index.counts import Counts
from index.pages import Page
from index.query import Query
from index.writer import Unavailable, Writer
from shared.redis.events import Change, Item
from shared.spool import Spool
from shared.web.problems import Problem
from upload_api.refusals import INDEX_UNAVAILABLE

Result = TypeVar("Result")


class Index:
    """Which media there are. The folders are the truth, and it is made again from them."""

    def __init__(self, folder: Path, spool: Spool) -> None:
        self._writer = Writer(folder, spool)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Where no file can be opened, lists are refused until one can."""
        self._writer.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self._writer.stop)

    @property
    def is_complete(self) -> bool:
        """False while it may lack something: until the folders have been read."""
        return self._writer.scanner.is_complete

    def note(self, change: Item | Change) -> None:
        """What this gateway has done itself. From any thread; returns at once."""
        self._writer.note(change)

    async def complete(self, changes: Sequence[Change], *, are_old: bool = False) -> list[Change]:
        """Take in what events tell, in their order. Returns it with all fields of each media.

        One that is in no folder comes back as removed; one whose folder cannot be read does not.
        are_old: what has happened may have been counted before.
        """
        return await asyncio.wrap_future(self._writer.complete(changes, are_old=are_old))

    def rescan(self) -> None:
        """Events were missed: read the folders again."""
        self._writer.scanner.want()

    async def page(self, query: Query) -> Page:
        """With all that was noted before. Raises Problem."""
        return await self._read(partial(pages.read, query=query))

    async def counts(self) -> Counts:
        """With all that was noted before. Raises Problem."""
        return await self._read(counts.read)

    async def batch(self, batch: str) -> BatchCounts:
        """With all that was noted before. Raises Problem."""
        return await self._read(partial(batches.read_counts, batch=batch))

    async def batch_media(self, batch: str, most: int) -> BatchMedia:
        """The ids of so many of its media. With all that was noted before. Raises Problem."""
        return await self._read(partial(batches.read_media, batch=batch, most=most))

    async def _read(self, read: Callable[..., Result]) -> Result:
        try:
            return await asyncio.wrap_future(self._writer.read(read))
        except Unavailable as error:
            raise Problem(INDEX_UNAVAILABLE) from error
