"""A real worker process that is stopped, killed, frozen, or whose Redis goes away."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from redis import Redis

from local_stack.service import Service
from support import images
from support.services import until
from support.web_server import Web, as_central
from support.worker import (
    Worker,
    add_media,
    enqueue,
    errors_of,
    progress_of,
    queued,
    running_redis,
    running_worker,
    state_of,
)


@pytest.fixture(scope="module")
def central() -> Iterator[Web]:
    with Web(as_central) as web:
        yield web


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Redis]]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis(service: tuple[Service, Redis]) -> Redis:
    service[1].flushall()
    return service[1]


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


def until_all_done(uploads: Path, *media_ids: str) -> None:
    until(lambda: {state_of(uploads, each) for each in media_ids} <= {"done", "failed"})
    assert {state_of(uploads, each) for each in media_ids} == {"done"}


def until_watermarking(uploads: Path, media_id: str) -> None:
    until(lambda: progress_of(uploads, media_id)["status"] == "watermarking")


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_without_work_ends_at_once(
    uploads: Path, redis: Redis, central: Web, signum: signal.Signals
) -> None:
    with running_worker(uploads, redis, central.url) as worker:
        worker.process.send_signal(signum)
        assert worker.process.wait(20) == 0
        assert not worker.at_work()
        assert "Traceback" not in worker.console()


@pytest.mark.slow
def test_sigterm_lets_the_image_in_work_be_finished_and_no_other_begin(
    uploads: Path, redis: Redis, central: Web
) -> None:
    settings = {"SIMULATED_LATENCY": "1", "WATERMARK_PROCESSES": "1"}
    with running_worker(uploads, redis, central.url, **settings) as worker:
        in_work = add_media(uploads)
        enqueue(redis, in_work)
        until_watermarking(uploads, in_work)
        worker.process.terminate()
        until(lambda: "finishing what runs" in worker.console())
        waiting = add_media(uploads)
        enqueue(redis, waiting)
        assert worker.process.wait(30) == 0
        assert "Traceback" not in worker.console()
    assert progress_of(uploads, in_work)["watermarked"]
    assert errors_of(uploads, in_work) == [None]
    assert progress_of(uploads, waiting)["attempts"] == []
    assert queued(redis) == {f"{in_work}:upload:1", f"{waiting}:watermark:1"}


@pytest.mark.slow
def test_what_a_killed_worker_had_begun_its_successor_completes(
    uploads: Path, redis: Redis, central: Web
) -> None:
    with running_worker(uploads, redis, central.url, SIMULATED_LATENCY="1") as worker:
        media_id = add_media(uploads)
        enqueue(redis, media_id)
        until_watermarking(uploads, media_id)
        worker.kill()
        assert state_of(uploads, media_id) == "pending"
        worker.start()
        until_all_done(uploads, media_id)
    attempts = progress_of(uploads, media_id)["attempts"]
    assert [attempt["ended_at"] is None for attempt in attempts] == [True, False, False]


@pytest.mark.slow
def test_two_workers_share_a_queue(uploads: Path, redis: Redis, central: Web) -> None:
    settings = {"SIMULATED_LATENCY": "0.3", "WATERMARK_PROCESSES": "1"}
    with (
        running_worker(uploads, redis, central.url, WORKER_NAME="worker-1", **settings),
        running_worker(uploads, redis, central.url, WORKER_NAME="worker-2", **settings),
    ):
        media_ids = [add_media(uploads) for _ in range(8)]
        for media_id in media_ids:
            enqueue(redis, media_id)
        until_all_done(uploads, *media_ids)
    workers = [progress_of(uploads, each)["attempts"][0]["worker"] for each in media_ids]
    assert set(workers) == {"worker-1", "worker-2"}
    assert all(errors_of(uploads, each) == [None, None] for each in media_ids)


@pytest.fixture(scope="module")
def at_work(
    service: tuple[Service, Redis], central: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """A worker with one decoder process for the tests below, which leave it at work."""
    uploads = tmp_path_factory.mktemp("at-work") / "uploads"
    with running_worker(uploads, service[1], central.url, WATERMARK_PROCESSES="1") as worker:
        yield worker


@pytest.fixture
def worker(at_work: Worker, redis: Redis) -> Iterator[Worker]:
    """With its logo loaded."""
    media_id = add_media(at_work.uploads)
    enqueue(redis, media_id)
    until_all_done(at_work.uploads, media_id)
    yield at_work
    assert at_work.process.poll() is None


def decoder_of(worker: Worker) -> int:
    pid = worker.process.pid
    [decoder] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(decoder)


def test_a_pixel_process_killed_before_it_begins_costs_no_image_an_attempt(
    worker: Worker, redis: Redis
) -> None:
    decoder = decoder_of(worker)
    os.kill(decoder, signal.SIGSTOP)
    media_id = add_media(worker.uploads)
    enqueue(redis, media_id)
    until_watermarking(worker.uploads, media_id)
    os.kill(decoder, signal.SIGKILL)
    until_all_done(worker.uploads, media_id)
    assert errors_of(worker.uploads, media_id) == [None, None]


def decoder_at_work(worker: Worker) -> int | None:
    with suppress(OSError, ValueError):  # one is being replaced
        decoder = decoder_of(worker)
        if any(fd.readlink().suffix == ".crash" for fd in Path(f"/proc/{decoder}/fd").iterdir()):
            return decoder
    return None


def kill_decoder_at_work(worker: Worker) -> bool:
    if decoder := decoder_at_work(worker):
        os.kill(decoder, signal.SIGKILL)
    return decoder is not None


@pytest.mark.slow
def test_a_pixel_process_killed_with_an_image_costs_that_image_one_attempt_of_ten(
    worker: Worker, redis: Redis
) -> None:
    slow_to_decode = images.encode(Image.new("RGB", (6000, 4000)), "JPEG", progressive=True)
    media_id = add_media(worker.uploads, slow_to_decode)
    enqueue(redis, media_id)

    def was_charged(times: int) -> bool:
        return errors_of(worker.uploads, media_id).count("decoder_killed") == times

    for kills in range(1, 4):
        until(lambda: kill_decoder_at_work(worker))
        until(partial(was_charged, kills))
    until_all_done(worker.uploads, media_id)
    assert errors_of(worker.uploads, media_id) == ["decoder_killed"] * 3 + [None, None]


def test_a_frozen_worker_goes_on_when_it_thaws_though_redis_forgot_everything(
    worker: Worker, redis: Redis
) -> None:
    worker.process.send_signal(signal.SIGSTOP)
    media_ids = [add_media(worker.uploads) for _ in range(5)]
    for media_id in media_ids:
        enqueue(redis, media_id)
    redis.flushall()
    worker.process.send_signal(signal.SIGCONT)
    until_all_done(worker.uploads, *media_ids)


def test_folders_deleted_under_it_are_no_reason_to_stop(worker: Worker, redis: Redis) -> None:
    worker.process.send_signal(signal.SIGSTOP)
    gone, kept = add_media(worker.uploads), add_media(worker.uploads)
    for media_id in (gone, kept):
        enqueue(redis, media_id)
    shutil.rmtree(worker.uploads / "pending" / gone)
    worker.process.send_signal(signal.SIGCONT)
    until_all_done(worker.uploads, kept)
    until(lambda: not queued(redis))
    assert state_of(worker.uploads, gone) is None


@pytest.mark.slow
def test_redis_restarted_under_it_does_not_stop_it(
    worker: Worker, service: tuple[Service, Redis], redis: Redis
) -> None:
    server, _ = service
    before = add_media(worker.uploads)
    enqueue(redis, before)
    server.kill()
    while_gone = add_media(worker.uploads)
    server.start()
    after = add_media(worker.uploads)
    enqueue(redis, after)
    until_all_done(worker.uploads, before, while_gone, after)
    until(worker.at_work)
    assert "Traceback" not in worker.console()


def test_killed_connections_do_not_stop_it(worker: Worker, redis: Redis) -> None:
    media_ids = [add_media(worker.uploads) for _ in range(40)]
    for media_id in media_ids:
        enqueue(redis, media_id)

    def are_done(least: int) -> bool:
        return len(list((worker.uploads / "done").iterdir())) >= least

    for number in range(1, len(media_ids), 5):
        until(partial(are_done, number))
        redis.client_kill_filter(_type="normal", skipme=True)
    until_all_done(worker.uploads, *media_ids)
    assert "Traceback" not in worker.console()


@pytest.mark.slow
def test_a_redis_without_memory_costs_time_only(worker: Worker, redis: Redis) -> None:
    media_ids = [add_media(worker.uploads) for _ in range(3)]
    for media_id in media_ids:
        enqueue(redis, media_id)
    redis.config_set("maxmemory", 1)
    try:
        media_ids.append(add_media(worker.uploads))
        until(lambda: "maxmemory" in worker.console())
    finally:
        redis.config_set("maxmemory", 0)
    until_all_done(worker.uploads, *media_ids)
    assert "Traceback" not in worker.console()


@pytest.mark.slow
def test_a_redis_that_is_gone_is_told_and_so_is_its_return(
    worker: Worker, service: tuple[Service, Redis]
) -> None:
    (server, redis), before = service, len(worker.console())

    def said(what: str) -> int:
        return worker.console()[before:].count(what)

    server.kill()
    until(lambda: said("Connection refused") >= 4)
    told = worker.console()[before:]
    assert [line for line in told.splitlines() if "health:" in line] == [], "told by another, too"
    server.start()
    until(lambda: said("taking jobs again"))
    media_id = add_media(worker.uploads)
    enqueue(redis, media_id)
    until_all_done(worker.uploads, media_id)
    assert said("taking jobs again") == 1


@pytest.mark.slow
def test_a_worker_started_before_its_redis_waits_for_it(
    uploads: Path, service: tuple[Service, Redis], redis: Redis, central: Web
) -> None:
    server, _ = service
    media_id = add_media(uploads)
    server.kill()
    worker = Worker(uploads, redis, central.url)
    try:
        worker.spawn()
        until(lambda: "Connection refused" in worker.console())
        server.start()
        until_all_done(uploads, media_id)
        server.kill()
        worker.process.terminate()
        assert worker.process.wait(30) == 0
        server.start()
    finally:
        worker.kill()
