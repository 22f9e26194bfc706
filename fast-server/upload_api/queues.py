"""The queues in Redis. They only make media start sooner: those are safe on the disk already."""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from shared import clock, console
from shared.contract import UPLOAD_QUEUE, WATERMARK_QUEUE
from shared.redis import jobs
from shared.redis.jobs import Job
from upload_api.refusals import redis_unavailable

REDIS_ANSWER_S = 2.0
# Uploads under load share an answer of Redis: without that 0.95 of the small images a second.
_FRESH_S = 0.01


class Queues:
    """How many jobs wait, and how to queue more."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._depth, self._read_at = 0, -math.inf

    async def enqueue(self, wanted: Sequence[Job], events: Sequence[bytes] = ()) -> bool:
        """Queue the jobs and add the encoded events.

        Returns whether Redis took them: if not, a worker's reconciler will queue the jobs.
        """
        self._depth += len(wanted)
        try:
            async with asyncio.timeout(REDIS_ANSWER_S):
                await jobs.enqueue(self._redis, wanted, events)
        except Exception as error:  # whatever it is: the media are safe on the disk
            clock.lose()
            self._read_at = -math.inf
            what = "not queued yet" if wanted else "an event is lost"
            detail = f"{what}, Redis says: {error!r}"
            media_id = wanted[0][0] if len(wanted) == 1 else None
            console.event(console.NOTICE, media_id=media_id, jobs=len(wanted), detail=detail)
            await self._put_aside_foreign_keys(error)
            return False
        return True

    async def are_full(self, most: int) -> bool:
        """Whether that many jobs wait or run in both queues together.

        Raises Problem where Redis does not answer, or would not take another job.
        """
        if time.monotonic() - self._read_at > _FRESH_S or self._depth >= most:
            self._depth = await self._read_depth()
            self._read_at = time.monotonic()
        return self._depth >= most

    async def _read_depth(self) -> int:
        """Ask Redis. Sets the clock."""
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(REDIS_ANSWER_S):
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.time()
                    pipe.zcard(WATERMARK_QUEUE)
                    pipe.zcard(UPLOAD_QUEUE)
                    # Redis refuses a write that it has no memory or right for before it looks at
                    # what the write does. This one, of a member that is missing, does nothing.
                    pipe.zadd(WATERMARK_QUEUE, {"no such job": 0}, xx=True)
                    answers = await pipe.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, RedisError):
                    raise answer
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            clock.lose()
            await self._put_aside_foreign_keys(error)
            raise redis_unavailable(error) from error
        redis_time, watermark, upload, _ = answers
        jobs.measure(redis_time, asked_at)
        return int(watermark + upload)

    async def _put_aside_foreign_keys(self, error: Exception) -> None:
        """A foreign key fails this request, but not the next."""
        if str(error).startswith("WRONGTYPE"):
            with suppress(RedisError, OSError):
                async with asyncio.timeout(REDIS_ANSWER_S):
                    await jobs.put_aside_foreign_keys(self._redis)
