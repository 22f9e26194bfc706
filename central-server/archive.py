"""central_storage/: every delivered image, under a name that is never given twice.

photo.jpg      an image (how it gets there: storing.py)
.incoming/     images on their way in (incoming.py)
.intents/, .receipts/, .names/     what is remembered of them (receipts.py)
.lock          held by the one process
"""

import asyncio
import errno
import fcntl
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TextIO, TypeVar

import durable
from activity import ActivityLog
from contract import is_media_id
from incoming import Upload
from receipts import Receipt, Receipts
from storing import Storing

_BATCH = 100  # receipts dropped in one go: a delivery waits for so many at most
Result = TypeVar("Result")


class Archive:
    """The storage folder and the log that goes with it, for one process at a time."""

    def __init__(self, folder: Path, log: ActivityLog) -> None:
        self.incoming = folder / ".incoming"
        self._folder = folder
        self._receipts = Receipts(folder)
        self._storing = Storing(folder, log, self._receipts)
        # One thread is the one writer. A lock held by a request would be let go of when that
        # request is cancelled, with its thread still at work.
        self._writer = ThreadPoolExecutor(1, "archive")

    def open(self) -> None:
        """Lock the folder and settle what an earlier process left. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._folder / ".lock")
        shutil.rmtree(self.incoming, ignore_errors=True)
        self.incoming.mkdir(exist_ok=True)
        self._receipts.prepare()
        self._receipts.claim_all(path.name for path in self._folder.iterdir())
        durable.fsync_dir(self._folder)
        self._storing.roll_forward()

    def close(self) -> None:
        """Finish what is being stored and unlock the folder."""
        self._writer.shutdown()
        self._lock.close()

    def check(self) -> None:
        """Try what storing needs. Raises OSError."""
        durable.probe(self._folder)
        folders = (self._folder, self.incoming, *self._receipts.folders)
        if len({folder.stat().st_dev for folder in folders}) > 1:
            raise OSError(errno.EXDEV, "its hidden folders are on another file system")

    async def store(self, upload: Upload) -> tuple[Receipt, bool]:
        """Store and log the upload; the receipt, and whether it had been stored before.

        Raises OSError. What was done until then is completed by the next try or start.
        """
        return await self._written(partial(self._storing.store, upload))

    async def delete(self, media_id: str) -> bool:
        """Remove the image and its receipt, for good; False where the media is unknown.

        Its line stays, and so its name stays taken. Raises OSError: deleting it again goes on.
        """
        return is_media_id(media_id) and await self._written(partial(self._delete, media_id))

    async def drop_receipts(self, older_than_s: float) -> int:
        """Forget the media stored before that, not their images; how many. Raises OSError."""
        before = time.time() - older_than_s
        old = await asyncio.to_thread(self._receipts.older_than, before)
        dropped = 0
        for start in range(0, len(old), _BATCH):
            batch = old[start : start + _BATCH]
            dropped += await self._written(partial(self._drop, batch, before))
        return dropped

    def find(self, media_id: str) -> Path | None:
        """The stored image; None where this media is unknown, not yet stored or was deleted."""
        receipt = self._receipts.stored(media_id) if is_media_id(media_id) else None
        path = self._folder / receipt["name"] if receipt else None
        return path if path and path.is_file() else None

    async def _written(self, write: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, write)

    def _delete(self, media_id: str) -> bool:
        """The image first, which makes room on a full disk; the receipt, that finds it, last."""
        receipt = self._storing.settled(media_id)
        if receipt is None:
            return False
        (self._folder / receipt["name"]).unlink(missing_ok=True)
        durable.fsync_dir(self._folder)
        self._receipts.forget([media_id])
        return True

    def _drop(self, media_ids: list[str], before: float) -> int:
        """Those that are still old: one may have been deleted and stored again meanwhile."""
        old = [media_id for media_id in media_ids if self._receipts.is_older(media_id, before)]
        self._receipts.forget(old)
        return len(old)


def _lock(path: Path) -> TextIO:
    """Raises OSError where another process holds it: two would destroy each other's work."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise OSError(error.errno, "another process uses it") from error
    return file
