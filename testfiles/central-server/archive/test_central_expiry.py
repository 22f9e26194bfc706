"""KEEP_RECEIPTS_DAYS: old receipts and tombstones go; images, lines and names stay."""

import asyncio
import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from ulid import ULID

from archive import expiry
from archive.archive import Archive
from shared import clock
from support.archive import (
    OTHER_ID,
    Steps,
    delete,
    deliver,
    logged,
    names,
    opened,
    remembered,
    tombstones,
    upload,
)
from support.central import JPEG, MEDIA_ID, stored_names
from support.central import deliver as post
from support.services import InProcess, in_process, until

DAY_S = 86_400.0
NAME = "watermarked_photo.jpg"


def env(folder: Path, days: str = "") -> dict[str, str]:
    log = str(folder / "worker_activity.log")
    return {"STORAGE_DIR": str(folder / "storage"), "ACTIVITY_LOG": log, "KEEP_RECEIPTS_DAYS": days}


def age(folder: Path, media_id: str, days: float) -> None:
    stored_at = time.time() - days * DAY_S
    os.utime(folder / "storage" / ".receipts" / f"{media_id}.json", (stored_at, stored_at))


@contextmanager
def hours_that_are_short() -> Iterator[None]:
    with patch.object(expiry, "_PAUSE_S", 0.02):
        yield


@pytest.fixture(autouse=True)
def right_clock() -> Iterator[None]:
    yield
    clock.measure(time.time(), time.monotonic())
    assert clock.may_delete()


def told_the_time(central: InProcess, ahead_s: float = 0) -> None:
    """A worker delivers, what was deleted perhaps, and says what time it is by Redis' clock."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead_s), usegmt=True)
    fields = {"worker_name": "worker-1", "media_id": OTHER_ID}
    files = {"file": ("photo.jpg", b"young")}
    answer = central.post("/upload-final", data=fields, files=files, headers={"Date": date})
    assert answer.status_code in (200, 410)


def test_a_worker_that_tells_the_same_time_lets_the_first_look_begin(tmp_path: Path) -> None:
    with in_process("central-server", env(tmp_path, "1")) as central:
        post(central, media_id=MEDIA_ID)
        age(tmp_path, MEDIA_ID, days=1.1)
        told_the_time(central, ahead_s=299)
        until(lambda: remembered(tmp_path) == [f"{OTHER_ID}.json"])


@pytest.mark.parametrize("ahead_s", [-400 * DAY_S, -301, 301, 400 * DAY_S])
def test_nothing_is_forgotten_while_a_worker_tells_another_time(
    tmp_path: Path, ahead_s: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with in_process("central-server", env(tmp_path)) as central:
        post(central, media_id=MEDIA_ID)
    age(tmp_path, MEDIA_ID, days=400)
    with hours_that_are_short(), in_process("central-server", env(tmp_path, "1")) as central:
        told_the_time(central, ahead_s)
        until(lambda: "s apart" in capsys.readouterr().out)
    assert sorted(remembered(tmp_path)) == [f"{MEDIA_ID}.json", f"{OTHER_ID}.json"]


def drop(archive: Archive, days: float) -> int:
    return asyncio.run(archive.drop_receipts(days * DAY_S))


def test_a_start_forgets_old_media_and_keeps_the_images_of_all(tmp_path: Path) -> None:
    with in_process("central-server", env(tmp_path)) as central:
        post(central, b"old", media_id=MEDIA_ID)
        post(central, b"young", media_id=OTHER_ID)
    age(tmp_path, MEDIA_ID, days=2.6)
    age(tmp_path, OTHER_ID, days=2.4)
    with hours_that_are_short(), in_process("central-server", env(tmp_path, "2.5")) as central:
        told_the_time(central)
        until(lambda: remembered(tmp_path) == [f"{OTHER_ID}.json"])
        assert central.get(f"/media/{MEDIA_ID}").status_code == 404
        assert central.delete(f"/media/{MEDIA_ID}").status_code == 404
        assert central.get(f"/media/{OTHER_ID}").content == b"young"
    assert stored_names(tmp_path) == {NAME, f"watermarked_photo-{OTHER_ID}.jpg"}


def test_it_looks_again_later_and_goes_on_after_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipts = tmp_path / "storage" / ".receipts"
    with (
        hours_that_are_short(),
        in_process("central-server", env(tmp_path, "1")) as central,
    ):
        post(central, media_id=MEDIA_ID)
        told_the_time(central)
        receipts.rename(tmp_path / "away")
        until(lambda: "dropping receipts: FileNotFoundError" in capsys.readouterr().out)
        (tmp_path / "away").rename(receipts)
        age(tmp_path, MEDIA_ID, days=1.1)
        until(lambda: "receipts_dropped=1" in capsys.readouterr().out)
    assert remembered(tmp_path) == [f"{OTHER_ID}.json"]


def test_a_receipt_of_which_only_the_files_time_is_old_stays(tmp_path: Path) -> None:
    """This machine's clock was behind when it was written; the id has Redis' time."""
    with opened(tmp_path) as archive:
        media_id = str(ULID())
        deliver(archive, media_id)
        age(tmp_path, media_id, days=40)
        assert drop(archive, days=30) == 0


def test_nothing_is_forgotten_before_a_worker_has_told_the_time(tmp_path: Path) -> None:
    with in_process("central-server", env(tmp_path)) as central:
        post(central, media_id=MEDIA_ID)
    age(tmp_path, MEDIA_ID, days=400)
    looks: list[float] = []
    with (
        patch.object(Archive, "drop_receipts", side_effect=looks.append),
        hours_that_are_short(),
        in_process("central-server", env(tmp_path, "1")) as central,
    ):
        post(central, media_id=OTHER_ID)  # of a person, without a Date
        assert looks == []
    assert sorted(remembered(tmp_path)) == [f"{MEDIA_ID}.json", f"{OTHER_ID}.json"]


@pytest.mark.parametrize("date", ["", "yesterday", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"])
def test_a_date_that_is_none_is_not_heard(tmp_path: Path, date: str) -> None:
    with in_process("central-server", env(tmp_path, "1")) as central:
        fields, files = {"worker_name": "me"}, {"file": ("photo.jpg", b"young")}
        answer = central.post("/upload-final", data=fields, files=files, headers={"Date": date})
        assert answer.status_code == 200


def test_unset_keeps_them_for_ever(tmp_path: Path) -> None:
    with in_process("central-server", env(tmp_path)) as central:
        post(central, media_id=MEDIA_ID)
    age(tmp_path, MEDIA_ID, days=36_500)
    with in_process("central-server", env(tmp_path)) as central:
        assert central.get(f"/media/{MEDIA_ID}").content == JPEG


@pytest.mark.parametrize("image_stays", [True, False])
def test_a_forgotten_media_that_comes_again_is_stored_under_another_name(
    tmp_path: Path, image_stays: bool
) -> None:
    with opened(tmp_path) as archive:
        deliver(archive)
        age(tmp_path, MEDIA_ID, days=2)
        assert drop(archive, days=1) == 1
        if not image_stays:
            (tmp_path / "storage" / "photo.jpg").unlink()
        receipt, duplicate = deliver(archive)
    assert (receipt["name"], duplicate) == (f"photo-{MEDIA_ID}.jpg", False)
    assert logged(tmp_path) == ["photo.jpg", receipt["name"]]
    assert len(names(tmp_path)) == 1 + image_stays


def test_what_is_not_a_receipt_stays_and_a_damaged_one_goes(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        deliver(archive)
        receipts = tmp_path / "storage" / ".receipts"
        (receipts / f"{MEDIA_ID}.json").write_text("{}")
        (receipts / "note.txt").touch()
        age(tmp_path, MEDIA_ID, days=2)
        os.utime(receipts / "note.txt", (0, 0))
        assert drop(archive, days=1) == 1
        assert [path.name for path in receipts.iterdir()] == ["note.txt"]


def test_a_deleted_media_may_come_again_in_the_end_and_gets_another_name(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        deliver(archive)
        assert delete(archive)
        asyncio.run(archive.delete(OTHER_ID))
        age_tombstone(tmp_path, MEDIA_ID, days=2)
        assert drop_tombstones(archive, days=1) == 1
        assert tombstones(tmp_path) == [OTHER_ID]
        receipt, duplicate = deliver(archive)
        assert (receipt["name"], duplicate) == (f"photo-{MEDIA_ID}.jpg", False)
        age_tombstone(tmp_path, OTHER_ID, days=2)
        assert drop_tombstones(archive, days=1) == 1
        assert deliver(archive, OTHER_ID)[1] is False


def test_an_image_whose_deletion_was_cut_short_is_not_forgotten(tmp_path: Path) -> None:
    for drop_old in (drop, drop_tombstones):
        folder = tmp_path / drop_old.__name__
        with opened(folder) as archive:
            deliver(archive)
            with (
                Steps(0, OSError(errno.EIO, "EIO"), steps=("unlink",)).failing(),
                pytest.raises(OSError, match="EIO"),
            ):
                delete(archive)
            age(folder, MEDIA_ID, days=2)
            age_tombstone(folder, MEDIA_ID, days=2)
            assert names(folder) == ["photo.jpg"]
            assert drop_old(archive, days=1) == 1
            assert names(folder) == remembered(folder) == []


def age_tombstone(folder: Path, media_id: str, days: float) -> None:
    deleted_at = time.time() - days * DAY_S
    tombstone = folder / "storage" / ".deleted" / media_id
    os.utime(tombstone, (deleted_at, deleted_at), follow_symlinks=False)


def drop_tombstones(archive: Archive, days: float) -> int:
    return asyncio.run(archive.drop_tombstones(days * DAY_S))


def test_a_start_drops_old_tombstones(tmp_path: Path) -> None:
    with in_process("central-server", env(tmp_path)) as central:
        central.delete(f"/media/{MEDIA_ID}")
        central.delete(f"/media/{OTHER_ID}")
    age_tombstone(tmp_path, MEDIA_ID, days=2)
    with in_process("central-server", env(tmp_path)) as central:
        assert post(central, media_id=MEDIA_ID).status_code == 410
    with hours_that_are_short(), in_process("central-server", env(tmp_path, "1")) as central:
        told_the_time(central)
        until(lambda: tombstones(tmp_path) == [OTHER_ID])
        assert post(central, media_id=MEDIA_ID).status_code == 200


def test_a_delivery_waits_for_one_batch_and_not_for_all(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        deliver(archive)
        template = tmp_path / "storage" / ".receipts" / f"{MEDIA_ID}.json"
        for _ in range(1000):
            shutil.copyfile(template, template.with_name(f"{ULID()}.json"))
        photo = upload(archive, OTHER_ID)

        async def while_dropping() -> int:
            dropping = asyncio.create_task(archive.drop_receipts(-DAY_S))
            await asyncio.to_thread(until, lambda: len(remembered(tmp_path)) < 1001)
            await archive.store(photo)
            left = len(remembered(tmp_path))
            await dropping
            return left

        assert asyncio.run(while_dropping()) > 1
        assert remembered(tmp_path) == [f"{OTHER_ID}.json"]
