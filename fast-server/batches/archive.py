"""The answer that has the stored images in one ZIP. It costs the same memory, however large.

Images come from central one after another. The length is known before the first, so what breaks
off is shorter than it says: no client takes it for whole.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing

import httpx
from fastapi import Response
from starlette.types import Receive, Scope, Send

from batches.contents import Contents, Image, of_media
from batches.refusals import TOO_MANY_ARCHIVES
from batches.zip_writer import ZipWriter
from images import central_image
from media import relay
from media.relay import BrokenOff, Relayed
from shared.central_client import CentralClient
from shared.spool import Spool
from shared.web import disposition
from shared.web.problems import Problem
from upload_api.refusals import NOT_STORED

_MOST_AT_ONCE = 8  # each has a connection to central
_STALLED_S = 15.0
_LOST_S = 600.0  # then central is asked again


class Archives:
    """What every archive needs. Each has one of the slots until it has been sent."""

    def __init__(self, spool: Spool, central: CentralClient, ended: asyncio.Event) -> None:
        """ended breaks off what is being sent."""
        self.spool, self.central, self.ended = spool, central, ended
        self.slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._lost: dict[str, float] = {}  # media, and when that was seen

    def note_lost(self, media_id: str) -> None:
        """Leave it out of the next archives, or else each of them would break off at it."""
        self._lost[media_id] = time.monotonic()

    def lost(self) -> set[str]:
        """The media that are stored by their records, but central has no image or another one."""
        since = time.monotonic() - _LOST_S
        self._lost = {media_id: at for media_id, at in self._lost.items() if at > since}
        return set(self._lost)


class ArchiveResponse(Response):
    """Before its head is sent, it is known what is in it, and that central answers."""

    media_type = "application/zip"

    def __init__(self, archives: Archives, filename: str, media_ids: Collection[str]) -> None:
        super().__init__()
        self._archives, self._filename, self._media_ids = archives, filename, media_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Problem and OSError, before it sends anything."""
        slots = self._archives.slots
        if slots.locked():
            raise Problem(TOO_MANY_ARCHIVES, most=_MOST_AT_ONCE)
        async with slots:
            contents = await self._contents()
            is_sent = scope["method"] != "HEAD"
            if is_sent and await self._lacks_the_first(contents):
                contents = await self._contents()
            headers = await asyncio.to_thread(_headers, self._filename, contents)
            answer = Relayed(self._zip(contents), headers) if is_sent else Response(headers=headers)
            await answer(scope, receive, send)

    async def _contents(self) -> Contents:
        return await of_media(self._archives.spool, self._media_ids, self._archives.lost())

    async def _lacks_the_first(self, contents: Contents) -> bool:
        """Whether central has lost the first image, and perhaps others. Raises Problem."""
        for number, image in enumerate(contents.images):
            try:
                await (await self._open(image)).aclose()
                return number > 0
            except Problem as problem:
                if problem.kind is not NOT_STORED:
                    raise
        return bool(contents.images)

    async def _open(self, image: Image) -> httpx.Response:
        try:
            return await central_image.opened(self._archives.central, image.media_id)
        except Problem as problem:
            if problem.kind is NOT_STORED:
                self._archives.note_lost(image.media_id)
            raise

    async def _zip(self, contents: Contents) -> AsyncGenerator[bytes]:
        """Raises BrokenOff."""
        writer = ZipWriter()
        for image in contents.images:
            with writer.file(image.entry) as file:
                async with aclosing(self._pieces(image)) as pieces:
                    async for piece in pieces:
                        file.write(piece)
                        yield writer.taken()
        if contents.missing:
            with writer.file(contents.left_out_entry) as file:
                file.write(contents.left_out)
        await asyncio.to_thread(writer.close)
        yield writer.taken()

    async def _pieces(self, image: Image) -> AsyncGenerator[bytes]:
        """The image's bytes. Raises BrokenOff."""
        ended = self._archives.ended
        try:
            response = await self._open(image)
            with relay.closed_at(ended, response):
                async with aclosing(_checked(image, response)) as pieces:
                    async for piece in pieces:
                        yield piece
        except (BrokenOff, Problem) as error:
            if isinstance(error, _OtherImage):
                self._archives.note_lost(image.media_id)
            why = "this service ends" if ended.is_set() else str(error)
            raise BrokenOff(f"the archive broke off at media {image.media_id}: {why}") from error


class _OtherImage(BrokenOff):
    """It came whole, but is not the one that was stored."""


async def _checked(image: Image, response: httpx.Response) -> AsyncGenerator[bytes]:
    """The image's bytes. Raises BrokenOff where they are not those that its record tells of."""
    digest, left = hashlib.sha256(), image.entry.size
    async with aclosing(relay.pieces(response, _STALLED_S)) as pieces:
        async for piece in pieces:
            digest.update(piece)
            left -= len(piece)
            if left < 0:
                break
            yield piece
    if left != 0 or digest.hexdigest() != image.sha256:
        raise _OtherImage("central has another image than its record says: its size or SHA-256")


def _headers(filename: str, contents: Contents) -> dict[str, str]:
    return {
        "Content-Type": "application/zip",
        "Content-Length": str(contents.length()),
        "Content-Disposition": disposition.written("attachment", filename),
        "Archive-Images": str(len(contents.images)),
        "Archive-Left-Out": str(contents.missing),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Accel-Buffering": "no",  # else nginx writes it to its disk
    }
