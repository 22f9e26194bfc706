"""What an upload hears when Redis cannot queue its job."""

import asyncio

import pytest
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared import jobs
from shared.contract import Stage
from shared.jobs import Job
from upload_api.queues import Queues

JOBS: list[Job] = [(f"media {number}", Stage.WATERMARK, 1) for number in range(2)]


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), OSError("reset"), RuntimeError()])
def test_jobs_that_redis_did_not_take_fail_no_upload(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    outcomes: list[Exception | None] = [error, None]

    async def enqueue(redis: ArqRedis, wanted: list[Job]) -> None:
        assert wanted == JOBS
        if outcome := outcomes.pop(0):
            raise outcome

    async def took() -> list[bool]:
        queues = Queues(ArqRedis())
        return [await queues.enqueue(JOBS) for _ in range(2)]

    monkeypatch.setattr(jobs, "enqueue", enqueue)
    assert asyncio.run(took()) == [False, True]
