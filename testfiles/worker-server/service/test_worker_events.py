"""What workers tell: events in the scripts that take and end jobs, their reports, the pause."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis.crc import key_slot
from ulid import ULID

from service.queue_worker import PutOff
from shared import contract, pause
from shared.contract import Stage
from shared.redis import events, worker_report
from shared.redis.jobs import Job
from support.fast import RedisServer, redis_server
from support.queue import Done, enqueue, until, workers
from support.services import until as until_now
from support.web_server import Web, as_central
from support.worker import Worker, add_media, running_worker, state_of
from support.worker import enqueue as enqueue_media

EVENT = b'{"event": "stored"}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis(server: RedisServer) -> RedisServer:
    server.client.flushall()
    return server


def told(redis: RedisServer) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in redis.client.xrange(events.EVENTS_KEY)]


async def do_one(redis: RedisServer, following: Job | None = None) -> str:
    """Let a worker take and end one job."""

    async def work(_: str) -> Job | None:
        return following

    [job] = await enqueue(redis, 1)
    async with workers(redis, "a", work, event=EVENT):
        await until(lambda: not redis.client.exists(contract.WATERMARK_QUEUE))
    return job


def test_taking_and_ending_a_job_add_an_event_each(redis: RedisServer) -> None:
    job = asyncio.run(do_one(redis, (str(ULID()), Stage.UPLOAD, 1)))
    assert told(redis) == [{b"taken": job.encode()}, {b"item": EVENT}]


def test_a_job_that_is_put_off_tells_so(redis: RedisServer) -> None:
    async def work(_: str) -> None:
        raise PutOff(60, EVENT)

    async def scenario() -> None:
        await enqueue(redis, 1)
        async with workers(redis, "a", work):
            await until(lambda: {b"item": EVENT} in told(redis))

    asyncio.run(scenario())


@pytest.mark.parametrize("obstacle", ["a foreign key", "no right to it"])
def test_an_event_that_cannot_be_added_fails_no_job(redis: RedisServer, obstacle: str) -> None:
    client = redis.client
    if obstacle == "a foreign key":
        client.set(events.EVENTS_KEY, "somebody's")
    else:
        client.acl_setuser("default", enabled=True, nopass=True, commands=["-xadd"], keys=["*"])
    try:
        asyncio.run(do_one(redis))
        if obstacle == "a foreign key":
            assert client.get(events.EVENTS_KEY) == b"somebody's"
    finally:
        client.acl_setuser("default", enabled=True, nopass=True, commands=["+@all"], keys=["*"])


def test_a_stream_that_misses_an_event_is_deleted(redis: RedisServer) -> None:
    """So that its readers see that they have missed something."""
    client = redis.client
    client.xadd(events.EVENTS_KEY, {"item": EVENT}, id=f"{2**64 - 1}-{2**64 - 1}")  # the last id
    asyncio.run(do_one(redis))
    assert told(redis)[-1:] == [{b"item": EVENT}], "what came after that is told"
    assert client.xinfo_stream(events.EVENTS_KEY)["entries-added"] < 3


def test_the_stream_is_capped(redis: RedisServer) -> None:
    for number in range(events.MOST_EVENTS + 500):
        redis.client.xadd(events.EVENTS_KEY, {"item": number})
    asyncio.run(do_one(redis))
    assert redis.client.xlen(events.EVENTS_KEY) < events.MOST_EVENTS + 200


def test_the_keys_of_a_script_lie_in_one_slot_of_a_cluster() -> None:
    assert key_slot(events.EVENTS_KEY.encode()) == key_slot(contract.WATERMARK_QUEUE.encode())


def test_a_worker_that_is_paused_takes_no_job(redis: RedisServer, tmp_path: Path) -> None:
    done = Done()

    async def work(name: str) -> None:
        done[name] += 1

    async def scenario() -> None:
        async with workers(redis, "ab", work, is_paused=lambda: pause.is_on(tmp_path)) as made:
            pause.begin(tmp_path)
            await until(lambda: all(worker._is_paused for worker in made.values()))
            await enqueue(redis, 4)
            assert redis.client.zcard(contract.WATERMARK_QUEUE) == 4
            assert done.total() == 0
            pause.end(tmp_path)
            await until(lambda: done.total() == 4)

    asyncio.run(scenario())


class Bench(NamedTuple):
    uploads: Path
    redis: RedisServer
    worker: Worker
    central: Web

    def events_of(self, media_id: str, last: str) -> list[dict[str, Any]]:
        """All that was told of a media, once the last has been."""
        until_now(lambda: self.changes(media_id)[-1:] and self._events(media_id)[-1] == last)
        return self.changes(media_id)

    def report(self) -> dict[str, Any]:
        text = self.redis.client.get(worker_report.report_key(self.worker.name))
        return json.loads(text) if text else {}

    def _events(self, media_id: str) -> list[str]:
        return [change["event"] for change in self.changes(media_id)]

    def changes(self, media_id: str) -> list[dict[str, Any]]:
        entries = self.redis.client.xrange(events.EVENTS_KEY)
        changes = [events.decoded(*entry) for entry in entries]
        return [{**c} for c in changes if c is not None and c["media_id"] == media_id]


@pytest.fixture
def bench(redis: RedisServer, tmp_path: Path) -> Iterator[Bench]:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    with (
        Web(as_central) as central,
        running_worker(uploads, redis.client, f"{central.url}/upload-final") as worker,
    ):
        yield Bench(uploads, redis, worker, central)


def test_each_step_of_an_image_is_told_with_what_a_list_needs(bench: Bench) -> None:
    media_id = add_media(bench.uploads)
    enqueue_media(bench.redis.client, media_id)
    changes = bench.events_of(media_id, "stored")
    steps = ["watermarking", "watermarked", "uploading", "stored"]
    assert [change["event"] for change in changes] == steps
    assert [change["status"] for change in changes] == steps
    times = [change["changed_at"] for change in changes]
    assert times == sorted(times)
    record = json.loads((bench.uploads / "done" / media_id / "media.json").read_text())
    assert changes[-1] == {
        "event": "stored",
        "media_id": media_id,
        "state": "done",
        "status": "stored",
        "code": None,
        "filename": "photo.jpg",
        "ref": None,
        "batch": None,
        "size": record["size"],
        "changed_at": times[-1],
    }


def test_a_failure_is_told_with_its_code(bench: Bench) -> None:
    media_id = add_media(bench.uploads, b"no image")
    enqueue_media(bench.redis.client, media_id)
    [_, failed] = bench.events_of(media_id, "failed")
    assert (failed["state"], failed["code"]) == ("failed", "unreadable_image")


def test_an_attempt_that_failed_is_told_as_a_retry(bench: Bench) -> None:
    bench.central.answer = lambda request: request.respond(503)
    media_id = add_media(bench.uploads)
    enqueue_media(bench.redis.client, media_id)
    until_now(lambda: "retry" in [c["event"] for c in bench.changes(media_id)])
    retry = next(c for c in bench.changes(media_id) if c["event"] == "retry")
    assert (retry["state"], retry["status"]) == ("pending", "uploading")


def test_a_job_of_a_media_that_is_gone_is_told_as_its_removal(bench: Bench) -> None:
    media_id = str(ULID())
    enqueue_media(bench.redis.client, media_id)
    assert bench.events_of(media_id, "removed")[-1]["status"] == "removed"


def test_a_worker_reports_what_it_is_at(redis: RedisServer, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    latency = {"SIMULATED_LATENCY": "3600", "WATERMARK_TIMEOUT_SECONDS": "3600"}
    with (
        Web(as_central) as central,
        running_worker(uploads, redis.client, f"{central.url}/upload-final", **latency) as worker,
    ):
        bench = Bench(uploads, redis, worker, central)
        media_id = add_media(uploads)
        enqueue_media(redis.client, media_id)
        until_now(lambda: bench.report().get("at"))
        report = bench.report()
        [work] = report["at"]
        assert (work["media_id"], work["stage"]) == (media_id, "watermark")
        assert work["filename"] == "photo.jpg"
        assert report["worker"] == worker.name
        assert report["memory_mb"] > 50
        assert report["processes"] == 2
        assert 0 < redis.client.ttl(worker_report.report_key(worker.name)) <= 15
        assert redis.client.zrange(worker_report.WORKERS_KEY, 0, -1) == [worker.name.encode()]


def test_a_worker_reports_what_it_has_ended(bench: Bench) -> None:
    for content in (None, b"no image"):
        enqueue_media(bench.redis.client, add_media(bench.uploads, content))
    until_now(lambda: bench.report().get("stored_last_minute") == 1)
    until_now(lambda: bench.report()["failed_last_minute"] == 1)
    assert bench.report()["at"] == []


def test_a_real_worker_pauses(bench: Bench) -> None:
    pause.begin(bench.uploads)
    until_now(lambda: "paused" in bench.worker.console())
    media_id = add_media(bench.uploads)
    enqueue_media(bench.redis.client, media_id)
    until_now(lambda: bench.report().get("worker"))  # a look at the queue would have come by then
    bench.redis.client.delete(worker_report.report_key(bench.worker.name))
    until_now(lambda: bench.report().get("worker"))
    assert state_of(bench.uploads, media_id) == "pending"
    assert bench.changes(media_id) == []
    pause.end(bench.uploads)
    until_now(lambda: state_of(bench.uploads, media_id) == "done")
