"""Jobs whose worker died, or lost Redis while it took them, and which arq takes for running."""

import asyncio

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix

import console
from contract import UPLOAD_QUEUE, WATERMARK_QUEUE
from spool import MediaBusy, MediaGone, Spool

_QUEUE_HEAD = 1000  # running jobs stay in the queue, before those that wait


class AbandonedJobs:
    """Found by looking again and again."""

    def __init__(self, spool: Spool, redis: ArqRedis) -> None:
        self._spool = spool
        self._redis = redis
        self._in_progress: set[str] = set()

    async def free(self) -> None:
        """Let those that were in progress a look ago and still are run again, if left alone.

        arq would wait for their in-progress key to expire. Whether somebody is at work the
        media's lock knows better. It is tried only for jobs that were in progress a look ago:
        for a moment at either end the key is there and the lock is not.
        """
        before, self._in_progress = self._in_progress, await self._jobs_in_progress()
        abandoned = await asyncio.to_thread(self._not_held, before & self._in_progress)
        if abandoned:
            await self._redis.delete(*(in_progress_key_prefix + job for job in abandoned))
            detail = "freed jobs that nobody works on"
            console.event(console.NOTICE, detail=detail, jobs=len(abandoned))

    async def _jobs_in_progress(self) -> set[str]:
        head = await self._redis.zrange(WATERMARK_QUEUE, 0, _QUEUE_HEAD)
        head += await self._redis.zrange(UPLOAD_QUEUE, 0, _QUEUE_HEAD)
        if not head:
            return set()
        names = [job.decode(errors="replace") for job in head]
        taken = await self._redis.mget([in_progress_key_prefix + name for name in names])
        return {name for name, is_taken in zip(names, taken, strict=True) if is_taken}

    def _not_held(self, in_progress: set[str]) -> list[str]:
        """Those of the jobs whose media nobody has locked, or that is not there any more."""
        free = []
        for job in in_progress:
            try:
                with self._spool.hold(job.partition(":")[0]):
                    free.append(job)
            except MediaGone:
                free.append(job)
            except (MediaBusy, OSError):
                pass  # at work, or not readable: nothing to be in a hurry for
        return free
