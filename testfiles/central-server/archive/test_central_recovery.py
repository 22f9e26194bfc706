"""central-server interrupted between any two steps: one file and one line in the end.

A step is a call that changes the disk. From the n-th on, every one fails, as after a crash (the
process is gone) or on a full disk (the process goes on: test_central_full_disk.py).
"""

import itertools
import json
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from support.archive import (
    Crash,
    Steps,
    delete,
    deliver,
    failing_at,
    interrupted,
    log,
    logged,
    names,
    opened,
    step_of,
)
from support.central import MEDIA_ID


@pytest.mark.parametrize("half_a_write", [False, True])
def test_a_crash_between_any_two_steps_is_completed_or_forgotten_at_the_start(
    tmp_path: Path, half_a_write: bool
) -> None:
    for number in itertools.count():
        folder = tmp_path / str(number)
        crashed = interrupted(folder, failing_from=number, half_a_write=half_a_write)
        with opened(folder) as archive:
            assert names(folder) == logged(folder), number
            assert not list((folder / "storage" / ".intents").iterdir())
            receipt, duplicate = deliver(archive)
            assert duplicate == (number > step_of("link"))
        assert receipt["name"] == "photo.jpg"
        assert names(folder) == logged(folder) == ["photo.jpg"], number
        assert log(folder) == receipt["line"]
        assert not list((folder / "storage" / ".intents").iterdir())
        if not crashed:
            break
    assert number == 11, "the steps of a delivery"


def test_a_crash_during_the_recovery_is_recovered_from_as_well(tmp_path: Path) -> None:
    for number in itertools.count():
        folder = tmp_path / str(number)
        assert interrupted(folder, failing_from=step_of("write", 2), half_a_write=True)
        (folder / "worker_activity.log").write_text("a rotated log\n" * 20)
        recovery = Steps(number, Crash(), half_a_write=True)
        try:
            with recovery.failing(), opened(folder):
                pass
        except Crash:
            pass
        with opened(folder):
            assert names(folder) == ["photo.jpg"]
            assert log(folder).count("\n") == 21, number
            assert logged(folder)[-1] == "photo.jpg"
        if not recovery.failed:
            break
    assert number > 7, "the steps of a recovery"


def test_a_restart_remembers_what_was_stored(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        first, _ = deliver(archive)
    with opened(tmp_path) as archive:
        assert deliver(archive, content=b"other bytes") == (first, True)
    assert log(tmp_path) == first["line"]


def test_an_intent_whose_file_was_lost_is_delivered_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        with failing_at("write", 2), pytest.raises(OSError, match="EIO"):
            deliver(archive)
        (tmp_path / "storage" / "photo.jpg").unlink()
        assert archive.find(MEDIA_ID) is None
        receipt, duplicate = deliver(archive, content=b"new bytes")
        assert not duplicate
        stored = archive.find(MEDIA_ID)
        assert stored is not None
        assert stored[0].read_bytes() == b"new bytes"
    assert log(tmp_path) == receipt["line"]


def test_an_intent_is_not_shown_as_stored(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        with failing_at("write", 2), pytest.raises(OSError, match="EIO"):
            deliver(archive)
        assert (tmp_path / "storage" / "photo.jpg").exists()
        assert archive.find(MEDIA_ID) is None


def test_a_start_reads_no_receipt_of_what_is_stored(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        deliver(archive)
    with patch.object(Path, "read_bytes", side_effect=AssertionError), opened(tmp_path):
        assert logged(tmp_path) == ["photo.jpg"]


def test_a_damaged_intent_does_not_keep_the_service_from_starting(tmp_path: Path) -> None:
    assert interrupted(tmp_path, failing_from=step_of("link"))
    [intent] = (tmp_path / "storage" / ".intents").iterdir()
    intent.write_bytes(b"")
    with opened(tmp_path) as archive:
        assert deliver(archive)[1] is False
    assert logged(tmp_path) == ["photo.jpg"]


@pytest.mark.parametrize(
    "poison",
    [
        {"log_offset": 10**30},
        {"log_offset": -5},
        {"line": "\ud800\n"},
        {"line": "\x1b[31mEVIL\nLINE2\n"},
        {"worker": "me\n[2026-01-15 14:30:45] WORKER: you"},
        {"name": "../photo.jpg"},
    ],
)
def test_an_intent_that_is_none_of_ours_is_forgotten(
    tmp_path: Path, poison: dict[str, object]
) -> None:
    assert interrupted(tmp_path, failing_from=step_of("write", 2))
    [path] = (tmp_path / "storage" / ".intents").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), **poison}))
    with opened(tmp_path) as archive:
        assert log(tmp_path) == ""
        receipt, duplicate = deliver(archive)
        assert not duplicate
    assert log(tmp_path) == receipt["line"]


@pytest.mark.parametrize("folder", [".intents", ".receipts"])
def test_a_folder_in_an_intents_or_a_receipts_place_stops_nothing(
    tmp_path: Path, folder: str
) -> None:
    with opened(tmp_path):
        pass
    (tmp_path / "storage" / folder / f"{MEDIA_ID}.json").mkdir()
    with opened(tmp_path) as archive:
        receipt, _ = deliver(archive)
    with opened(tmp_path) as archive:
        assert deliver(archive) == (receipt, True)
    assert log(tmp_path) == receipt["line"]


@pytest.mark.parametrize("folder", [".intents", ".receipts", ".names", ".deleted"])
def test_a_link_in_a_folders_place_leads_nothing_outside(tmp_path: Path, folder: str) -> None:
    with opened(tmp_path) as archive:
        (tmp_path / "storage" / folder).rmdir()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "storage" / folder).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(OSError, match="not a folder"):
            deliver(archive)
        with pytest.raises(OSError, match="not a folder"):
            delete(archive)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_in_the_locks_place_is_put_aside(tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "storage" / ".lock"
    lock.parent.mkdir()
    if kind == "link":
        lock.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with opened(tmp_path) as archive:
        deliver(archive)
    assert not (tmp_path / "elsewhere").exists()
