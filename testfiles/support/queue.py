"""arq's workers on a Redis, without what they work on: taking jobs, and ending them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from arq.connections import ArqRedis
from arq.worker import func
from ulid import ULID

from pipeline.stages import Outcome
from service.queue_worker import QueueWorker
from shared import contract
from shared.background import end
from shared.contract import Stage
from shared.redis import jobs
from shared.redis.jobs import Job
from support.fast import RedisServer

SLOTS = 2
Done = Counter[str]  # by worker


def connected(redis: RedisServer, stage: Stage) -> ArqRedis:
    queue, _ = jobs.QUEUE_AND_TASK[stage]
    return jobs.connect(redis.url, queue, timeout_s=5, retries=1)


@asynccontextmanager
async def workers(
    redis: RedisServer,
    names: str,
    work: Callable[[str], Awaitable[Job | None]],
    stage: Stage = Stage.WATERMARK,
    event: bytes = b"",
    is_paused: Callable[[], bool] = bool,
) -> AsyncIterator[dict[str, QueueWorker]]:
    """One of each name's letters, all waiting for jobs that call work with the name.

    What work returns is the job to follow. Each job ends with the event.
    """
    queue, task = jobs.QUEUE_AND_TASK[stage]

    async def job(ctx: dict[str, Any], *_: object) -> Outcome:
        return Outcome(await work(ctx["name"]), event)

    made = {
        name: QueueWorker(
            [func(job, name=task)],
            queue_name=queue,
            redis_pool=connected(redis, stage),
            max_jobs=SLOTS,
            ctx={"name": name},
            own_uploads=asyncio.Semaphore(0),
            is_paused=is_paused,
            health_check_key=f"health-{name}",
        )
        for name in names
    }
    running = [asyncio.create_task(worker.async_run()) for worker in made.values()]
    try:
        if queue == contract.WATERMARK_QUEUE:
            await until(lambda: redis.client.info()["blocked_clients"] == len(made))
        yield made
    finally:
        await end(running)
        await asyncio.gather(*running, return_exceptions=True)
        for worker in made.values():
            await worker.pool.aclose(close_connection_pool=True)


async def enqueue(redis: RedisServer, count: int, stage: Stage = Stage.WATERMARK) -> list[str]:
    client = connected(redis, stage)
    queued = [(str(ULID()), stage, 1) for _ in range(count)]
    await jobs.enqueue(client, queued)
    await client.aclose(close_connection_pool=True)
    return [contract.job_id(*job) for job in queued]


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.01)
