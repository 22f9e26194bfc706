"""POST /upload-final and what one can ask central-server afterwards."""

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.central import JPEG, MEDIA_ID, deliver, log_lines, stored_names
from support.services import InProcess, in_process

LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] WORKER: \S+ \| IMAGE: \S+")


@pytest.fixture
def central(tmp_path: Path) -> Iterator[InProcess]:
    env = {
        "STORAGE_DIR": str(tmp_path / "storage"),
        "ACTIVITY_LOG": str(tmp_path / "worker_activity.log"),
        "MAX_STORE_MB": "1",
    }
    with in_process("central-server", env) as service:
        yield service


def assert_nothing_stays(tmp_path: Path) -> None:
    assert stored_names(tmp_path) == set()
    assert log_lines(tmp_path) == []
    assert list((tmp_path / "storage" / ".incoming").iterdir()) == []
    assert list((tmp_path / "storage" / ".intents").iterdir()) == []


def test_an_image_is_stored_logged_and_acknowledged(central: InProcess, tmp_path: Path) -> None:
    answer = deliver(central, media_id=MEDIA_ID)
    [line] = log_lines(tmp_path)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "stored_and_logged",
        "worker": "worker-1",
        "timestamp": line[1:20],
        "name": "watermarked_photo.jpg",
        "sha256": hashlib.sha256(JPEG).hexdigest(),
        "size": len(JPEG),
        "duplicate": False,
    }
    assert line.endswith("] WORKER: worker-1 | IMAGE: watermarked_photo.jpg")
    assert LINE.fullmatch(line)
    assert (tmp_path / "storage" / "watermarked_photo.jpg").read_bytes() == JPEG
    assert list((tmp_path / "storage" / ".incoming").iterdir()) == []


def test_without_a_media_id_every_delivery_is_a_new_image(
    central: InProcess, tmp_path: Path
) -> None:
    first, second = deliver(central), deliver(central)
    assert not second.json()["duplicate"]
    assert len(stored_names(tmp_path)) == len(log_lines(tmp_path)) == 2
    assert central.get(first.headers["Content-Location"]).content == JPEG


def test_a_media_delivered_again_is_answered_from_its_receipt(
    central: InProcess, tmp_path: Path
) -> None:
    first = deliver(central, media_id=MEDIA_ID)
    again = deliver(central, b"other bytes", "other.png", media_id=MEDIA_ID, worker_name="other")
    assert again.json() == {**first.json(), "duplicate": True}
    assert len(log_lines(tmp_path)) == 1
    assert stored_names(tmp_path) == {"watermarked_photo.jpg"}
    assert central.get(f"/media/{MEDIA_ID}").content == JPEG


def test_ten_deliveries_of_one_media_at_once_store_one_file_and_one_line(
    central: InProcess, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(lambda _: deliver(central, media_id=MEDIA_ID), range(10)))
    assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 9
    assert stored_names(tmp_path) == {"watermarked_photo.jpg"}
    assert len(log_lines(tmp_path)) == 1


def test_the_fields_may_come_before_or_after_the_file(central: InProcess, tmp_path: Path) -> None:
    parts: list[tuple[str, Any]] = [
        ("file", ("a.jpg", JPEG)),
        ("worker_name", (None, "worker-1")),
        ("media_id", (None, MEDIA_ID)),
    ]
    assert central.post("/upload-final", files=parts).json()["duplicate"] is False
    assert central.post("/upload-final", files=parts[::-1]).json()["duplicate"] is True


@pytest.mark.parametrize(
    ("code", "status", "options"),
    [
        ("not_multipart", 415, {"content": JPEG}),
        ("not_multipart", 415, {"data": {"worker_name": "w"}}),
        ("file_missing", 422, {"files": {"worker_name": (None, "w")}}),
        ("file_missing", 422, {"files": {"file": (None, "@photo.jpg")}}),
        ("file_empty", 422, {"files": {"file": ("a.jpg", b"")}, "data": {"worker_name": "w"}}),
        ("worker_missing", 422, {"files": {"file": ("a.jpg", JPEG)}}),
        ("worker_missing", 422, {"files": {"file": JPEG}, "data": {"worker_name": " \n\u2028"}}),
        ("second_file", 422, {"files": [("file", JPEG), ("file", JPEG)]}),
        (
            "bad_media_id",
            422,
            {"files": {"file": JPEG}, "data": {"worker_name": "w", "media_id": "../x"}},
        ),
        (
            "malformed_form",
            422,
            {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        ),
        ("upload_too_large", 413, {"files": {"file": bytes(1024 * 1024 + 1)}}),
        ("upload_too_large", 413, {"files": {"file": bytes(2 * 1024 * 1024)}}),
        ("upload_too_large", 413, {"files": {"other": bytes(2 * 1024 * 1024)}}),
    ],
)
def test_a_refused_upload_is_told_why_and_leaves_nothing(
    central: InProcess, tmp_path: Path, code: str, status: int, options: dict[str, Any]
) -> None:
    answer = central.post("/upload-final", **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert_nothing_stays(tmp_path)


def test_a_file_of_exactly_the_limit_is_taken(central: InProcess) -> None:
    assert deliver(central, bytes(1024 * 1024)).json()["size"] == 1024 * 1024


def test_a_long_worker_name_is_cut(central: InProcess, tmp_path: Path) -> None:
    assert deliver(central, worker_name="w" * 5000).json()["worker"] == "w" * 100
    assert log_lines(tmp_path)[0].endswith(f"] WORKER: {'w' * 100} | IMAGE: watermarked_photo.jpg")
