"""GET /media/{media_id}: the member next says in a sentence what comes next, whatever is there."""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ulid import ULID

from shared.contract import AttemptRecord, ErrorRecord, MediaRecord, Stage, timestamp
from shared.records import received_at
from support.fast import RedisServer, redis_server
from support.services import InProcess, in_process

T1, T2 = "2026-01-15T14:30:45.150Z", "2026-01-15T14:31:05.150Z"
WATERMARKED = {"name": "watermarked_photo.jpg", "sha256": "00", "size": 1}
STORED = WATERMARKED | {"name": "watermarked_photo-2.jpg"}
UNREACHABLE: ErrorRecord = {"code": "central_unreachable", "detail": "Central gave no answer."}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def fast(redis: RedisServer, tmp_path: Path) -> Iterator[InProcess]:
    env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path)}
    with in_process("fast-server", env) as service:
        yield service


def attempt(stage: Stage, ended_at: str | None = None) -> AttemptRecord:
    return {
        "stage": stage,
        "worker": "worker-1",
        "started_at": T1,
        "ended_at": ended_at,
        "error": UNREACHABLE if ended_at else None,
    }


def media(
    uploads: Path, state: str, progress: Mapping[str, object], age: timedelta = timedelta()
) -> str:
    """Records of a media as they may lie in uploads/state, made without an upload."""
    media_id = str(ULID.from_datetime(datetime.now(UTC) - age))
    folder = uploads / state / media_id
    folder.mkdir()
    record: MediaRecord = {
        "media_id": media_id,
        "filename": "photo.jpg",
        "content_type": "image/jpeg",
        "size": 1,
        "sha256": "0" * 64,
        "width": None,
        "height": None,
        "received_at": T1,
        "format_version": 1,
    }
    (folder / "media.json").write_text(json.dumps(record))
    (folder / "progress.json").write_text(json.dumps(progress))
    return media_id


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        ({}, "It waits for a worker to watermark it."),
        (
            {"status": "watermarking", "attempts": [attempt(Stage.WATERMARK)]},
            f"worker-1 is at attempt 1 to watermark it since {T1}.",
        ),
        (
            {"status": "watermarked", "watermarked": WATERMARKED},
            "It waits for a worker to send it to central.",
        ),
        (
            {
                "status": "uploading",
                "watermarked": WATERMARKED,
                "attempts": [
                    attempt(Stage.WATERMARK, T1),
                    attempt(Stage.UPLOAD, T2),
                    attempt(Stage.UPLOAD),
                ],
            },
            f"worker-1 is at attempt 2 to send it to central since {T1}.",
        ),
        (
            {
                "status": "uploading",
                "watermarked": WATERMARKED,
                "attempts": [attempt(Stage.WATERMARK, T1), attempt(Stage.UPLOAD, T1)],
                "next_attempt_at": T2,
            },
            f"Attempt 2 to send it to central is due at {T2}.",
        ),
        (
            {"status": "stored", "stored": STORED},
            "Nothing: central has stored it as watermarked_photo-2.jpg.",
        ),
        ({"attempts": "none"}, "It waits for a worker to watermark it"),
        ({"status": "queued", "attempts": [5]}, "It waits for a worker to watermark it"),
    ],
)
def test_what_comes_next_is_a_sentence(
    fast: InProcess, tmp_path: Path, progress: Mapping[str, object], sentence: str
) -> None:
    media_id = media(tmp_path, "done" if "stored" in progress else "pending", progress)
    said = fast.get(f"/media/{media_id}").json()["next"]
    assert said.startswith(sentence)
    assert said.endswith(".")


@pytest.mark.parametrize(("hours", "is_taken_up"), [(1, True), (25, False)])
@pytest.mark.parametrize(
    ("code", "once"),
    [
        ("central_unreachable", "central answers"),
        ("central_full", "central answers"),
        ("logo_unavailable", "there is a logo that works"),
    ],
)
def test_after_an_outage_it_goes_on_by_itself_for_a_day(
    fast: InProcess, tmp_path: Path, hours: int, is_taken_up: bool, code: str, once: str
) -> None:
    progress = {"status": "failed", "error": {**UNREACHABLE, "code": code}}
    media_id = media(tmp_path, "failed", progress, timedelta(hours=hours))
    received = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
    os.utime(tmp_path / "failed" / media_id / "media.json", (received, received))
    said = fast.get(f"/media/{media_id}").json()["next"]
    until = timestamp(received_at(tmp_path / "failed" / media_id) + timedelta(hours=24))
    assert (f"by itself once {once}, until {until}" in said) == is_taken_up
    assert f"POST /media/{media_id}/retry" in said
    assert ("DELETE" in said) != is_taken_up


def test_after_any_other_failure_nothing_comes_by_itself(fast: InProcess, tmp_path: Path) -> None:
    progress = {"status": "failed", "error": {"code": "corrupt_image", "detail": "Torn."}}
    media_id = media(tmp_path, "failed", progress)
    said = fast.get(f"/media/{media_id}").json()["next"]
    expected = f"Nothing by itself: POST /media/{media_id}/retry tries again, "
    assert said == f"{expected}DELETE /media/{media_id} removes it."


@pytest.mark.parametrize("damage", [None, "", "{", "[]", "{}", '{"media_id": ', "\0", "null"])
@pytest.mark.parametrize("name", ["media.json", "progress.json"])
def test_a_damaged_record_is_answered_with_what_is_known(
    fast: InProcess, tmp_path: Path, name: str, damage: str | None
) -> None:
    media_id = media(tmp_path, "pending", {})
    path = tmp_path / "pending" / media_id / name
    path.unlink()
    if damage is not None:
        path.write_text(damage)
    answer = fast.get(f"/media/{media_id}")
    assert answer.status_code == 200
    known = answer.json()
    assert (known["media_id"], known["status"]) == (media_id, "queued")
    assert known["format_version"] == (0 if name == "media.json" else 1)
    assert known["next"] == "It waits for a worker to watermark it."


OUTPUT = {"name": "watermarked_photo.jpg", "sha256": "0" * 64, "size": 1}


@pytest.mark.parametrize(
    ("progress", "status"),
    [
        ({"status": "stored"}, "queued"),  # but nobody has told where
        ({"status": "failed"}, "queued"),
        ({"status": "stored", "watermarked": OUTPUT}, "watermarked"),
        ({"status": "watermarked", "watermarked": {**OUTPUT, "name": "photo.jpg"}}, "queued"),
        ({"status": "stored", "stored": OUTPUT}, "stored"),  # about to move
    ],
)
def test_a_record_in_pending_is_believed_only_with_its_proof(
    fast: InProcess, tmp_path: Path, progress: Mapping[str, object], status: str
) -> None:
    media_id = media(tmp_path, "pending", progress)
    assert fast.get(f"/media/{media_id}").json()["status"] == status


@pytest.mark.parametrize("name", ["media.json", "progress.json"])
def test_a_record_that_is_no_file_is_as_good_as_none(
    fast: InProcess, tmp_path: Path, name: str
) -> None:
    media_id = media(tmp_path, "pending", {})
    path = tmp_path / "pending" / media_id / name
    path.unlink()
    path.mkdir()
    assert fast.get(f"/media/{media_id}").json()["status"] == "queued"


@pytest.mark.parametrize("poison", [r'"\ud800"', "NaN", "-Infinity", "1e999"])
def test_what_could_not_be_answered_is_not_taken_from_a_record(
    fast: InProcess, tmp_path: Path, poison: str
) -> None:
    media_id = media(tmp_path, "pending", {})
    for name in ("media.json", "progress.json"):
        path = tmp_path / "pending" / media_id / name
        path.write_text(path.read_text().replace("{", f'{{"x": {poison}, ', 1))
    assert fast.get(f"/media/{media_id}").status_code == 200
