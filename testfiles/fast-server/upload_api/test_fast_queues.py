"""Queueing jobs where Redis does not take them, and asking it how many there are."""

import asyncio
from pathlib import Path

import pytest
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.contract import WATERMARK_QUEUE, Stage
from shared.redis import jobs
from shared.redis.jobs import Job
from support.fast import redis_server
from upload_api import queues
from upload_api.queues import REDIS_ANSWER_S, Queues

JOBS: list[Job] = [(f"media {number}", Stage.WATERMARK, 1) for number in range(2)]


@pytest.mark.parametrize("error", [RedisConnectionError("gone"), OSError("reset"), RuntimeError()])
def test_jobs_that_redis_did_not_take_fail_no_upload(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    outcomes: list[Exception | None] = [error, None]

    async def enqueue(redis: ArqRedis, wanted: list[Job], events: list[bytes]) -> None:
        assert wanted == JOBS
        if outcome := outcomes.pop(0):
            raise outcome

    async def took() -> list[bool]:
        queues = Queues(ArqRedis())
        return [await queues.enqueue(JOBS) for _ in range(2)]

    monkeypatch.setattr(jobs, "enqueue", enqueue)
    assert asyncio.run(took()) == [False, True]


def test_uploads_share_an_answer_of_redis_that_is_fresh_unless_it_refuses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(url: str) -> list[bool]:
        redis = jobs.connect(url, WATERMARK_QUEUE, timeout_s=REDIS_ANSWER_S, retries=1)
        asked = Queues(redis)
        answers = [await asked.are_full(2)]
        await redis.zadd(WATERMARK_QUEUE, {"one": 1, "two": 2})
        answers.append(await asked.are_full(2))  # the first answer serves
        await asked.enqueue(JOBS)
        answers.append(await asked.are_full(4))  # one's own jobs count, but not the others yet
        answers.append(await asked.are_full(2))  # none is refused without asking
        await redis.delete(WATERMARK_QUEUE)
        answers.append(await asked.are_full(2))
        monkeypatch.setattr(queues, "_FRESH_S", -1)
        await redis.zadd(WATERMARK_QUEUE, {"one": 1, "two": 2})
        answers.append(await asked.are_full(2))
        await redis.aclose(close_connection_pool=True)
        return answers

    monkeypatch.setattr(queues, "_FRESH_S", 3600)
    with redis_server(tmp_path) as redis:
        assert asyncio.run(scenario(redis.url)) == [False, False, False, True, False, True]
