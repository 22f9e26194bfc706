"""Jobs that nothing would start: their worker died, or lost Redis while it took them, and arq takes
them for running; or a clock that was wrong put them off for longer than any job is.
"""

import asyncio

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix

from shared import console, jobs
from shared.contract import UPLOAD_QUEUE, WATERMARK_QUEUE, media_id_of
from shared.spool import MediaBusy, MediaGone, Spool

_ENDING_S = 0.2  # a job that let go of its lock has left the queue by then
_QUEUE_HEAD = 1000  # running jobs stay in the queue, before those that wait

# In Redis, for every worker asks every two seconds, and few of a long queue's jobs are running.
_IN_PROGRESS = """
local taken = {}
for _, queue in ipairs(KEYS) do
    for _, job in ipairs(redis.call('ZRANGE', queue, 0, ARGV[2])) do
        if redis.call('EXISTS', ARGV[1] .. job) == 1 then table.insert(taken, job) end
    end
end
return taken
"""


_BRING_FORWARD = f"""
{jobs.NOW_MS}
local late = 0
for _, queue in ipairs(KEYS) do
    local found = redis.call(
        'ZRANGEBYSCORE', queue, now_ms + ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])
    for _, job in ipairs(found) do redis.call('ZADD', queue, 'XX', now_ms, job) end
    late = late + #found
end
return late
"""


class StalledJobs:
    """Found by looking again and again."""

    def __init__(self, spool: Spool, redis: ArqRedis) -> None:
        self._spool = spool
        self._redis = redis
        self._ask = redis.register_script(_IN_PROGRESS)
        self._bring_forward = redis.register_script(_BRING_FORWARD)
        self._in_progress: set[bytes] = set()

    async def bring_forward(self, most_s: float) -> None:
        """Make due what is put off for longer. A job that comes too early is put off again."""
        late = await self._bring_forward(
            keys=[WATERMARK_QUEUE, UPLOAD_QUEUE], args=[int(most_s * 1000), _QUEUE_HEAD]
        )
        if late:
            detail = "brought forward jobs that a wrong clock had put off"
            console.event(console.NOTICE, detail=detail, jobs=late)

    async def free(self) -> None:
        """Let those that were in progress a look ago and still are run again, if left alone.

        arq would wait for their in-progress key to expire. Whether somebody is at work the
        media's lock knows better. It is tried only for jobs that were in progress a look ago:
        for a moment at either end the key is there and the lock is not.
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
        taken: list[bytes] = await self._ask(
            keys=[WATERMARK_QUEUE, UPLOAD_QUEUE], args=[in_progress_key_prefix, _QUEUE_HEAD]
        )
        return set(taken)

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
