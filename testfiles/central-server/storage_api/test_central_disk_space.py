"""MIN_FREE_MB: below it central-server says so before it reads a body, and recovers by itself."""

import shutil
from collections import namedtuple
from pathlib import Path
from unittest.mock import patch

import pytest

from support.central import JPEG, MEDIA_ID, deliver, dial, request_head
from support.services import in_process, running

MIB = 1024 * 1024
MORE_THAN_THERE_IS = str(10**9)
Usage = namedtuple("Usage", ["total", "used", "free"])


def env(folder: Path, **settings: str) -> dict[str, str]:
    places = {"STORAGE_DIR": str(folder / "storage"), "ACTIVITY_LOG": str(folder / "logs" / "log")}
    return {**places, **settings}


def test_a_delivery_is_refused_before_its_body_is_read(tmp_path: Path) -> None:
    settings = {"MIN_FREE_MB": MORE_THAN_THERE_IS}
    with running("central-server", tmp_path, settings) as server, dial(server) as call:
        call.sendall(request_head("Content-Length: 1000000"))
        answer = b""
        while not answer.endswith(b"}"):
            answer += call.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 507 ")
    assert b"\r\nretry-after: 30\r\n" in answer
    assert b"Less than 1000000000 MB (MIN_FREE_MB) are free in STORAGE_DIR=" in answer


@pytest.mark.parametrize(
    ("folder", "variable"), [("storage", "STORAGE_DIR"), ("logs", "ACTIVITY_LOG")]
)
def test_the_file_system_that_is_full_is_named_until_it_has_room_again(
    tmp_path: Path, folder: str, variable: str
) -> None:
    free_bytes = {tmp_path / "storage": 8 * MIB, tmp_path / "logs": 8 * MIB}

    def disk_usage(path: Path) -> Usage:
        return Usage(0, 0, free_bytes[path])

    with (
        in_process("central-server", env(tmp_path, MIN_FREE_MB="8")) as central,
        patch.object(shutil, "disk_usage", disk_usage),
    ):
        assert deliver(central).status_code == 200
        free_bytes[tmp_path / folder] -= 1
        refused, ready = deliver(central), central.get("/ready")
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        assert (ready.status_code, ready.json()["code"]) == (503, "storage_unavailable")
        for answer in (refused, ready):
            assert "Less than 8 MB (MIN_FREE_MB)" in answer.json()["detail"]
            assert f"{variable}={tmp_path / folder}" in answer.json()["detail"]
        free_bytes[tmp_path / folder] += 1
        assert central.get("/ready").status_code == deliver(central).status_code == 200


def test_what_is_stored_can_be_had_and_deleted_without_room(tmp_path: Path) -> None:
    with in_process("central-server", env(tmp_path)) as central:
        deliver(central, media_id=MEDIA_ID)
    with in_process("central-server", env(tmp_path, MIN_FREE_MB=MORE_THAN_THERE_IS)) as central:
        assert central.get(f"/media/{MEDIA_ID}").content == JPEG
        assert central.delete(f"/media/{MEDIA_ID}").status_code == 204


def test_zero_takes_images_until_the_disk_is_full(tmp_path: Path) -> None:
    with (
        in_process("central-server", env(tmp_path, MIN_FREE_MB="0")) as central,
        patch.object(shutil, "disk_usage", lambda path: Usage(0, 0, 0)),
    ):
        assert deliver(central).status_code == 200


def test_a_storage_folder_that_is_gone_is_no_full_disk(tmp_path: Path) -> None:
    with in_process("central-server", env(tmp_path)) as central:
        (tmp_path / "storage").rename(tmp_path / "gone")
        assert deliver(central).json()["code"] == "storage_unavailable"
        (tmp_path / "gone").rename(tmp_path / "storage")
        assert deliver(central).status_code == 200
