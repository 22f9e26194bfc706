"""central-server interrupted between any two steps: one file and one line in the end.

A step is a call that changes the disk. From the n-th on, every one fails, as after a crash (the
process is gone) or on a full disk (the process goes on: test_central_full_disk.py).
"""

import asyncio
import errno
import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from service_loader import load
from test_central_upload import MEDIA_ID

ActivityLog = load("central-server", "activity").ActivityLog
Archive = load("central-server", "archive").Archive
Upload = load("central-server", "incoming").Upload

STEPS = ("fsync", "link", "replace", "symlink", "write")
OTHER_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXZ"
PHOTO = b"a photo"


class Crash(BaseException):
    """The process ends here."""


class Steps:
    """Counts the steps and lets none happen from the n-th on; a write stops half way."""

    def __init__(
        self,
        failing_from: int,
        failure: BaseException,
        *,
        half_a_write: bool = False,
        steps: tuple[str, ...] = STEPS,
    ) -> None:
        self._left = failing_from
        self._failure = failure
        self._half_a_write = half_a_write
        self._steps = steps
        self.failed = False

    def _call(self, step: str, original: Any, *args: Any) -> Any:
        self._left -= 1
        if self._left >= 0:
            return original(*args)
        if step == "write" and self._half_a_write and not self.failed:
            original(args[0], args[1][: len(args[1]) // 2])
        self.failed = True
        raise self._failure

    @contextmanager
    def failing(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patcher:
            for step in self._steps:
                call = getattr(os, step)
                patcher.setattr(
                    os, step, lambda *args, step=step, call=call: self._call(step, call, *args)
                )
            yield


@contextmanager
def opened(folder: Path) -> Iterator[Any]:
    log = ActivityLog(folder / "worker_activity.log")
    log.prepare()
    archive = Archive(folder / "storage", log)
    try:
        archive.open()
        yield archive
    finally:
        archive.close()


def upload(
    archive: Any, media_id: str = MEDIA_ID, content: bytes = PHOTO, worker: str = "worker-1"
) -> Any:
    path = archive.incoming / "upload"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Upload(media_id, worker, "photo.jpg", path, sha256, len(content))


def deliver(archive: Any, *args: Any, **options: Any) -> tuple[Any, bool]:
    """What upload takes; what Archive.store returns."""
    received = upload(archive, *args, **options)
    try:
        stored: tuple[Any, bool] = asyncio.run(archive.store(received))
        return stored
    finally:
        received.path.unlink(missing_ok=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "storage").iterdir() if path.name[0] != ".")


def log(folder: Path) -> str:
    return (folder / "worker_activity.log").read_text()


def logged(folder: Path) -> list[str]:
    return [line.split(" | IMAGE: ")[-1] for line in log(folder).splitlines()]


def interrupted(folder: Path, *, failing_from: int, half_a_write: bool = False) -> bool:
    """Whether a delivery was cut short at that step; False where it has fewer."""
    steps = Steps(failing_from, Crash(), half_a_write=half_a_write)
    with opened(folder) as archive:
        try:
            with steps.failing():
                deliver(archive)
        except Crash:
            return True
    return False


def failing_at(call: str, nth: int = 1) -> AbstractContextManager[None]:
    return Steps(step_of(call, nth), OSError(errno.EIO, "EIO")).failing()


def step_of(call: str, nth: int = 1) -> int:
    """How many steps of a delivery come before the nth call of this kind."""
    order = ["symlink", "write", "fsync", "replace", "fsync", "link", "fsync", "write", "fsync"]
    order += ["fsync", "replace"]
    return [number for number, step in enumerate(order) if step == call][nth - 1]


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
        assert archive.find(MEDIA_ID).read_bytes() == b"new bytes"
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
