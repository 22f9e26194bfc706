"""KEEP_RECEIPTS_DAYS: what is remembered of a media is dropped in the end; its image stays.

Of a deleted one that is its tombstone.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from archive.archive import Archive
from shared import console

_PAUSE_S = 3600.0
_DAY_S = 86_400.0


@asynccontextmanager
async def running(archive: Archive, keep_days: float | None) -> AsyncIterator[None]:
    """Drop what is old meanwhile; nothing where it is kept for ever."""
    if keep_days is None:
        yield
        return
    task = asyncio.create_task(_drop_hourly(archive, keep_days))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _drop_hourly(archive: Archive, keep_days: float) -> None:
    """Now and every hour, until this is cancelled."""
    while True:
        started = time.monotonic()
        try:
            receipts = await archive.drop_receipts(keep_days * _DAY_S)
            tombstones = await archive.drop_tombstones(keep_days * _DAY_S)
        except OSError as error:
            console.event(console.FAILED, receipts_not_dropped=error.strerror)
        else:
            if receipts or tombstones:
                console.event(
                    console.NOTICE,
                    receipts_dropped=receipts,
                    tombstones_dropped=tombstones,
                    seconds=time.monotonic() - started,
                )
        await asyncio.sleep(_PAUSE_S)
