"""Jobs reach workers that wait, whoever queued them and however long the queue is."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.worker import Retry, func
from redis.exceptions import RedisError
from ulid import ULID

from gateway import RedisServer, redis_server
from worker_rig import worker_module

contract = worker_module("contract")
jobs = worker_module("jobs")
queue_worker = worker_module("queue_worker")
WATERMARK, UPLOAD = contract.Stage.WATERMARK, contract.Stage.UPLOAD
SLOTS = 2
Done = Counter[str]  # by worker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.client.flushall()
    return server


def connected(redis: RedisServer, stage: Any) -> Any:
    queue, _ = jobs.QUEUE_AND_TASK[stage]
    return jobs.connect(redis.url, queue, timeout_s=5, retries=1)


@asynccontextmanager
async def workers(
    redis: RedisServer, names: str, work: Callable[[str], Awaitable[Any]], stage: Any = WATERMARK
) -> AsyncIterator[dict[str, Any]]:
    """One of each name's letters, all waiting for jobs that call work with the name."""
    queue, task = jobs.QUEUE_AND_TASK[stage]

    async def job(ctx: dict[str, Any], *_: object) -> Any:
        return await work(ctx["name"])

    made = {
        name: queue_worker.QueueWorker(
            [func(job, name=task)],
            queue_name=queue,
            redis_pool=connected(redis, stage),
            handle_signals=False,
            max_jobs=SLOTS,
            keep_result=0,
            ctx={"name": name},
            queued=asyncio.Queue(),
            health_check_key=f"health-{name}",
            job_serializer=contract.serialize_job,
            job_deserializer=contract.deserialize_job,
        )
        for name in names
    }
    running = [asyncio.create_task(worker.async_run()) for worker in made.values()]
    try:
        if queue in jobs.WAKE:
            await until(lambda: redis.client.info()["blocked_clients"] == len(made))
        yield made
    finally:
        for run in running:
            run.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for worker in made.values():
            await worker.pool.aclose(close_connection_pool=True)


async def enqueue(redis: RedisServer, count: int, stage: Any = WATERMARK) -> list[str]:
    client = connected(redis, stage)
    queued = [(str(ULID()), stage, 1) for _ in range(count)]
    await jobs.enqueue(client, queued)
    await client.aclose(close_connection_pool=True)
    return [contract.job_id(*job) for job in queued]


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.01)


def test_images_that_come_at_once_are_shared_by_the_workers_that_wait(redis: RedisServer) -> None:
    started, may_end = Done(), asyncio.Event()

    async def work(name: str) -> None:
        started[name] += 1
        await may_end.wait()

    async def scenario() -> None:
        async with workers(redis, "abc", work):
            for count in range(1, 4):
                await enqueue(redis, 1)
                await until(lambda n=count: started.total() == n)
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
        assert redis.client.llen(jobs.WAKE[contract.WATERMARK_QUEUE]) == 1000
        async with workers(redis, "a", work):
            await until(lambda: done["a"] == 1200)
            await until(lambda: not redis.client.keys("arq:*"))
            assert not redis.client.exists(jobs.WAKE[contract.WATERMARK_QUEUE])

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


@pytest.mark.parametrize("stage", [WATERMARK, UPLOAD])
def test_a_job_that_comes_without_a_wake_up_is_found_by_looking(
    redis: RedisServer, stage: Any
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

    async def scenario() -> None:
        async with workers(redis, "ab", work, UPLOAD) as both:
            for count in range(1, 6):
                await enqueue(redis, 1, UPLOAD)
                both["b"]._queued.put_nowait("media")
                await until(lambda n=count: done.total() == n)
            assert done == Done("bbbbb"), "the other one takes what is left lying"

    asyncio.run(scenario())


def keys_of(redis: RedisServer, job: str) -> set[str]:
    """What Redis has of one job."""
    return {key.decode().split(":")[1] for key in redis.client.keys(f"arq:*:{job}")}


def test_a_job_leaves_nothing_but_the_one_that_follows(redis: RedisServer) -> None:
    media_id = str(ULID())
    following = contract.job_id(media_id, UPLOAD, 7)

    async def work(_: str) -> Any:
        return media_id, UPLOAD, 7

    async def scenario() -> None:
        [job] = await enqueue(redis, 1)
        async with workers(redis, "a", work) as made:
            await until(lambda: redis.client.zcard(contract.UPLOAD_QUEUE) == 1)
            assert made["a"]._queued.get_nowait() == media_id
        assert redis.client.zrange(contract.UPLOAD_QUEUE, 0, -1) == [following.encode()]
        assert keys_of(redis, following) == {"job"}
        assert keys_of(redis, job) == set()
        assert not redis.client.exists(contract.WATERMARK_QUEUE)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("outcome", "due_s"), [(Retry(60), 60), (Retry(), 0), (asyncio.CancelledError(), 0)]
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
    payload = {"f": "nothing", "a": [], "k": {}, "t": None, "et": 0}
    redis.client.set(job_key_prefix + job, contract.serialize_job(payload))


async def nothing(*_: object) -> None: ...


@pytest.mark.parametrize(
    "spoil", [nothing, damage_payload, drop_payload, try_too_often, name_no_task]
)
def test_a_job_that_cannot_be_done_is_over(redis: RedisServer, spoil: Any) -> None:
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
        raise Retry(60)

    async def scenario() -> None:
        [job] = await enqueue(redis, 1)
        async with workers(redis, "a", work):
            await until(lambda: keys_of(redis, job) == {"job", "retry"})
        assert not redis.client.exists(contract.WATERMARK_QUEUE)  # the reconciler queues it

    asyncio.run(scenario())


def test_a_redis_that_goes_away_ends_the_worker_with_its_error(tmp_path: Path) -> None:
    async def work(_: str) -> None: ...

    async def scenario() -> None:
        with redis_server(tmp_path) as redis:
            async with workers(redis, "a", work) as made:
                redis.stop()
                await until(made["a"].main_task.done)
                assert isinstance(made["a"].main_task.exception(), RedisError)

    asyncio.run(scenario())
