"""KEEP_RECEIPTS_DAYS: old receipts and tombstones are dropped; images stay.

A wrong clock must not drop them. So workers send the time of Redis' clock, and nothing is dropped
while this machine's clock disagrees with it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from functools import partial

from archive.archive import Archive
from shared import clock, console
from shared.background import repeat

_PAUSE_S = 3600.0
_DAY_S = 86_400.0


class Expiry:
    """Drops what is old, once a worker has sent the time and every hour from then on."""

    def __init__(self, archive: Archive, keep_days: float | None) -> None:
        self._archive = archive
        self._keep_days = keep_days
        self._clock_is_set = asyncio.Event()

    def set_clock(self, date: str | None) -> None:
        """Set the clock by a delivery's Date header (RFC 9110 section 6.6.1), if it is valid."""
        try:
            sent_s = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, OverflowError):
            return
        clock.measure(sent_s, time.monotonic())
        self._clock_is_set.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Drop in the background while the context lasts, unless all is kept for ever."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        if self._keep_days is not None:
            await self._clock_is_set.wait()
            drop = partial(self._drop, self._keep_days * _DAY_S)
            await repeat("dropping receipts", drop, _PAUSE_S)

    async def _drop(self, keep_s: float) -> None:
        """Drop what is older, unless the clocks disagree. Raises OSError."""
        if not clock.may_delete():
            return
        started = time.monotonic()
        receipts = await self._archive.drop_receipts(keep_s)
        tombstones = await self._archive.drop_tombstones(keep_s)
        if receipts or tombstones:
            console.event(
                console.NOTICE,
                receipts_dropped=receipts,
                tombstones_dropped=tombstones,
                seconds=time.monotonic() - started,
            )
