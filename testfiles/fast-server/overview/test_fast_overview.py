"""GET /stats of a real gateway: whatever is down, the rest is told, and in time."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contract import VERSION
from shared.redis.worker_report import WORKERS_KEY, WorkerReport, report_key
from support import images
from support.fast import Gateway, assert_problem, gateway
from support.services import Server, running, until
from support.web_server import Request, Web
from support.worker import add_media
from upload_api.unsupported import FORMATS

PHOTO = images.jpeg(size=(64, 48))
UNDER_WAY = {"media_id": "01KAP3V8Z4J5N6Q7R8S9T0VWXY", "filename": "photo.jpg"}
MOST_S = 3.0


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("central")
    with running("central-server", folder, {"MIN_FREE_MB": "0"}) as server:
        yield server


@pytest.fixture
def fast(central: Server, tmp_path: Path) -> Iterator[Gateway]:
    with beside(central.url, tmp_path) as service:
        yield service


@contextmanager
def beside(central_url: str, folder: Path, **env: str) -> Iterator[Gateway]:
    """A gateway that has asked central once."""
    with gateway(folder, CENTRAL_SERVER_URL=central_url, **env) as service:
        until(lambda: stats(service)["central"])
        yield service


def stats(fast: Gateway) -> dict[str, Any]:
    """Put together now: a pause or its end drops the answer that is kept for a second."""
    is_paused = (fast.uploads / ".paused").exists()
    fast.http.post("/pause" if is_paused else "/resume").raise_for_status()
    started = time.monotonic()
    answer = fast.http.get("/stats")
    assert time.monotonic() - started < MOST_S
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    told: dict[str, Any] = answer.json()
    return told


def report(fast: Gateway, worker: str = "worker-1", **changed: Any) -> None:
    told: WorkerReport = {
        "worker": worker,
        "version": "1.0.0",
        "started_at": "2026-01-15T08:00:00.000Z",
        "memory_mb": 210,
        "processes": 3,
        "at": [],
        "stored_last_minute": 30,
        "failed_last_minute": 0,
        "unhealthy": None,
    }
    fast.redis.client.zadd(WORKERS_KEY, {worker: time.time()})
    fast.redis.client.set(report_key(worker), json.dumps({**told, **changed}), ex=15)


def test_all_of_it_is_told(fast: Gateway) -> None:
    work = {**UNDER_WAY, "stage": "watermark", "since": "2026-01-15T14:30:45.150Z"}
    report(fast, at=[work])
    add_media(fast.uploads, state="done", status="stored", stored=None)
    failed = {"code": "corrupt_image", "detail": "It is."}
    add_media(fast.uploads, state="failed", status="failed", error=failed)
    media_id = fast.post(PHOTO).json()["media_id"]
    until(lambda: stats(fast)["pending"] == 1)
    told = stats(fast)
    assert told["queues"] == {"watermark": 1, "upload": 0}
    assert 0 <= told["oldest_pending_seconds"] < 60
    assert told["eta_seconds"] == 2  # 1 waits, 30 end a minute
    assert len(told["per_minute"]) == 60
    assert told["per_minute"][-1].keys() == {"minute", "received", "stored", "failed"}
    assert sum(minute["received"] for minute in told["per_minute"]) >= 1
    assert [worker["name"] for worker in told["workers"]] == ["worker-1"]
    assert told["workers"][0]["at"] == [work]
    assert told["limits"]["max_upload_bytes"] == 1024 * 1024
    assert told["limits"]["max_megapixels"] == 100
    assert [each["name"] for each in told["limits"]["formats"]] == list(FORMATS)
    assert told["disk"]["enough"] is True
    assert told["redis"]["answers"] is told["central"]["answers"] is True
    assert told["redis"]["reason"] is told["central"]["reason"] is told["paused"] is None
    assert told["version"] == VERSION
    assert told["summary"].startswith("1 waits, 1 worker does ")
    assert told["healthy"] is True
    assert (fast.uploads / "pending" / media_id).is_dir()


def test_a_worker_that_reports_no_more_is_gone(fast: Gateway) -> None:
    report(fast, "worker-1")
    report(fast, "worker-2")
    assert len(stats(fast)["workers"]) == 2
    fast.redis.client.delete(report_key("worker-1"))
    assert [worker["name"] for worker in stats(fast)["workers"]] == ["worker-2"]
    fast.redis.client.delete(report_key("worker-2"))
    assert stats(fast)["workers"] == []
    until(lambda: stats(fast)["summary"].startswith("no worker is alive since "))


@pytest.mark.parametrize(
    "foreign", ["", "[]", "nonsense", "{}", '{"worker": 1}', "[" * 100_000, '{"a": 1e999}']
)
def test_a_report_that_is_none_is_left_out(fast: Gateway, foreign: str) -> None:
    report(fast, "worker-1")
    fast.redis.client.zadd(WORKERS_KEY, {b"\xff\n": 1, "other": 2})
    fast.redis.client.set(report_key("other"), foreign)
    assert [worker["name"] for worker in stats(fast)["workers"]] == ["worker-1"]


def test_without_redis_the_rest_is_told(fast: Gateway) -> None:
    fast.post(PHOTO)
    until(lambda: stats(fast)["pending"] == 1)
    fast.redis.stop()
    told = stats(fast)
    assert told["queues"] is told["workers"] is told["eta_seconds"] is None
    assert told["redis"]["answers"] is False
    assert (told["pending"], told["central"]["answers"]) == (1, True)
    assert told["summary"].startswith("Redis does not answer since ")
    assert told["healthy"] is False
    assert "; 1 waits, none is lost; it goes on by itself" in told["summary"]
    since = told["redis"]["since"]
    assert stats(fast)["redis"]["since"] == since
    fast.redis.start()
    told = stats(fast)
    assert told["redis"]["answers"] is True
    assert told["redis"]["since"] > since


def test_a_frozen_redis_and_a_frozen_central_do_not_hold_it_up(
    fast: Gateway, central: Server
) -> None:
    fast.redis.freeze()
    os.kill(central.process.pid, signal.SIGSTOP)
    try:
        told = stats(fast)
        assert told["queues"] is None
        assert told["redis"]["reason"] == "Redis gave no answer within 1 s."
        until(lambda: not stats(fast)["central"]["answers"])
        told = stats(fast)
        assert told["central"]["reason"] == "Central gave no answer within 2 s."
        assert told["disk"]["enough"] is True
    finally:
        os.kill(central.process.pid, signal.SIGCONT)
        fast.redis.thaw()
    until(lambda: stats(fast)["central"]["answers"])


def test_a_full_redis_is_told_with_what_to_do(fast: Gateway) -> None:
    fast.redis.client.config_set("maxmemory", 1)
    told = stats(fast)
    assert told["redis"]["answers"] is True
    assert "raise its maxmemory" in told["redis"]["reason"]
    assert told["queues"] == {"watermark": 0, "upload": 0}
    assert told["summary"].startswith("Redis takes no job since ")


def test_a_central_that_is_down_is_noticed(tmp_path: Path) -> None:
    env = {"MIN_FREE_MB": "0"}
    with running("central-server", tmp_path, env) as own, beside(own.url, tmp_path) as fast:
        report(fast)
        fast.post(PHOTO)
        own.process.kill()
        own.process.wait()
        until(lambda: not stats(fast)["central"]["answers"])
        told = stats(fast)
        assert told["summary"].startswith("central does not answer since ")
        assert told["summary"].endswith("; 1 waits, none is lost; it goes on by itself")
        assert told["eta_seconds"] is None


def test_a_full_central_is_told_as_it_says_it(tmp_path: Path) -> None:
    env = {"MIN_FREE_MB": str(10**9)}
    with running("central-server", tmp_path, env) as own, beside(own.url, tmp_path) as fast:
        report(fast)
        told = stats(fast)
        assert told["central"]["answers"] is True
        assert "MIN_FREE_MB" in told["central"]["reason"]
        assert told["summary"].startswith("central cannot store since ")


def page(request: Request) -> None:
    request.respond(200, b'{"status": "ready"}', Content_Type="application/json")


def elsewhere(request: Request) -> None:
    request.respond(302, Location="http://127.0.0.1:1/")


@pytest.mark.parametrize("answer", [page, elsewhere])
def test_something_else_at_centrals_address_is_told(
    tmp_path: Path, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Request, "do_GET", lambda request: answer(request))
    with Web(answer) as web, beside(web.url, tmp_path) as fast:
        report(fast)
        told = stats(fast)
        assert told["central"]["answers"] is False
        assert told["summary"].startswith("something else answers at central's address since ")


def test_without_its_index_it_tells_the_rest(central: Server, tmp_path: Path) -> None:
    (tmp_path / "no_folder").touch()
    with beside(central.url, tmp_path, INDEX_DIR=str(tmp_path / "no_folder")) as fast:
        report(fast)
        told = stats(fast)
    assert told["pending"] is told["failures"] is told["per_minute"] is None
    assert told["complete"] is False
    assert told["queues"] == {"watermark": 0, "upload": 0}
    assert told["summary"].startswith("The index cannot be used")


def test_a_disk_that_is_nearly_full_is_told(central: Server, tmp_path: Path) -> None:
    with beside(central.url, tmp_path, MIN_FREE_MB=str(10**9)) as fast:
        told = stats(fast)
    assert told["disk"]["enough"] is False
    assert told["summary"].startswith("the disk of the uploads is nearly full since ")


def test_a_full_queue_is_told(central: Server, tmp_path: Path) -> None:
    with beside(central.url, tmp_path, MAX_QUEUE_DEPTH="1") as fast:
        fast.post(PHOTO)
        told = stats(fast)
        assert told["summary"].startswith("1 job waits since ")
        assert told["healthy"] is False


def test_what_was_asked_a_moment_ago_is_told_again(fast: Gateway) -> None:
    """So that many who ask cost no more than one."""
    stats(fast)
    first = fast.http.get("/stats").json()
    fast.redis.client.zadd("arq:upload", {"a job": 1})
    assert fast.http.get("/stats").json() == first
    assert stats(fast)["queues"]["upload"] == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_parameter_is_refused(fast: Gateway, method: str) -> None:
    answer: httpx.Response = fast.http.request(method, "/stats?state=failed")
    assert answer.status_code == 422
    if method == "GET":
        assert "state" in assert_problem(answer, 422, "unknown_parameter")["detail"]
