"""The disk is the truth: what lies in pending/ without a job gets one.

Every worker has a reconciler; flock on uploads/.reconcile.lock decides whose pass it is.
"""

import asyncio
import fcntl
import os
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from redis.exceptions import RedisError
from ulid import ULID

import console
import jobs
from contract import (
    DONE,
    INCOMING,
    PENDING,
    UPLOAD_QUEUE,
    WATERMARK_QUEUE,
    Stage,
    is_media_id,
)
from spool import MediaBusy, MediaGone, Spool, next_stage, read_progress

_INCOMING_KEPT_S = 3600
_SECOND_LOOK_S = 2
_QUEUE_HEAD = 1000  # running jobs stay in the queue, before those that wait


class Reconciler:
    """Passes over the uploads volume, one at the start and one every interval_s."""

    def __init__(
        self, spool: Spool, redis: ArqRedis, interval_s: float, keep_originals_days: float | None
    ) -> None:
        self._spool = spool
        self._redis = redis
        self._interval_s = interval_s
        self._keep_originals_days = keep_originals_days

    async def run(self) -> None:
        """Pass after pass, for ever. A fault of Redis or the disk ends only the pass."""
        while True:
            try:
                await self._turn()
            except (RedisError, OSError) as error:
                console.event(console.NOTICE, detail=f"reconciler: {error!r}")
            await asyncio.sleep(self._interval_s)

    async def _turn(self) -> None:
        """A pass, unless another worker is at it."""
        fd = os.open(self._spool.root / ".reconcile.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            # Where somebody made room with rm -r uploads/done, media could not move there.
            await asyncio.to_thread(self._spool.prepare)
            await self._free_abandoned_jobs()
            await self._queue_what_has_no_job()
            await asyncio.to_thread(self._sweep)
        finally:
            os.close(fd)

    async def _queue_what_has_no_job(self) -> None:
        queued = await self._redis.zrange(WATERMARK_QUEUE, 0, -1)
        queued += await self._redis.zrange(UPLOAD_QUEUE, 0, -1)
        media_ids = {job.decode().partition(":")[0] for job in queued}
        missing = await asyncio.to_thread(self._without_job, media_ids)
        await jobs.enqueue(self._redis, missing)
        if missing:
            detail = "queued what lay in pending/ without a job"
            console.event(console.NOTICE, detail=detail, jobs=len(missing))

    async def _free_abandoned_jobs(self) -> None:
        """Let jobs run again at once whose worker died, or lost Redis while it took them.

        arq would wait for their in-progress key to expire. Whether somebody is at work the
        media's lock knows better; two looks, because the key is there a little longer than
        the lock on either side.
        """
        suspects = await self._in_progress_but_not_held()
        if suspects:
            await asyncio.sleep(_SECOND_LOOK_S)
            abandoned = suspects & await self._in_progress_but_not_held()
            if abandoned:
                await self._redis.delete(*(in_progress_key_prefix + job for job in abandoned))
                detail = "freed jobs that nobody works on"
                console.event(console.NOTICE, detail=detail, jobs=len(abandoned))

    async def _in_progress_but_not_held(self) -> set[str]:
        head = await self._redis.zrange(WATERMARK_QUEUE, 0, _QUEUE_HEAD)
        head += await self._redis.zrange(UPLOAD_QUEUE, 0, _QUEUE_HEAD)
        async with self._redis.pipeline(transaction=False) as pipe:
            for job in head:
                pipe.exists(in_progress_key_prefix + job.decode())
            taken = await pipe.execute()
        in_progress = [job.decode() for job, is_taken in zip(head, taken, strict=True) if is_taken]
        return await asyncio.to_thread(self._not_held, in_progress)

    def _not_held(self, in_progress: list[str]) -> set[str]:
        """Those of the jobs whose media nobody has locked, or that is not there any more."""
        free = set()
        for job in in_progress:
            try:
                with self._spool.hold(job.partition(":")[0]):
                    free.add(job)
            except MediaGone:
                free.add(job)
            except (MediaBusy, OSError, ValueError):
                pass  # at work, or not readable: nothing to be in a hurry for
        return free

    def _without_job(self, with_job: set[str]) -> list[tuple[str, Stage, int]]:
        """Media id, next stage and run of each pending media that no job names."""
        missing = []
        for path in (self._spool.root / PENDING).iterdir():
            if path.name in with_job or not is_media_id(path.name):
                continue
            with suppress(OSError):  # one that cannot be read is no reason to leave the others
                progress = read_progress(path)
                missing.append((path.name, next_stage(progress), progress["run"]))
        return missing

    def _sweep(self) -> None:
        """Remove uploads that broke off, and originals kept long enough."""
        for path in (self._spool.root / INCOMING).iterdir():
            if is_media_id(path.name) and time.time() - _last_change(path) > _INCOMING_KEPT_S:
                shutil.rmtree(path, ignore_errors=True)
        if self._keep_originals_days is None:
            return
        oldest_kept = datetime.now(UTC) - timedelta(days=self._keep_originals_days)
        for path in (self._spool.root / DONE).iterdir():
            if is_media_id(path.name) and ULID.from_str(path.name).datetime < oldest_kept:
                self._remove(path.name)

    def _remove(self, media_id: str) -> None:
        with suppress(MediaBusy, MediaGone, OSError), self._spool.hold(media_id) as media:
            if media.state == DONE:
                shutil.rmtree(media.path, ignore_errors=True)


def _last_change(folder: Path) -> float:
    """When anything in folder last changed, in seconds since the epoch; now if it just went."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except FileNotFoundError:
        return time.time()
