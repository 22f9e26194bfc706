"""Jobs for media that are safe on the disk already: Redis only makes them start sooner."""

import asyncio
from collections.abc import Sequence

from arq.connections import ArqRedis
from redis.exceptions import RedisError

import console
import jobs
from jobs import Job

_ENQUEUE_S = 2.0


async def enqueue(redis: ArqRedis, wanted: Sequence[Job]) -> bool:
    """Queue the jobs; whether Redis took them. If not, the reconciler of a worker queues them."""
    try:
        async with asyncio.timeout(_ENQUEUE_S):
            await jobs.enqueue(redis, wanted)
    except (RedisError, OSError) as error:
        detail = f"not queued yet, Redis says: {error!r}"
        media_id = wanted[0][0] if len(wanted) == 1 else None
        console.event(console.NOTICE, media_id=media_id, jobs=len(wanted), detail=detail)
        return False
    return True
