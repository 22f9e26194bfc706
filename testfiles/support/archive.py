"""What the tests of central's archive share: an archive, and a crash at any of its steps.

A step is a call that changes the disk. From the n-th on every one fails, as after a crash (the
process is gone) or on a full disk (the process goes on).
"""

import asyncio
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from archive.activity_log import ActivityLog
from archive.archive import Archive
from archive.incoming import Upload
from archive.receipts import Receipt
from support.central import MEDIA_ID

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

    def _call(self, step: str, original: Callable[..., Any], *args: Any) -> Any:
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
def opened(folder: Path) -> Iterator[Archive]:
    log = ActivityLog(folder / "worker_activity.log")
    log.prepare()
    archive = Archive(folder / "storage", log)
    try:
        archive.open()
        yield archive
    finally:
        archive.close()


def upload(
    archive: Archive, media_id: str = MEDIA_ID, content: bytes = PHOTO, worker: str = "worker-1"
) -> Upload:
    path = archive.incoming / "upload"
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return Upload(media_id, worker, "photo.jpg", "image/jpeg", path, sha256, len(content))


def deliver(
    archive: Archive, media_id: str = MEDIA_ID, content: bytes = PHOTO, worker: str = "worker-1"
) -> tuple[Receipt, bool]:
    """What upload takes; what Archive.store returns."""
    received = upload(archive, media_id, content, worker)
    try:
        return asyncio.run(archive.store(received))
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


def delete(archive: Archive) -> bool:
    return asyncio.run(archive.delete(MEDIA_ID))


def remembered(folder: Path) -> list[str]:
    storage = folder / "storage"
    return [path.name for kind in (".intents", ".receipts") for path in (storage / kind).glob("0*")]


def tombstones(folder: Path) -> list[str]:
    return [path.name for path in (folder / "storage" / ".deleted").iterdir()]
