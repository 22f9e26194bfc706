"""The claims behind Idempotency-Key: over after 24 hours, whole after kill -9 at any step."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from ulid import ULID

from ingest import idempotency_store
from shared import spool
from support import images
from support.fast import RedisServer, client, redis_server
from support.services import InProcess, in_process, running, until

PHOTO = images.jpeg(size=(64, 64))
UPLOAD: dict[str, Any] = {
    "files": {"file": ("photo.jpg", PHOTO)},
    "headers": {"Idempotency-Key": '"k"'},
}
KEY = hashlib.sha256(b"k").hexdigest()
# uvicorn, killed before the n-th step on the disk of its first upload
KILLED = """
import fcntl, itertools, os, signal, uvicorn
steps, uploading = itertools.count(), False
def step(module, name):
    real = getattr(module, name)
    def counting(*args, **options):
        global uploading
        uploading = uploading or (name == "mkdir" and "incoming/" in str(args[0]))
        if uploading and next(steps) == int(os.environ["STEP"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    setattr(module, name, counting)
for name in ("mkdir", "fsync", "replace", "rename", "ftruncate", "pwrite", "lseek", "write"):
    step(os, name)
step(fcntl, "flock")
uvicorn.main()
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def env(redis: RedisServer, tmp_path: Path) -> dict[str, str]:
    redis.client.flushall()
    return {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path / "up"), "MIN_FREE_MB": "0"}


@pytest.fixture
def fast(env: dict[str, str]) -> Iterator[InProcess]:
    with in_process("fast-server", env) as service:
        yield service


def folders(tmp_path: Path, state: str) -> list[str]:
    return [path.name for path in (tmp_path / "up" / state).iterdir()]


def claim_of(tmp_path: Path, key: str = KEY) -> Path:
    return tmp_path / "up" / ".idempotency" / key


def claim_text(age: timedelta, **other: str) -> str:
    """What an upload of this age, made of PHOTO, left of its claim, and that it was accepted."""
    media_id = str(ULID.from_datetime(datetime.now(UTC) - age))
    sha256 = hashlib.sha256(PHOTO).hexdigest()
    claim = {"media_id": media_id, "filename": "photo.jpg", "sha256": sha256, **other}
    return json.dumps(claim) + "\naccepted\n"


@pytest.mark.slow
@pytest.mark.parametrize("step", range(18))
def test_a_gateway_killed_at_any_step_stores_the_upload_once(
    env: dict[str, str], tmp_path: Path, step: int
) -> None:
    launcher = ("-c", KILLED)
    with (
        running("fast-server", tmp_path, env | {"STEP": str(step)}, launcher) as server,
        client(server.url) as http,
    ):
        try:
            lost = http.post("/media", **UPLOAD).status_code
        except httpx.TransportError:
            lost = 0
        assert lost == (202 if step == 17 else 0)
    with in_process("fast-server", env) as fast:
        answers = [fast.post("/media", **UPLOAD) for _ in range(2)]
    [media_id] = folders(tmp_path, "pending")
    assert [answer.json()["media_id"] for answer in answers] == [media_id] * 2
    assert answers[1].headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "5\naccepted\n",
        claim_text(timedelta(), media_id="x"),
        claim_text(timedelta())[:40],
        claim_text(timedelta()).removesuffix("accepted\n"),  # its upload died before the commit
    ],
)
def test_a_claim_that_is_torn_or_whose_upload_died_gives_way(
    fast: InProcess, tmp_path: Path, damage: str
) -> None:
    claim_of(tmp_path).write_text(damage)
    first, again = (fast.post("/media", **UPLOAD) for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert folders(tmp_path, "pending") == [again.json()["media_id"]]


@pytest.mark.parametrize(
    ("hours", "written_hours", "is_repeat"), [(23, 23, True), (25, 25, False), (50, 1, True)]
)
def test_a_key_is_over_after_24_hours(
    fast: InProcess, tmp_path: Path, hours: int, written_hours: int, is_repeat: bool
) -> None:
    """By the later of two clocks: the id has Redis', which may have been behind."""
    claim_of(tmp_path).write_text(claim_text(timedelta(hours=hours)))
    written_at = time.time() - written_hours * 3600
    os.utime(claim_of(tmp_path), (written_at, written_at))
    answer = fast.post("/media", **UPLOAD)
    assert ("Idempotent-Replayed" in answer.headers) == is_repeat
    assert len(folders(tmp_path, "pending")) == (0 if is_repeat else 1)


def test_a_commit_that_fails_does_not_keep_the_key(
    fast: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(2, "swept away")

    with monkeypatch.context() as failing:
        failing.setattr(spool.Spool, "commit", fail)
        assert fast.post("/media", **UPLOAD).status_code == 503
    answer = fast.post("/media", **UPLOAD)
    assert answer.status_code == 202
    assert "Idempotent-Replayed" not in answer.headers
    assert folders(tmp_path, "pending") == [answer.json()["media_id"]]


def test_a_folder_of_claims_that_was_removed_is_made_again(fast: InProcess, tmp_path: Path) -> None:
    claim_of(tmp_path).parent.rmdir()
    assert fast.post("/media", **UPLOAD).status_code == 202
    assert fast.post("/media", **UPLOAD).headers["Idempotent-Replayed"] == "true"


def test_claims_that_are_over_are_swept_and_others_completed(
    env: dict[str, str], tmp_path: Path
) -> None:
    with in_process("fast-server", env) as fast:
        fast.post("/media", **UPLOAD)
    old, torn = claim_of(tmp_path, "old"), claim_of(tmp_path, "torn")
    old.write_text(claim_text(timedelta(hours=25)))
    torn.touch()
    day_and_hour_ago = datetime.now(UTC).timestamp() - 25 * 3600
    for path in (old, torn):
        os.utime(path, (day_and_hour_ago, day_and_hour_ago))
    whole = claim_of(tmp_path).read_text()
    claim_of(tmp_path).write_text(whole.removesuffix("accepted\n"))
    with in_process("fast-server", env):
        until(lambda: claim_of(tmp_path).read_text() == whole)
        until(lambda: not old.exists() and not torn.exists())


def test_a_key_is_freed_only_by_its_own_media(fast: InProcess, tmp_path: Path) -> None:
    media_id = fast.post("/media", **UPLOAD).json()["media_id"]
    claims = idempotency_store.Claims(spool.Spool(tmp_path / "up"))
    claims.free(KEY, str(ULID()))
    assert claim_of(tmp_path).exists()
    claims.free_key_of(media_id)
    assert not claim_of(tmp_path).exists()
    claims.free(KEY, media_id)
