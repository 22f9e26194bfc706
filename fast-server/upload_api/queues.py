"""The queues in Redis, which only make media start sooner that are safe on the disk already."""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from shared import clock, console, jobs
from shared.contract import UPLOAD_QUEUE, WATERMARK_QUEUE
from shared.jobs import Job
from upload_api.refusals import redis_unavailable

REDIS_ANSWER_S = 2.0
_FRESH_S = 0.01  # uploads that come faster than that share what Redis answered
# Where this many share a trip, trips are so far apart for a while that more can share them: a fifth
# more uploads a second. What a client or two send one after the other does not wait.
_CROWD, _CROWDED_S, _APART_S = 3, 0.1, 0.004


class Queues:
    """Under load a round trip to Redis is a fifth of a small upload: here uploads share them."""

    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._waiting: list[tuple[Sequence[Job], asyncio.Future[bool]]] = []
        self._trips: asyncio.Task[None] | None = None
        self._depth = 0
        self._looked_at = self._sent_at = self._crowded_at = -math.inf

    async def are_full(self, most: int) -> bool:
        """Whether that many jobs wait or run in both queues together.

        Raises Problem where Redis does not answer, or would not take another job.
        """
        is_fresh = time.monotonic() - self._looked_at < _FRESH_S
        if not is_fresh or self._depth >= most:
            await self.look()
        return self._depth >= most

    async def enqueue(self, wanted: Sequence[Job]) -> bool:
        """Queue the jobs, with those that came while others were on their way.

        Whether Redis takes jobs. If not, the reconciler of a worker queues them.
        """
        self._depth += len(wanted)
        took: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, took))
        if self._trips is None or self._trips.done():
            self._trips = asyncio.create_task(self._make_trips())
        return await took

    async def _make_trips(self) -> None:
        while self._waiting:
            now = time.monotonic()
            early_s = self._sent_at + _APART_S - now
            if early_s > 0 and now - self._crowded_at < _CROWDED_S:
                await asyncio.sleep(early_s)
            together, self._waiting = self._waiting, []
            if len(together) >= _CROWD:
                self._crowded_at = time.monotonic()
            took = await self._send([job for wanted, _ in together for job in wanted])
            for _, waiting in together:
                if not waiting.done():  # its request was cancelled
                    waiting.set_result(took)

    async def _send(self, wanted: Sequence[Job]) -> bool:
        self._sent_at = time.monotonic()
        try:
            async with asyncio.timeout(REDIS_ANSWER_S):
                depth = await jobs.enqueue(self._redis, wanted)
        except Exception as error:  # whatever it is: the media are safe on the disk
            self._looked_at = -math.inf
            clock.lose()
            detail = f"not queued yet, Redis says: {error!r}"
            media_id = wanted[0][0] if len(wanted) == 1 else None
            console.event(console.NOTICE, media_id=media_id, jobs=len(wanted), detail=detail)
            await self._put_aside_foreign_keys(error)
            return False
        self._depth, self._looked_at = depth + len(self._waiting), time.monotonic()
        return True

    async def look(self) -> None:
        """Ask Redis how many there are, and the time. Raises Problem as are_full does."""
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(REDIS_ANSWER_S):
                async with self._redis.pipeline(transaction=False) as pipe:
                    pipe.time()
                    pipe.zcard(WATERMARK_QUEUE)
                    pipe.zcard(UPLOAD_QUEUE)
                    # Redis refuses a write it has no room or right for before it looks at what it
                    # would do: this one, of a member that is not there, does nothing.
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
        self._depth = watermark + upload + len(self._waiting)
        self._looked_at = time.monotonic()

    async def _put_aside_foreign_keys(self, error: Exception) -> None:
        """What is in the way of this request is not in the way of the next."""
        if str(error).startswith("WRONGTYPE"):
            with suppress(RedisError, OSError):
                async with asyncio.timeout(REDIS_ANSWER_S):
                    await jobs.put_aside_foreign_keys(self._redis)
