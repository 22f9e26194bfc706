"""Progress records in done/ and failed/ that are empty, torn or at odds with their folder.

A power cut or a person may leave them so. In done/ the folder proves that the media is stored: its
record says so again, with central's receipt if there is one, and it is never delivered again.

In failed/ the reason is lost. The media goes back to pending/ if central still has a receipt or
would have kept one, so that it is stored only once. Otherwise it has failed as record_lost.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, closing, suppress
from functools import partial
from itertools import islice

from ulid import ULID

from errors import Unavailable
from pipeline.delivery import DeliveryClient
from recovery import lock_files
from recovery.retention import DAY_S
from shared import clock, console
from shared.background import in_thread
from shared.contract import FAILED, PROGRESS_RECORD, is_media_id
from shared.records import is_in_order
from shared.redis import events
from shared.redis.events import Event
from shared.redis.jobs import Job, next_job
from shared.spool import MediaBusy, MediaGone, Spool

Rerun = tuple[Job, bytes]  # with its encoded event
_SLICE = 500  # records looked at in a row; then the worker's jobs get as much time
_SHARE = 100  # a look that took a second is followed by a pause of 100


class ClocksDisagree(Exception):
    """Redis' clock and this machine's disagree, or Redis does not answer."""


class RecordRepair:
    """Of one folder. The first run looks at every record, later ones at those that changed."""

    def __init__(self, state: str, spool: Spool, central: DeliveryClient) -> None:
        self._state = state
        self._folder = spool.root / state
        self._lock = spool.root / f".{state}-looked-at.lock"
        self._spool = spool
        self._central = central
        self._started_ns = 0  # by the file system's clock, as the next
        self._looked_ns = 0
        self._not_before = 0.0
        self._looking_s = 0.0
        self._is_waiting = False

    async def run(self) -> list[Rerun]:
        """Repair what is out of order. Returns what is pending again. Raises OSError."""
        if time.monotonic() < self._not_before:
            return []
        self._looking_s = 0.0
        try:
            with lock_files.opened(self._lock) as fd:
                return await self._look_over(fd)
        except BlockingIOError:  # another worker is at it
            return []
        except Unavailable as error:
            self._say_that_they_wait(f"central: {error.detail}")
            return []
        except ClocksDisagree:
            self._say_that_they_wait("Redis' clock and this machine's to agree on their age.")
            return []
        finally:
            self._not_before = time.monotonic() + _SHARE * self._looking_s

    async def _look_over(self, fd: int) -> list[Rerun]:
        """fd is the lock's file; it says when the last look began. Raises BlockingIOError."""
        self._started_ns = self._started_ns or _now_ns(fd)
        lock_files.lock(fd)
        now_ns, queued, is_all = _now_ns(fd), [], True
        looked_ns = lock_files.noted(fd, int)
        if self._started_ns <= looked_ns <= now_ns:  # by another worker meanwhile
            self._looked_ns = max(self._looked_ns, looked_ns)
        if self._looked_ns > now_ns:  # the clock was set back
            self._looked_ns = 0
        async with aclosing(self._out_of_order()) as found:
            async for media_id in found:
                try:
                    queued += await self._put_right(media_id)
                except MediaGone:
                    pass
                except (Unavailable, ClocksDisagree):
                    raise
                except Exception as error:  # no reason to leave the others
                    is_all = False
                    if not isinstance(error, MediaBusy):
                        console.event(console.NOTICE, media_id=media_id, detail=repr(error))
        if is_all:
            self._looked_ns, self._is_waiting = now_ns, False
            lock_files.note(fd, now_ns)
        return queued

    async def _out_of_order(self) -> AsyncGenerator[str]:
        with closing(self._records(self._looked_ns)) as records:
            while True:
                started = time.monotonic()
                looked_at = await in_thread(partial(self._next_slice, records))
                if not looked_at:
                    return
                for media_id in looked_at:
                    if media_id is not None:
                        yield media_id
                await asyncio.sleep(time.monotonic() - started)

    def _next_slice(self, records: Iterator[str | None]) -> list[str | None]:
        # Processor time, which leaves out a frozen worker and waits for central.
        started = time.thread_time()
        looked_at = list(islice(records, _SLICE))
        self._looking_s += time.thread_time() - started
        return looked_at

    def _records(self, since_ns: int) -> Generator[str | None]:
        """The media's id of a record that is out of order, None for any other."""
        with os.scandir(self._folder) as entries:
            for entry in entries:
                suspect = is_media_id(entry.name) and self._changed(entry.name, since_ns)
                yield entry.name if suspect and not self._is_in_order(entry.name) else None

    def _changed(self, media_id: str, since_ns: int) -> bool:
        with suppress(OSError):  # there is none: it has changed
            return os.lstat(f"{self._folder}/{media_id}/{PROGRESS_RECORD}").st_ctime_ns >= since_ns
        return True

    def _is_in_order(self, media_id: str) -> bool:
        try:
            return is_in_order(self._folder / media_id)
        except OSError:  # _put_right says what it is
            return False

    async def _put_right(self, media_id: str) -> list[Rerun]:
        """Raises Unavailable, ClocksDisagree, MediaBusy, MediaGone, OSError."""
        receipt = await self._central.receipt(media_id)
        rerun = self._state == FAILED and (
            receipt is not None or await self._would_have_a_receipt(media_id)
        )
        with self._spool.hold(media_id) as media:
            if media.state != self._state or is_in_order(media.path):
                return []
            if rerun:
                media.rerun()
                outcome = "rerun: central stores nothing twice"
            else:  # read_progress has what its folder proves
                media.progress["stored"] = receipt
                await asyncio.to_thread(media.save_durably)
                outcome = f"{media.progress['status']}: it lies in {self._state}/"
            job = next_job(media_id, media.progress)
            event = events.encoded(events.now(media), Event.RETRY)
        console.event(console.NOTICE, media_id=media_id, lost_record=outcome)
        return [(job, event)] if rerun else []

    async def _would_have_a_receipt(self, media_id: str) -> bool:
        """Whether central still has a receipt of this media if it stored it.

        Raises Unavailable and ClocksDisagree.
        """
        days = await self._central.receipts_kept_days()
        if days is None:
            return True
        if not clock.may_delete():
            raise ClocksDisagree
        return clock.now_s() - ULID.from_str(media_id).timestamp < days * DAY_S

    def _say_that_they_wait(self, what_for: str) -> None:
        if not self._is_waiting:
            detail = f"records in {self._state}/ that were lost wait for {what_for}"
            console.event(console.NOTICE, detail=detail)
        self._is_waiting = True


def _now_ns(fd: int) -> int:
    os.utime(fd)
    return os.fstat(fd).st_mtime_ns
