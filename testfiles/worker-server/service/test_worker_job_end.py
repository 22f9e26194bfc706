"""How a job ends in Redis: over, put off, or followed by the next one."""

import asyncio
import time
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from arq.constants import job_key_prefix, retry_key_prefix
from ulid import ULID

from service.queue_worker import PutOff
from shared import contract
from shared.contract import Stage
from shared.redis.jobs import Job
from support.fast import RedisServer, redis_server
from support.queue import Done, enqueue, until, workers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.client.flushall()
    return server


def keys_of(redis: RedisServer, job: str) -> set[str]:
    """What Redis has of one job."""
    return {key.decode().split(":")[1] for key in redis.client.keys(f"arq:*:{job}")}


def test_a_job_leaves_nothing_but_the_one_that_follows(redis: RedisServer) -> None:
    media_id = str(ULID())
    following = contract.job_id(media_id, Stage.UPLOAD, 7)

    async def work(_: str) -> Job:
        return media_id, Stage.UPLOAD, 7

    async def scenario() -> None:
        [job] = await enqueue(redis, 1)
        async with workers(redis, "a", work) as made:
            await until(lambda: redis.client.zcard(contract.UPLOAD_QUEUE) == 1)
            await asyncio.wait_for(made["a"]._own_uploads.acquire(), 60)
            assert made["a"]._own_uploads.locked(), "it is one"
        assert redis.client.zrange(contract.UPLOAD_QUEUE, 0, -1) == [following.encode()]
        assert keys_of(redis, following) == {"job"}
        assert keys_of(redis, job) == set()
        assert not redis.client.exists(contract.WATERMARK_QUEUE)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("outcome", "due_s"),
    [(PutOff(60, b""), 60), (PutOff(0, b""), 0), (CancelledError(), 0)],
)
def test_a_job_that_is_put_off_comes_back_when_it_is_due(
    redis: RedisServer, outcome: BaseException, due_s: float
) -> None:
    tried = Done()

    async def work(name: str) -> None:
        tried[name] += 1
        if tried[name] == 1:
            raise outcome
        await asyncio.Event().wait()

    async def scenario() -> None:
        before = time.time()
        [job] = await enqueue(redis, 1)
        async with workers(redis, "a", work):
            await until(lambda: tried["a"] == (1 if due_s else 2))
            await until(lambda: not due_s or keys_of(redis, job) == {"job", "retry"})
            due = redis.client.zscore(contract.WATERMARK_QUEUE, job) / 1000
            assert before + due_s - 1 < due < time.time() + due_s + 1
            assert int(redis.client.get(retry_key_prefix + job)) == tried["a"]

    asyncio.run(scenario())


async def damage_payload(redis: RedisServer, job: str) -> None:
    redis.client.set(job_key_prefix + job, b"{")


async def drop_payload(redis: RedisServer, job: str) -> None:
    redis.client.delete(job_key_prefix + job)


async def try_too_often(redis: RedisServer, job: str) -> None:
    redis.client.set(retry_key_prefix + job, 1000)


async def name_no_task(redis: RedisServer, job: str) -> None:
    payload: dict[str, Any] = {"f": "nothing", "a": [], "k": {}, "t": None, "et": 0}
    redis.client.set(job_key_prefix + job, contract.serialize_job(payload))


async def nothing(*_: object) -> None: ...


@pytest.mark.parametrize(
    "spoil", [nothing, damage_payload, drop_payload, try_too_often, name_no_task]
)
def test_a_job_that_cannot_be_done_is_over(
    redis: RedisServer, spoil: Callable[[RedisServer, str], Awaitable[None]]
) -> None:
    async def work(_: str) -> None:
        raise RuntimeError("a bug")

    async def scenario() -> None:
        [job] = await enqueue(redis, 1)
        await spoil(redis, job)
        async with workers(redis, "a", work) as made:
            await until(lambda: not redis.client.keys("arq:*"))
            assert made["a"].jobs_failed == 1

    asyncio.run(scenario())


def test_a_job_whose_queue_was_deleted_meanwhile_does_not_come_back_without_its_time(
    redis: RedisServer,
) -> None:
    async def work(_: str) -> None:
        redis.client.delete(contract.WATERMARK_QUEUE)
        raise PutOff(60, b"")

    async def scenario() -> None:
        [job] = await enqueue(redis, 1)
        async with workers(redis, "a", work):
            await until(lambda: keys_of(redis, job) == {"job", "retry"})
        assert not redis.client.exists(contract.WATERMARK_QUEUE)  # the reconciler queues it

    asyncio.run(scenario())
