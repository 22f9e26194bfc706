"""Jobs reach workers that wait, whoever queued them and however long the queue is."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from arq.constants import in_progress_key_prefix
from redis.exceptions import RedisError

from shared import contract
from shared.contract import WAKE_KEY, Stage
from shared.redis import jobs
from support.fast import RedisServer, redis_server
from support.queue import SLOTS, Done, connected, enqueue, until, workers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.client.flushall()
    return server


def test_images_that_come_at_once_are_shared_by_the_workers_that_wait(redis: RedisServer) -> None:
    started, may_end = Done(), asyncio.Event()

    async def work(name: str) -> None:
        started[name] += 1
        await may_end.wait()

    def are_started(count: int) -> bool:
        return started.total() == count

    async def scenario() -> None:
        async with workers(redis, "abc", work):
            for count in range(1, 4):
                await enqueue(redis, 1)
                await until(partial(are_started, count))
            assert started == Done("abc")
            await enqueue(redis, 6)
            await until(lambda: started.total() == 3 * SLOTS)
            assert started == Done("abc" * SLOTS), "as many as it has slots, and no more"
            may_end.set()
            await until(lambda: started.total() == 9)
            await until(lambda: not redis.client.exists(contract.WATERMARK_QUEUE))

    asyncio.run(scenario())


def test_no_wake_up_outlives_the_jobs_it_tells_of(redis: RedisServer) -> None:
    done = Done()

    async def work(name: str) -> None:
        done[name] += 1

    async def scenario() -> None:
        await enqueue(redis, 1200)
        assert redis.client.llen(WAKE_KEY) == 1000
        async with workers(redis, "a", work):
            await until(lambda: done["a"] == 1200)
            await until(lambda: not redis.client.keys("arq:*"))
            assert not redis.client.exists(WAKE_KEY)

    asyncio.run(scenario())


def test_a_long_queue_is_worked_through_without_a_wake_up_for_each(redis: RedisServer) -> None:
    done = Done()

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        done[name] += 1

    async def scenario() -> None:
        await enqueue(redis, 500)
        redis.client.delete(WAKE_KEY)
        redis.client.config_resetstat()
        async with workers(redis, "a", work):
            await until(lambda: done["a"] == 500)
        waits = redis.client.info("commandstats").get("cmdstat_blpop", {"calls": 0})
        assert waits["calls"] <= 5, "each may last a quarter of a second"

    asyncio.run(scenario())


def test_jobs_behind_hundreds_that_run_elsewhere_are_found(redis: RedisServer) -> None:
    done = Done()

    async def work(name: str) -> None:
        done[name] += 1

    async def scenario() -> None:
        for job in await enqueue(redis, 450):
            redis.client.set(in_progress_key_prefix + job, 1)
        await enqueue(redis, 5)
        async with workers(redis, "a", work):
            await until(lambda: done["a"] == 5)
            assert redis.client.zcard(contract.WATERMARK_QUEUE) >= 450

    asyncio.run(scenario())


@pytest.mark.parametrize("stage", [Stage.WATERMARK, Stage.UPLOAD])
def test_a_job_that_comes_without_a_wake_up_is_found_by_looking(
    redis: RedisServer, stage: Stage
) -> None:
    done = Done()
    queue, task = jobs.QUEUE_AND_TASK[stage]

    async def work(name: str) -> None:
        done[name] += 1

    async def scenario() -> None:
        client = connected(redis, stage)
        async with workers(redis, "a", work, stage):
            await client.enqueue_job(task, "media", 1, _queue_name=queue)  # as any arq does
            await until(lambda: done["a"] == 1)
        await client.aclose(close_connection_pool=True)

    asyncio.run(scenario())


def test_an_upload_queued_in_this_process_is_started_by_it(redis: RedisServer) -> None:
    done = Done()

    async def work(name: str) -> None:
        done[name] += 1

    def are_done(count: int) -> bool:
        return done.total() == count

    async def scenario() -> None:
        async with workers(redis, "ab", work, Stage.UPLOAD) as both:
            for count in range(1, 6):
                await enqueue(redis, 1, Stage.UPLOAD)
                both["b"]._own_uploads.release()
                await until(partial(are_done, count))
            assert done == Done("bbbbb"), "the other one takes what is left lying"

    asyncio.run(scenario())


def test_a_redis_that_goes_away_ends_the_worker_with_its_error(tmp_path: Path) -> None:
    async def work(_: str) -> None: ...

    async def scenario() -> None:
        with redis_server(tmp_path) as redis:
            async with workers(redis, "a", work) as made:
                polling = made["a"].main_task
                assert polling is not None
                redis.stop()
                await until(polling.done)
                assert isinstance(polling.exception(), RedisError)

    asyncio.run(scenario())
