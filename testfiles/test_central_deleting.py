"""DELETE /media/{media_id}: the image goes, its line and its name stay, whatever interrupts it."""

import asyncio
import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service_loader import InProcess, in_process, load, running
from test_central_recovery import Crash, Steps, logged, names, opened
from test_central_recovery import deliver as deliver_to
from test_central_upload import JPEG, MEDIA_ID, deliver, log_lines, stored_names

STEPS = ("fsync", "link", "replace", "symlink", "unlink", "write")
NAME = "watermarked_photo.jpg"


@pytest.fixture
def central(tmp_path: Path) -> Iterator[InProcess]:
    env = {
        "STORAGE_DIR": str(tmp_path / "storage"),
        "ACTIVITY_LOG": str(tmp_path / "worker_activity.log"),
    }
    with in_process("central-server", env) as service:
        yield service


def delete(archive: Any) -> bool:
    deleted: bool = asyncio.run(archive.delete(MEDIA_ID))
    return deleted


def remembered(folder: Path) -> list[str]:
    storage = folder / "storage"
    return [path.name for kind in (".intents", ".receipts") for path in (storage / kind).glob("0*")]


def test_a_deleted_image_is_gone_and_its_line_stays(central: InProcess, tmp_path: Path) -> None:
    deliver(central, media_id=MEDIA_ID)
    before = log_lines(tmp_path)
    answer = central.delete(f"/media/{MEDIA_ID}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert central.get(f"/media/{MEDIA_ID}").status_code == 404
    assert stored_names(tmp_path) == set()
    assert remembered(tmp_path) == []
    assert log_lines(tmp_path) == before
    assert central.delete(f"/media/{MEDIA_ID}").json()["code"] == "media_not_found"


@pytest.mark.parametrize("media_id", [MEDIA_ID, "x", "..%2F..%2Flog", MEDIA_ID.lower()])
def test_what_is_not_stored_cannot_be_deleted(central: InProcess, media_id: str) -> None:
    answer = central.delete(f"/media/{media_id}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_image_that_somebody_removed_by_hand_is_forgotten(
    central: InProcess, tmp_path: Path
) -> None:
    deliver(central, media_id=MEDIA_ID)
    (tmp_path / "storage" / NAME).unlink()
    assert central.delete(f"/media/{MEDIA_ID}").status_code == 204
    assert remembered(tmp_path) == []


def test_a_deleted_media_may_come_again_and_never_gets_a_name_of_the_log(
    central: InProcess, tmp_path: Path
) -> None:
    for content in (b"first", b"second", b"third"):
        answer = deliver(central, content, media_id=MEDIA_ID).json()
        assert answer["duplicate"] is False
        assert central.get(f"/media/{MEDIA_ID}").content == content
        assert central.delete(f"/media/{MEDIA_ID}").status_code == 204
    given = [line.split(" | IMAGE: ")[1] for line in log_lines(tmp_path)]
    assert given[:2] == [NAME, f"watermarked_photo-{MEDIA_ID}.jpg"]
    assert len(set(given)) == 3


def test_an_image_is_sent_whole_though_it_is_deleted_meanwhile(tmp_path: Path) -> None:
    content = os.urandom(20_000_000)
    with (
        running("central-server", tmp_path, {}) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        files, data = {"file": (NAME, content)}, {"worker_name": "me", "media_id": MEDIA_ID}
        client.post("/upload-final", files=files, data=data).raise_for_status()
        with client.stream("GET", f"/media/{MEDIA_ID}") as answer:
            assert client.delete(f"/media/{MEDIA_ID}").status_code == 204
            assert b"".join(answer.iter_bytes()) == content
        assert "Traceback" not in server.console()


def test_an_image_deleted_before_its_first_byte_is_sent_whole(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    answer = load("central-server", "served").OpenedImage(path)
    path.unlink()
    transport = httpx.ASGITransport(answer)

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://served") as client:
            return await client.get("/")

    assert asyncio.run(get()).content == JPEG


def test_a_crash_between_any_two_steps_of_a_deletion_leaves_what_a_second_one_finishes(
    tmp_path: Path,
) -> None:
    for number in itertools.count():
        folder = tmp_path / str(number)
        crashed = delivered_and_deleted(folder, failing_from=number)
        with opened(folder) as archive:
            delete(archive)
            assert names(folder) == remembered(folder) == [], number
            receipt, duplicate = deliver_to(archive)
        assert (receipt["name"], duplicate) == (f"photo-{MEDIA_ID}.jpg", False), number
        assert logged(folder) == ["photo.jpg", receipt["name"]]
        if not crashed:
            break
    assert number == 8, "the steps of a deletion"


def test_a_media_that_comes_again_after_a_crash_of_its_deletion_is_answered_or_stored_anew(
    tmp_path: Path,
) -> None:
    for number in range(8):
        folder = tmp_path / str(number)
        assert delivered_and_deleted(folder, failing_from=number)
        with opened(folder) as archive:
            receipt, duplicate = deliver_to(archive)
        assert duplicate == (receipt["name"] == "photo.jpg"), number
        assert len(set(logged(folder))) == len(logged(folder))
        assert set(names(folder)) <= {receipt["name"]}


def delivered_and_deleted(folder: Path, *, failing_from: int) -> bool:
    """Whether the deletion was cut short at that step; False where it has fewer."""
    with opened(folder) as archive:
        deliver_to(archive)
        try:
            with Steps(failing_from, Crash(), steps=STEPS).failing():
                assert delete(archive)
        except Crash:
            return True
    return False


def test_an_interrupted_delivery_is_settled_before_it_is_deleted(tmp_path: Path) -> None:
    for number in itertools.count():
        folder = tmp_path / str(number)
        with opened(folder) as archive:
            failing = Steps(number, OSError(errno.EIO, "EIO"))
            try:
                with failing.failing():
                    deliver_to(archive)
            except OSError:
                pass
            was_stored = delete(archive)
            assert names(folder) == remembered(folder) == [], number
            assert logged(folder) == ["photo.jpg"] * was_stored
            assert deliver_to(archive)[0]["name"] not in logged(folder)[:-1]
        if not failing.failed:
            break
    assert number == 10, "the steps of a delivery"


def test_a_deletion_makes_room_even_on_a_disk_without_any(
    central: InProcess, tmp_path: Path
) -> None:
    deliver(central, media_id=MEDIA_ID)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with Steps(0, full, steps=("symlink",)).failing():
        answer = central.delete(f"/media/{MEDIA_ID}")
    assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
    assert stored_names(tmp_path) == set()
    assert central.delete(f"/media/{MEDIA_ID}").status_code == 204
