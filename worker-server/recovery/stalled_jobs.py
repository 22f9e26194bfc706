"""Jobs that no worker would start, because arq takes them for running or they are put off too long.

Their worker died, or lost Redis while it took them; or a wrong clock put them off.
"""

import asyncio
from pathlib import Path

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix

from shared import console
from shared.contract import UPLOAD_QUEUE, WATERMARK_QUEUE, media_id_of
from shared.spool import MediaBusy, MediaGone, Spool

_ENDING_S = 0.2  # a job that let go of its lock has left the queue by then
_QUEUE_HEAD = 1000  # running jobs stay in the queue, before those that wait
_QUEUES = (WATERMARK_QUEUE, UPLOAD_QUEUE)
_RUNNING = Path(__file__).with_name("running_jobs.lua").read_text()
_BRING_FORWARD = Path(__file__).with_name("bring_forward.lua").read_text()


class StalledJobs:
    """Found by looking again and again."""

    def __init__(self, spool: Spool, redis: ArqRedis) -> None:
        self._spool = spool
        self._redis = redis
        self._running = redis.register_script(_RUNNING)
        self._bring_forward = redis.register_script(_BRING_FORWARD)
        self._in_progress: set[bytes] = set()

    async def bring_forward(self, longest_s: float) -> None:
        """Make due what is put off for longer. A job that runs too early is put off again."""
        longest_ms = int(longest_s * 1000)
        late = await self._bring_forward(keys=_QUEUES, args=[longest_ms, _QUEUE_HEAD])
        if late:
            detail = "brought forward jobs that a wrong clock had put off"
            console.event(console.NOTICE, detail=detail, jobs=late)

    async def free(self) -> None:
        """Let jobs run again that are in progress for arq, but whose media nobody has locked.

        arq would wait for their in-progress keys to expire. A job is freed only if it was in
        progress at the last look, too: as a job begins and ends, its key exists for a moment
        without the lock.
        """
        before, self._in_progress = self._in_progress, await self._jobs_in_progress()
        abandoned = await asyncio.to_thread(self._not_held, before & self._in_progress)
        if abandoned:
            await asyncio.sleep(_ENDING_S)
            abandoned &= await self._jobs_in_progress()
        if abandoned:
            await self._redis.delete(*(in_progress_key_prefix.encode() + job for job in abandoned))
            detail = "freed jobs that nobody works on"
            console.event(console.NOTICE, detail=detail, jobs=len(abandoned))

    async def _jobs_in_progress(self) -> set[bytes]:
        return set(await self._running(keys=_QUEUES, args=[_QUEUE_HEAD]))

    def _not_held(self, in_progress: set[bytes]) -> set[bytes]:
        """Those of the jobs whose media nobody has locked, or that is not there any more."""
        free = set()
        for job in in_progress:
            try:
                with self._spool.hold(media_id_of(job) or ""):
                    free.add(job)
            except MediaGone:
                free.add(job)
            except (MediaBusy, OSError):
                pass  # at work, or not readable: nothing to be in a hurry for
        return free
