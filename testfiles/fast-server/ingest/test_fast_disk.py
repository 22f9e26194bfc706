"""fast-server on a disk that is full, fails or goes away, and requests that are cancelled on it."""

import asyncio
import errno
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ingest import image_header, upload
from ingest.idempotency_store import Claims
from shared import durable
from shared.spool import Spool
from shared.web import lingering_close, request_body
from shared.web.multipart import FormStream
from support import images
from support.fast import (
    FORM_TYPE,
    MIB,
    RedisServer,
    assert_problem,
    form,
    redis_server,
    tiny_disk,
)
from support.services import in_process, until
from upload_api.settings import Settings

PHOTO = images.jpeg(size=(64, 64))
FILE = {"file": ("photo.jpg", PHOTO)}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def env(redis: RedisServer, tmp_path: Path) -> dict[str, str]:
    return {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path / "up"), "MIN_FREE_MB": "0"}


def assert_nothing_is_in(uploads: Path) -> None:
    left = [path for state in ("incoming", "pending") for path in (uploads / state).iterdir()]
    assert left == []


def test_uploads_are_refused_where_little_is_free(env: dict[str, str]) -> None:
    free_mb = shutil.disk_usage("/").total // MIB + 10**9
    with in_process("fast-server", env | {"MIN_FREE_MB": str(free_mb)}) as fast:
        answers = [fast.post("/media", files=FILE), fast.get("/ready")]
    for answer in answers:
        problem = assert_problem(answer, 507, "disk_full")
        assert f"{free_mb} MB (MIN_FREE_MB) are free in UPLOAD_DIR=" in problem["detail"]
    assert_nothing_is_in(Path(env["UPLOAD_DIR"]))


def test_a_disk_that_fills_while_a_file_is_written_is_told_and_emptied(
    env: dict[str, str], tmp_path: Path
) -> None:
    with (
        tiny_disk(tmp_path / "tiny") as uploads,
        in_process("fast-server", env | {"UPLOAD_DIR": str(uploads)}) as fast,
    ):
        for _ in range(2):
            answer = fast.post("/media", files={"file": ("a.jpg", PHOTO.ljust(2 * MIB))})
            assert_problem(answer, 507, "disk_full")
            assert_nothing_is_in(uploads)
        assert fast.post("/media", files=FILE).status_code == 202


@pytest.mark.parametrize("step", ["read_size", "write_all", "as_json", "fsync", "commit"])
@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "disk_full"),
        (errno.EDQUOT, 507, "disk_full"),
        (errno.EIO, 503, "storage_unavailable"),
        (errno.EROFS, 503, "storage_unavailable"),
    ],
)
def test_a_disk_that_fails_at_any_step_is_told_and_nothing_stays(
    env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    number: int,
    status: int,
    code: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    places: dict[str, object] = {
        "read_size": image_header,
        "write_all": durable,
        "as_json": durable,  # once the image is written
        "fsync": os,
        "commit": Spool,
    }
    with in_process("fast-server", env) as fast:
        with monkeypatch.context() as failing:
            failing.setattr(places[step], step, fail)
            answer = fast.post("/media", files=FILE)
        assert_problem(answer, status, code)
        assert_nothing_is_in(Path(env["UPLOAD_DIR"]))
        assert fast.post("/media", files=FILE).status_code == 202


def test_a_folder_that_has_gone_is_told(env: dict[str, str]) -> None:
    with in_process("fast-server", env) as fast:
        assert fast.get("/ready").status_code == 200
        shutil.rmtree(env["UPLOAD_DIR"])
        assert_problem(fast.get("/ready"), 503, "storage_unavailable")
        assert_problem(fast.post("/media", files=FILE), 503, "storage_unavailable")
        assert fast.get("/health").status_code == 200


def test_an_upload_that_stalls_is_ended(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stalling() -> AsyncIterator[bytes]:
        yield form(PHOTO)[:300]
        await asyncio.Event().wait()

    monkeypatch.setattr(request_body, "_WINDOW_S", 0.05)
    monkeypatch.setattr(request_body, "_TICK_S", 0.01)
    monkeypatch.setattr(lingering_close, "_PAUSE_S", 0.05)
    with in_process("fast-server", env) as fast:
        headers = {"Content-Type": FORM_TYPE}
        answer = fast.post("/media", content=stalling(), headers=headers)
        assert_problem(answer, 408, "upload_stalled")
    assert_nothing_is_in(Path(env["UPLOAD_DIR"]))


async def receive(uploads: Path, body: AsyncIterator[bytes]) -> upload.Received:
    spool = Spool(uploads)
    spool.prepare()
    form_stream = FormStream(FORM_TYPE, body)
    return await upload.receive(form_stream, spool, Settings(), Claims(spool))


def test_a_folder_swept_while_its_upload_arrives_is_not_made_again(tmp_path: Path) -> None:
    """What came before would be missing from the file, under the checksum of all."""

    async def body() -> AsyncIterator[bytes]:
        content = form(PHOTO.ljust(MIB, b"\0"))
        yield content[: MIB // 2]
        incoming = tmp_path / "incoming"
        await asyncio.to_thread(until, lambda: list(incoming.glob("*/*")))  # a thread makes it
        for folder in incoming.iterdir():
            shutil.rmtree(folder)
        yield content[MIB // 2 :]

    with pytest.raises(FileNotFoundError):
        asyncio.run(receive(tmp_path, body()))
    assert_nothing_is_in(tmp_path)


def test_a_request_cancelled_while_it_commits_is_accepted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the gateway is stopped: a thread goes on with what its request has begun."""
    committing, go_on = threading.Event(), threading.Event()
    commit = Spool.commit

    def slow_commit(spool: Spool, media_id: str) -> None:
        committing.set()
        go_on.wait(30)
        commit(spool, media_id)

    async def body() -> AsyncIterator[bytes]:
        yield form(PHOTO)

    async def scenario() -> None:
        request = asyncio.create_task(receive(tmp_path, body()))
        await asyncio.to_thread(committing.wait, 30)
        request.cancel()
        await asyncio.wait([request], timeout=0.05)
        assert not request.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await request

    monkeypatch.setattr(Spool, "commit", slow_commit)
    asyncio.run(scenario())
    [folder] = (tmp_path / "pending").iterdir()
    assert (folder / "photo.jpg").read_bytes() == PHOTO
    assert (folder / "media.json").exists()
    assert list((tmp_path / "incoming").iterdir()) == []


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_want_of_memory_is_told_and_the_upload_may_come_again(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    with in_process("fast-server", env) as fast:
        with monkeypatch.context() as failing:
            failing.setattr(image_header, "read_size", fail)
            answer = fast.post("/media", files=FILE)
        assert_problem(answer, 503, "out_of_memory")
        assert int(answer.headers["Retry-After"]) > 0
        assert_nothing_is_in(Path(env["UPLOAD_DIR"]))
        assert fast.post("/media", files=FILE).status_code == 202


@pytest.mark.parametrize("error", [RuntimeError("a bug"), TimeoutError()])
def test_a_fault_that_nobody_thought_of_is_told_as_one_of_the_service(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(image_header, "read_size", fail)
    with in_process("fast-server", env) as fast:
        answer = fast.post("/media", files=FILE)
    assert_problem(answer, 500, "internal_error")
    assert_nothing_is_in(Path(env["UPLOAD_DIR"]))
