"""Uploads share trips to Redis; what becomes of a trip is told to each of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared import jobs
from shared.contract import Stage
from shared.jobs import Job
from upload_api.queues import Queues

JOBS: list[Job] = [(f"media {number}", Stage.WATERMARK, 1) for number in range(9)]


class Redis:
    """Takes jobs one trip after the other, each when it may."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.trips: list[list[Job]] = []
        self.may_answer = asyncio.Event()

    async def enqueue(self, redis: "Redis", wanted: list[Job]) -> int:
        assert redis is self
        self.trips.append(wanted)
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return len(wanted)


def with_queues(
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[Redis, Queues], Awaitable[None]],
    error: BaseException | None = None,
) -> None:
    async def run() -> None:
        redis = Redis(error)
        monkeypatch.setattr(jobs, "enqueue", redis.enqueue)
        await scenario(redis, Queues(cast(ArqRedis, redis)))

    asyncio.run(run())


async def started(queues: Queues, wanted: list[Job]) -> list[asyncio.Task[bool]]:
    """An upload for each job, all of which wait."""
    uploads = [asyncio.create_task(queues.enqueue([job])) for job in wanted]
    for _ in range(3):
        await asyncio.sleep(0)
    return uploads


def test_jobs_that_come_while_others_are_on_their_way_go_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(redis: Redis, queues: Queues) -> None:
        first = await started(queues, JOBS[:1])
        others = await started(queues, JOBS[1:])
        assert redis.trips == [JOBS[:1]]
        redis.may_answer.set()
        assert await asyncio.gather(*first, *others) == [True] * len(JOBS)
        assert redis.trips == [JOBS[:1], JOBS[1:]]

    with_queues(monkeypatch, scenario)


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), OSError("reset"), RuntimeError()])
def test_a_trip_that_fails_is_told_to_all_that_shared_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def scenario(redis: Redis, queues: Queues) -> None:
        uploads = await started(queues, JOBS)
        redis.may_answer.set()
        assert await asyncio.gather(*uploads) == [False] * len(JOBS)
        redis.error = None
        assert await queues.enqueue(JOBS[:1])

    with_queues(monkeypatch, scenario, error)


def test_an_upload_that_is_cancelled_takes_no_other_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(redis: Redis, queues: Queues) -> None:
        first = await started(queues, JOBS[:1])
        others = await started(queues, JOBS[1:])
        first[0].cancel()
        others[0].cancel()
        redis.may_answer.set()
        assert await asyncio.gather(*others[1:]) == [True] * len(others[1:])
        assert redis.trips == [JOBS[:1], JOBS[1:]]

    with_queues(monkeypatch, scenario)
