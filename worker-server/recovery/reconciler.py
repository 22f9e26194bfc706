"""The disk is the truth: what lies in pending/ without a job gets one.

Every worker has a reconciler. Every two seconds it looks, cheaply, for jobs that run without a lock
and for an empty Redis. It passes over the volume if Redis is empty, at the start, and every
RECONCILE_SECONDS. uploads/.reconcile.lock says when any worker's last pass began.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TypeVar

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from pipeline import attempts
from pipeline.delivery import DeliveryClient
from pipeline.logo import Logo
from recovery import lock_files, preview_sweep
from recovery.record_repair import RecordRepair
from recovery.retention import Retention
from recovery.stalled_jobs import StalledJobs
from settings import Settings
from shared import clock, console
from shared.background import repeat
from shared.contract import (
    CENTRAL_FULL,
    CENTRAL_UNREACHABLE,
    FAILED,
    LOGO_UNAVAILABLE,
    PASSED_KEY,
    PENDING,
    RERUN_WHEN,
    UPLOAD_QUEUE,
    WATERMARK_QUEUE,
    is_media_id,
    media_id_of,
    timestamp,
)
from shared.records import read_progress, rerun_until
from shared.redis import events, jobs
from shared.redis.events import Event
from shared.redis.jobs import Job, next_job
from shared.spool import MediaBusy, MediaGone, Spool

_LOOK_S = 2.0
Result = TypeVar("Result")
_BATCH = 200  # media handled at once, so that the worker's own jobs go on in between


class Reconciler:
    """Looks and passes over the uploads volume, until it is cancelled."""

    def __init__(
        self,
        spool: Spool,
        redis: ArqRedis,
        central: DeliveryClient,
        logo: Logo,
        settings: Settings,
        repairs: Sequence[RecordRepair],
        redis_notice: console.RecurringNotice,
    ) -> None:
        self._spool = spool
        self._redis = redis
        self._is_there = {
            CENTRAL_UNREACHABLE: central.is_ready,
            CENTRAL_FULL: central.is_ready,
            LOGO_UNAVAILABLE: logo.works,
        }
        self._settings = settings
        self._repairs = repairs
        self._redis_notice = redis_notice
        self._stalled = StalledJobs(spool, redis)
        self._longest_wait_s = attempts.longest_wait_s(settings)
        self._redis_epoch_s = math.inf  # when this machine was started, by Redis' clock
        self._retention = Retention(spool, settings.keep_originals_days, settings.keep_failed_days)
        self._must_pass = True
        self._began_at = -math.inf

    async def run(self) -> None:
        """Look again and again. An error ends only the look that it happens in."""
        pause_s = self._settings.reconcile_seconds
        async with asyncio.TaskGroup() as loops:
            loops.create_task(repeat("reconciler", self._look, min(_LOOK_S, pause_s)))
            # Beside the looks, which must not wait while a full folder is read.
            for repair in self._repairs:
                repair_records = partial(self._repair_records, repair)
                loops.create_task(repeat("record repair", repair_records, pause_s))
            sweep = partial(asyncio.to_thread, preview_sweep.sweep, self._spool)
            loops.create_task(repeat("the previews' cache", sweep, pause_s))

    async def _look(self) -> None:
        try:
            set_back = await self._measure_clock()
            await self._stalled.free()
            await self._stalled.bring_forward(0 if set_back else self._longest_wait_s)
            must_pass = self._must_pass or not await self._redis.exists(PASSED_KEY)
            least_s = _LOOK_S if must_pass else self._settings.reconcile_seconds
            if await asyncio.to_thread(self._take_turn, least_s):
                self._began_at = time.monotonic()
                await self._pass()
                self._must_pass = False
        except Exception as error:
            self._must_pass = True
            if str(error).startswith("WRONGTYPE"):
                await jobs.put_aside_foreign_keys(self._redis)
            if not isinstance(error, RedisError):
                raise
            self._redis_notice.report(detail=f"reconciler: {error!r}")

    async def _measure_clock(self) -> bool:
        """Whether Redis' clock may have been set back: jobs would wait until their old time."""
        asked_at = time.monotonic()
        try:
            jobs.measure(await self._redis.time(), asked_at)
        except Exception:
            clock.lose()
            raise
        before_s, self._redis_epoch_s = self._redis_epoch_s, clock.now_s() - time.monotonic()
        return self._redis_epoch_s < before_s - _LOOK_S

    async def _repair_records(self, repair: RecordRepair) -> None:
        if rerun := await repair.run():
            await jobs.enqueue(self._redis, *zip(*rerun, strict=True))

    def _take_turn(self, least_s: float) -> bool:
        """Whether any worker's last pass began least_s seconds ago or earlier; this one's begins.

        The lock is not held during a pass: two at once do no harm, but a frozen worker would keep
        all others from theirs.
        """
        try:
            with lock_files.opened(self._spool.root / ".reconcile.lock") as fd:
                lock_files.lock(fd)
                ago_s = clock.now_s() - lock_files.noted(fd, float)
                if 0 <= ago_s < 0.9 * least_s:  # negative: the clock was set back
                    return False
                lock_files.note(fd, clock.now_s())
                return True
        except BlockingIOError:
            return False
        except OSError:  # the disk is full, or the folder is gone, which a pass makes
            return time.monotonic() - self._began_at >= least_s

    async def _pass(self) -> None:
        # An operator may have removed done/, and media could not move there.
        await asyncio.to_thread(self._spool.prepare)
        # First, so that the next look notices what Redis loses from here on.
        await self._redis.set(PASSED_KEY, timestamp(clock.now()))
        await self._queue_what_has_no_job()
        await self._rerun_what_waits()
        removed = map(events.removed, self._retention.sweep())
        # Told as it goes on: a sweep may take minutes, and its worker may end.
        while some := await asyncio.to_thread(lambda: list(islice(removed, _BATCH))):
            await jobs.enqueue(self._redis, (), some)

    async def _queue_what_has_no_job(self) -> None:
        # In this order: stage 2 is queued before stage 1's job goes.
        queued = await self._redis.zrange(WATERMARK_QUEUE, 0, -1)
        queued += await self._redis.zrange(UPLOAD_QUEUE, 0, -1)
        missing, foreign = await asyncio.to_thread(self._compare, queued)
        if foreign:  # arq would stumble over them for ever
            await self._redis.zrem(WATERMARK_QUEUE, *foreign)
            await self._redis.zrem(UPLOAD_QUEUE, *foreign)
        await self._queue_each(missing, self._next_job)
        if missing:
            detail = "queued what lay in pending/ without a job"
            console.event(console.NOTICE, detail=detail, jobs=len(missing))

    def _compare(self, queued: list[bytes]) -> tuple[list[str], list[bytes]]:
        """The pending media without a job, and the ids in the queues that are no job's."""
        media_ids = {job: media_id_of(job) for job in queued}
        with_job = set(media_ids.values())
        missing = [media_id for media_id in self._media_in(PENDING) if media_id not in with_job]
        return sorted(missing), [job for job, media_id in media_ids.items() if media_id is None]

    def _next_job(self, media_id: str) -> tuple[Job, bytes | None]:
        progress = read_progress(self._spool.folder(PENDING, media_id))
        return next_job(media_id, progress), None

    async def _rerun_what_waits(self) -> None:
        """Rerun what failed because central or the logo was not there, if it is now."""
        waiting = dict(await asyncio.to_thread(self._waiting))
        there = {code for code in {*waiting.values()} if await self._is_there[code]()}
        failed = [media_id for media_id, code in waiting.items() if code in there]
        await self._queue_each(failed, self._rerun)
        if failed:
            once = " and ".join(sorted({RERUN_WHEN[code] for code in there}))
            detail = f"{once}: reran what had failed for want of that"
            console.event(console.NOTICE, detail=detail, media=len(failed))

    def _waiting(self) -> list[tuple[str, str]]:
        """The media that are still to be rerun once they can be, and the code each failed with."""
        return _of_each(self._media_in(FAILED), self._if_waiting)

    def _if_waiting(self, media_id: str) -> tuple[str, str] | None:
        path = self._spool.folder(FAILED, media_id)
        if clock.now() >= rerun_until(path):
            return None
        error = read_progress(path)["error"]
        return (media_id, error["code"]) if error and error["code"] in RERUN_WHEN else None

    def _rerun(self, media_id: str) -> tuple[Job, bytes] | None:
        # Busy or gone: somebody reruns or deletes it right now.
        with suppress(MediaBusy, MediaGone), self._spool.hold(media_id) as media:
            if media.state == FAILED:
                media.rerun()
                event = events.encoded(events.now(media), Event.RETRY)
                return next_job(media_id, media.progress), event
        return None

    async def _queue_each(
        self, media_ids: list[str], job_and_event: Callable[[str], tuple[Job, bytes | None] | None]
    ) -> None:
        for start in range(0, len(media_ids), _BATCH):
            batch = media_ids[start : start + _BATCH]
            found = await asyncio.to_thread(_of_each, batch, job_and_event)
            told = [event for _, event in found if event]
            await jobs.enqueue(self._redis, [job for job, _ in found], told)

    def _media_in(self, state: str) -> list[str]:
        with os.scandir(self._spool.root / state) as entries:
            return [e.name for e in entries if is_media_id(e.name) and _is_folder(e)]


def _of_each(media_ids: Iterable[str], do: Callable[[str], Result | None]) -> list[Result]:
    """What do returns for each, if anything. Where it fails for one, the others go on."""
    results = []
    for media_id in media_ids:
        try:
            result = do(media_id)
        except Exception as error:
            console.event(console.NOTICE, media_id=media_id, detail=repr(error))
        else:
            results += [] if result is None else [result]
    return results


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)
