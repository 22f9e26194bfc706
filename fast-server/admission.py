"""What is checked before a byte of an upload's body is read."""

import asyncio
import shutil

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from contract import UPLOAD_QUEUE, WATERMARK_QUEUE
from problems import Problem
from refusals import DISK_FULL, QUEUE_FULL, RETRY_AFTER_S, redis_unavailable
from settings import MIB, Settings

REDIS_ANSWER_S = 2.0


async def admit(redis: ArqRedis, settings: Settings) -> None:
    """Raise a Problem where an upload could not be taken whatever it holds."""
    if await queue_depth(redis) >= settings.max_queue_depth:
        detail = f"{settings.max_queue_depth} jobs are waiting, the most MAX_QUEUE_DEPTH allows."
        raise Problem(QUEUE_FULL, detail, RETRY_AFTER_S)
    require_room(settings)


def require_room(settings: Settings) -> None:
    """Raises Problem where too little of the disk is free, and OSError."""
    if shutil.disk_usage(settings.upload_dir).free < settings.min_free_mb * MIB:
        detail = f"Less than {settings.min_free_mb} MB are free (MIN_FREE_MB). Nothing was taken."
        raise Problem(DISK_FULL, detail)


async def queue_depth(redis: ArqRedis) -> int:
    """The jobs waiting or running in both queues.

    Raises Problem where Redis does not answer, or would not take another job.
    """
    try:
        async with asyncio.timeout(REDIS_ANSWER_S):
            async with redis.pipeline(transaction=False) as pipe:
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
        raise redis_unavailable(error) from error
    return sum(answers[:2])
