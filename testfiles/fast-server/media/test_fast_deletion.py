"""DELETE /media/{media_id}: from central first, then from the uploads volume, or nowhere."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local_stack.host import free_ports
from media import deletion
from shared import spool
from shared.contract import Status
from support import images
from support.fast import RedisServer, assert_problem, client, redis_server
from support.services import InProcess, in_process, running
from support.web_server import Request, Web

PHOTO = images.jpeg(size=(64, 64))
UPLOAD: dict[str, Any] = {
    "files": {"file": ("photo.jpg", PHOTO)},
    "headers": {"Idempotency-Key": "k"},
}
UNKNOWN = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"


def knows(request: Request) -> None:
    request.respond(204)


def knows_nothing(request: Request) -> None:
    """As central says it; a proxy's 404 says nothing of central."""
    problem = {"type": "urn:problem:media_not_found", "code": "media_not_found"}
    headers = {"Content-Type": "application/problem+json"}
    request.respond(404, json.dumps(problem).encode(), **headers)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def central() -> Iterator[Web]:
    """A central-server that has every media, unless a test lets it answer otherwise."""
    with Web(lambda request: request.respond(204)) as web:
        yield web


@pytest.fixture
def fast(redis: RedisServer, central: Web, tmp_path: Path) -> Iterator[InProcess]:
    with gateway_of(redis, f"{central.url}/upload-final", tmp_path) as service:
        yield service


@contextmanager
def gateway_of(redis: RedisServer, central_url: str, uploads: Path) -> Iterator[InProcess]:
    env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(uploads), "MIN_FREE_MB": "0"}
    with in_process("fast-server", env | {"CENTRAL_SERVER_URL": central_url}) as service:
        yield service


def media_in(state: str, fast: InProcess, uploads: Path) -> str:
    media_id: str = fast.post("/media", **UPLOAD).json()["media_id"]
    with spool.Spool(uploads).hold(media_id) as media:
        statuses = {"done": Status.STORED, "failed": Status.FAILED, "pending": Status.QUEUED}
        media.progress["status"] = statuses[state]
        media.save()
        media.move(state)
    return media_id


def left_of(media_id: str, uploads: Path) -> list[Path]:
    return list(uploads.glob(f"*/{media_id}"))


@pytest.mark.parametrize("state", ["failed", "done"])
@pytest.mark.parametrize("at_central", [204, 404])
def test_a_finished_media_is_removed_at_both(
    fast: InProcess, central: Web, tmp_path: Path, state: str, at_central: int
) -> None:
    central.answer = knows if at_central == 204 else knows_nothing
    media_id = media_in(state, fast, tmp_path)
    answer = fast.delete(f"/media/{media_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [(r.command, r.path) for r in central.requests] == [("DELETE", f"/media/{media_id}")]
    assert left_of(media_id, tmp_path) == []
    assert_problem(fast.get(f"/media/{media_id}"), 404, "media_not_found")


def test_a_media_that_only_central_has_is_removed_there(fast: InProcess, central: Web) -> None:
    assert fast.delete(f"/media/{UNKNOWN}").status_code == 204
    assert len(central.requests) == 1


@pytest.mark.parametrize("media_id", [UNKNOWN, "x", "%2e%2e"])
def test_a_media_that_neither_has_is_not_found(
    fast: InProcess, central: Web, media_id: str
) -> None:
    central.answer = knows_nothing
    assert_problem(fast.delete(f"/media/{media_id}"), 404, "media_not_found")
    assert len(central.requests) == (media_id == UNKNOWN)


def test_a_media_in_work_is_not_removed(fast: InProcess, central: Web, tmp_path: Path) -> None:
    media_id = media_in("pending", fast, tmp_path)
    assert_problem(fast.delete(f"/media/{media_id}"), 409, "not_finished")
    assert central.requests == []
    assert fast.get(f"/media/{media_id}").status_code == 200


def test_a_media_that_somebody_holds_is_busy(fast: InProcess, central: Web, tmp_path: Path) -> None:
    media_id = media_in("failed", fast, tmp_path)
    with spool.Spool(tmp_path).hold(media_id):
        answer = fast.delete(f"/media/{media_id}")
    assert_problem(answer, 409, "media_busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert central.requests == []


@pytest.mark.parametrize("status", [200, 301, 404, 405, 409, 500, 503])
def test_nothing_is_removed_where_central_does_not_say_that_it_did(
    fast: InProcess, central: Web, tmp_path: Path, status: int
) -> None:
    central.answer = lambda request: request.respond(status)
    media_id = media_in("done", fast, tmp_path)
    answer = fast.delete(f"/media/{media_id}")
    detail = assert_problem(answer, 503, "central_unreachable")["detail"]
    assert f"answered {status}" in detail
    assert int(answer.headers["Retry-After"]) > 0
    assert left_of(media_id, tmp_path) == [tmp_path / "done" / media_id]
    assert fast.post("/media", **UPLOAD).json()["media_id"] == media_id


def test_nothing_is_removed_where_central_is_down(redis: RedisServer, tmp_path: Path) -> None:
    [port] = free_ports(1)
    with gateway_of(redis, f"http://127.0.0.1:{port}/upload-final", tmp_path) as fast:
        media_id = media_in("done", fast, tmp_path)
        assert_problem(fast.delete(f"/media/{media_id}"), 503, "central_unreachable")
        assert fast.get(f"/media/{media_id}").status_code == 200


def test_a_media_is_held_until_central_has_answered_which_it_must_in_time(
    fast: InProcess, central: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media_id = media_in("done", fast, tmp_path)
    held = []

    def hang(request: Request) -> None:
        try:
            with spool.Spool(tmp_path).hold(media_id):
                held.append(False)
        except spool.MediaBusy:
            held.append(True)
        central.over.wait(30)

    central.answer = hang
    monkeypatch.setattr(deletion, "_CENTRAL_ANSWER_S", 0.5)
    assert_problem(fast.delete(f"/media/{media_id}"), 503, "central_unreachable")
    assert held == [True]
    central.answer = lambda request: request.respond(204)
    assert fast.delete(f"/media/{media_id}").status_code == 204


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_removal_frees_the_key_so_that_the_image_can_be_stored_again(
    fast: InProcess, tmp_path: Path, is_kept: bool
) -> None:
    media_id = media_in("done", fast, tmp_path)
    if not is_kept:
        (tmp_path / "done" / media_id).rename(tmp_path / "dropped by retention")
    assert fast.delete(f"/media/{media_id}").status_code == 204
    again = fast.post("/media", **UPLOAD)
    assert again.status_code == 202
    assert "Idempotent-Replayed" not in again.headers
    assert again.json()["media_id"] != media_id


def test_a_removal_cut_short_leaves_a_media_whole_or_not_to_be_seen(
    fast: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media_id = media_in("done", fast, tmp_path)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    assert fast.delete(f"/media/{media_id}").status_code == 204
    assert left_of(media_id, tmp_path) == [tmp_path / "incoming" / media_id]
    assert_problem(fast.get(f"/media/{media_id}"), 404, "media_not_found")


def test_a_damaged_media_can_be_removed(fast: InProcess, tmp_path: Path) -> None:
    media_id = media_in("failed", fast, tmp_path)
    (tmp_path / "failed" / media_id / "media.json").write_text("{")
    assert fast.delete(f"/media/{media_id}").status_code == 204
    assert "Idempotent-Replayed" not in fast.post("/media", **UPLOAD).headers


def test_the_real_central_server_removes_it_too(redis: RedisServer, tmp_path: Path) -> None:
    env = {"STORAGE_DIR": str(tmp_path / "stored"), "ACTIVITY_LOG": str(tmp_path / "log")}
    with (
        running("central-server", tmp_path, env | {"MIN_FREE_MB": "0"}) as central,
        client(central.url) as http,
        gateway_of(redis, f"{central.url}/upload-final", tmp_path / "up") as fast,
    ):
        media_id = media_in("done", fast, tmp_path / "up")
        form = {"worker_name": "worker-1", "media_id": media_id}
        http.post("/upload-final", data=form, files=UPLOAD["files"]).raise_for_status()
        assert http.get(f"/media/{media_id}").content == PHOTO
        assert fast.delete(f"/media/{media_id}").status_code == 204
        assert http.get(f"/media/{media_id}").status_code == 404
        assert_problem(fast.delete(f"/media/{media_id}"), 404, "media_not_found")
