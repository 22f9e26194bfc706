"""POST /media/{media_id}/retry and POST /media/retry: what failed goes on its way again."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import OutOfMemoryError

from shared import contract, spool
from shared.contract import ErrorRecord, FileRecord
from shared.redis import jobs
from support import images
from support.fast import RedisServer, assert_problem, redis_server
from support.services import InProcess, in_process

PHOTO = images.jpeg(size=(64, 64))
WATERMARKED: FileRecord = {"name": "watermarked_photo.jpg", "sha256": "00", "size": 1}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def fast(redis: RedisServer, tmp_path: Path) -> Iterator[InProcess]:
    redis.client.flushall()
    env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path), "MIN_FREE_MB": "0"}
    with in_process("fast-server", env) as service:
        yield service


def failed(
    fast: InProcess,
    uploads: Path,
    code: str = "corrupt_image",
    run: int = 1,
    watermarked: FileRecord | None = None,
) -> str:
    """Take an upload and leave it as a worker leaves one that failed."""
    accepted = fast.post("/media", files={"file": ("photo.jpg", PHOTO)})
    media_id: str = accepted.json()["media_id"]
    with spool.Spool(uploads).hold(media_id) as media:
        error: ErrorRecord = {"code": code, "detail": "It did not work."}
        media.progress |= {"status": contract.Status.FAILED, "error": error}
        media.progress |= {"run": run, "watermarked": watermarked}
        media.save()
        media.move("failed")
    return media_id


def queued(redis: RedisServer, queue: str = "arq:watermark") -> set[str]:
    return {job.decode() for job in redis.client.zrange(queue, 0, -1)}


def test_one_that_failed_is_pending_again_and_queued_as_its_next_run(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    media_id = failed(fast, tmp_path)
    redis.client.flushall()
    answer = fast.post(f"/media/{media_id}/retry")
    assert answer.status_code == 202
    assert answer.json() == fast.get(f"/media/{media_id}").json()
    expected = {"run": 2, "status": "queued", "attempts": [], "error": None}
    assert expected.items() <= answer.json().items()
    assert answer.json()["next"] == "It waits for a worker to watermark it."
    assert (tmp_path / "pending" / media_id / "photo.jpg").read_bytes() == PHOTO
    assert queued(redis) == {f"{media_id}:watermark:2"}


def test_one_that_was_watermarked_goes_on_from_there(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    media_id = failed(fast, tmp_path, "central_unreachable", run=4, watermarked=WATERMARKED)
    answer = fast.post(f"/media/{media_id}/retry")
    assert answer.json()["next"] == "It waits for a worker to send it to central."
    assert queued(redis, "arq:upload") == {f"{media_id}:upload:5"}


def test_one_that_has_not_failed_is_left_alone(fast: InProcess, tmp_path: Path) -> None:
    media_id = fast.post("/media", files={"file": ("photo.jpg", PHOTO)}).json()["media_id"]
    detail = assert_problem(fast.post(f"/media/{media_id}/retry"), 409, "not_failed")["detail"]
    assert "is queued and lies in pending/" in detail
    assert fast.get(f"/media/{media_id}").json()["run"] == 1


@pytest.mark.parametrize("media_id", ["01KAP3V8Z4J5N6Q7R8S9T0VWXY", "x", "%2e%2e"])
def test_one_that_is_unknown_is_not_found(fast: InProcess, media_id: str) -> None:
    assert_problem(fast.post(f"/media/{media_id}/retry"), 404, "media_not_found")


def test_one_that_somebody_holds_is_busy_and_skipped(fast: InProcess, tmp_path: Path) -> None:
    held, free = failed(fast, tmp_path), failed(fast, tmp_path)
    with spool.Spool(tmp_path).hold(held):
        answer = fast.post(f"/media/{held}/retry")
        all_of_them = fast.post("/media/retry")
    assert_problem(answer, 409, "media_busy")
    assert int(answer.headers["Retry-After"]) > 0
    assert (all_of_them.status_code, all_of_them.json()) == (202, {"retried": 1, "skipped": 1})
    assert (tmp_path / "failed" / held).is_dir()
    assert (tmp_path / "pending" / free).is_dir()


@pytest.mark.parametrize("path", ["/media/{}/retry", "/media/retry"])
def test_a_redis_that_fails_only_costs_time(
    fast: InProcess,
    redis: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    async def enqueue(*_: object) -> None:
        raise OutOfMemoryError("full")

    media_id = failed(fast, tmp_path)
    monkeypatch.setattr(jobs, "enqueue", enqueue)
    assert fast.post(path.format(media_id)).status_code == 202
    assert (tmp_path / "pending" / media_id).is_dir()


def test_a_full_disk_is_told(
    fast: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    media_id = failed(fast, tmp_path)
    monkeypatch.setattr(spool.HeldMedia, "save", fail)
    assert_problem(fast.post(f"/media/{media_id}/retry"), 507, "disk_full")


def test_all_that_failed_are_retried(fast: InProcess, redis: RedisServer, tmp_path: Path) -> None:
    media_ids = {failed(fast, tmp_path, code) for code in ("corrupt_image", "central_unreachable")}
    redis.client.flushall()
    assert fast.post("/media/retry").json() == {"retried": 2, "skipped": 0}
    assert queued(redis) == {f"{media_id}:watermark:2" for media_id in media_ids}
    assert fast.post("/media/retry").json() == {"retried": 0, "skipped": 0}


def test_only_those_with_one_code_are_retried(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    other = failed(fast, tmp_path)
    media_id = failed(fast, tmp_path, "central_unreachable", watermarked=WATERMARKED)
    torn = failed(fast, tmp_path)
    (tmp_path / "failed" / torn / "progress.json").write_text("{")
    (tmp_path / "failed" / "a note.txt").touch()
    answer = fast.post("/media/retry", params={"code": "central_unreachable"})
    assert answer.json() == {"retried": 1, "skipped": 0}
    assert queued(redis, "arq:upload") == {f"{media_id}:upload:2"}
    assert {path.name for path in (tmp_path / "failed").iterdir()} == {other, torn, "a note.txt"}


def test_more_than_a_batch_is_retried_and_queued(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    template = tmp_path / "failed" / failed(fast, tmp_path)
    media_ids = {template.name}
    for number in range(450):
        media_id = f"{template.name[:20]}{number:06}"
        assert contract.is_media_id(media_id)
        shutil.copytree(template, template.with_name(media_id))
        record = json.loads((template / "media.json").read_text()) | {"media_id": media_id}
        (template.with_name(media_id) / "media.json").write_text(json.dumps(record))
        media_ids.add(media_id)
    redis.client.flushall()
    assert fast.post("/media/retry").json() == {"retried": 451, "skipped": 0}
    assert queued(redis) == {f"{media_id}:watermark:2" for media_id in media_ids}


def test_a_code_or_a_parameter_that_there_is_not_is_refused_and_nothing_is_sent_on(
    fast: InProcess, tmp_path: Path
) -> None:
    media_id = failed(fast, tmp_path)
    refused = assert_problem(fast.post("/media/retry?code=bogus"), 422, "unknown_code")
    assert "central_unreachable, corrupt_image" in refused["detail"]
    refused = assert_problem(fast.post("/media/retry?cod=central_full"), 422, "unknown_parameter")
    assert refused["detail"] == "cod is no parameter of this request; code and batch are."
    twice = fast.post("/media/retry?code=central_full&code=time_limit")
    assert "code comes more than once" in assert_problem(twice, 422, "repeated_parameter")["detail"]
    assert (tmp_path / "failed" / media_id).is_dir()
