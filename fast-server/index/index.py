"""The index of all media."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from shared import events
from shared.events import Change, Event
from shared.records import read_progress, read_record
from shared.spool import MediaGone, Spool


class Index:
    def __init__(self, folder: Path, spool: Spool) -> None:
        self._spool = spool

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    async def complete(self, changes: Sequence[Change]) -> list[Change]:
        """The changes with all fields of a media. Never raises."""
        return await asyncio.to_thread(lambda: [self._whole(change) for change in changes])

    def rescan(self) -> None:
        pass

    def _whole(self, change: Change) -> Change:
        if "filename" in change:
            return change
        try:
            path = self._spool.find(change["media_id"])
            record, progress = read_record(path), read_progress(path)
        except (MediaGone, OSError):
            return {**change, "event": Event.REMOVED, "status": Event.REMOVED}
        item = events.item(record, progress, path.parent.name, change["changed_at"])
        return {**item, "event": change["event"], "status": change["status"]}
