"""central_storage/: every delivered image, under a name that is never given twice.

photo.jpg      an image (how it gets there: storing.py)
.incoming/     images on their way in (incoming.py)
.intents/, .receipts/, .names/     what is remembered of them (receipts.py)
.deleted/      what is not to come back (tombstones.py; how images go: deleting.py)
.lock          held by the one process
"""

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

from archive.activity_log import ActivityLog
from archive.deleting import Deleting
from archive.incoming import Upload
from archive.receipts import Receipt, Receipts
from archive.storing import Storing
from archive.tombstones import Tombstones
from shared import clock, durable
from shared.contract import is_media_id
from storage_api import refusals
from storage_api.media_type import image_type

_BATCH = 100  # receipts dropped in one go: a delivery waits for so many at most
Result = TypeVar("Result")


class Archive:
    """The storage folder and the log that goes with it, for one process at a time."""

    def __init__(self, folder: Path, log: ActivityLog) -> None:
        self.incoming = folder / ".incoming"
        self._folder = folder
        self._receipts = Receipts(folder)
        self._tombstones = Tombstones(folder)
        self._storing = Storing(folder, log, self._receipts, self._tombstones)
        self._deleting = Deleting(folder, log, self._receipts, self._tombstones)
        # One thread is the one writer. A lock held by a request would be let go of when that
        # request is cancelled, with its thread still at work.
        self._writer = ThreadPoolExecutor(1, "archive")

    def open(self) -> None:
        """Lock the folder and settle what an earlier process left. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._folder / ".lock")
        shutil.rmtree(self.incoming, ignore_errors=True)
        durable.make_folder(self.incoming)
        self._receipts.prepare()
        self._tombstones.prepare()
        self._receipts.claim_all(path.name for path in self._folder.iterdir())
        durable.fsync_dir(self._folder)
        self._storing.roll_forward()
        self._deleting.roll_forward()

    def close(self) -> None:
        """Finish what is being stored and unlock the folder."""
        self._writer.shutdown()
        self._lock.close()

    def check(self) -> None:
        """Try what storing needs. Raises OSError."""
        durable.probe(self._folder)
        durable.make_folder(self.incoming)
        folders = (self._folder, self.incoming, *self._receipts.folders, self._tombstones.folder)
        for folder in folders:
            # What was in it is lost: not for a running service to hide.
            if not durable.is_folder(folder):
                raise OSError(errno.ENOENT, f"its folder {folder.name} is missing")
        if len({folder.stat().st_dev for folder in folders}) > 1:
            raise OSError(errno.EXDEV, "its hidden folders are on another file system")

    async def store(self, upload: Upload) -> tuple[Receipt, bool]:
        """Store and log the upload; the receipt, and whether it had been stored before.

        Raises Problem where it was deleted, and OSError. What was done until then is completed by
        the next try or start.
        """
        return await self._written(partial(self._storing.store, upload))

    async def delete(self, media_id: str) -> bool:
        """Remove the image and refuse it from now on; False where the media is unknown.

        Raises OSError: deleting it again, or a start, goes on.
        """
        return is_media_id(media_id) and await self._written(
            partial(self._deleting.delete, media_id)
        )

    async def drop_receipts(self, older_than_s: float) -> int:
        """Forget the media stored before that, not their images; how many. Raises OSError."""
        old = await asyncio.to_thread(self._receipts.older_than, clock.now_s() - older_than_s)
        return await self._in_batches(self._forget, old)

    async def drop_tombstones(self, older_than_s: float) -> int:
        """Forget the media deleted before that; how many. Raises OSError."""
        old = await asyncio.to_thread(self._tombstones.older_than, clock.now_s() - older_than_s)
        return await self._in_batches(self._forget_deleted, old)

    def find(self, media_id: str) -> tuple[Path, str] | None:
        """The stored image and its content type.

        None where this media is unknown, not yet stored or was deleted.
        """
        if not is_media_id(media_id) or self._tombstones.has(media_id):
            return None
        receipt = self._receipts.stored(media_id)
        if receipt is None or not durable.is_file(path := self._folder / receipt["name"]):
            return None
        return path, image_type(receipt.get("content_type", ""), path.name)

    def receipt(self, media_id: str) -> Receipt | None:
        """What is remembered of a stored media. Raises Problem where it was deleted."""
        if not is_media_id(media_id):
            return None
        if self._tombstones.has(media_id):
            raise refusals.deleted(media_id)
        return self._receipts.stored(media_id)

    def _require_folders(self) -> None:
        """Raises OSError where a link leads out of the storage folder."""
        durable.make_folder(self.incoming)  # somebody may have tidied it up
        for folder in (*self._receipts.folders, self._tombstones.folder):
            durable.require_folder(folder)

    async def _written(self, write: Callable[[], Result]) -> Result:
        def checked() -> Result:
            self._require_folders()
            return write()

        return await asyncio.get_running_loop().run_in_executor(self._writer, checked)

    async def _in_batches(self, drop: Callable[[list[str]], None], media_ids: list[str]) -> int:
        for start in range(0, len(media_ids), _BATCH):
            await self._written(partial(drop, media_ids[start : start + _BATCH]))
        return len(media_ids)

    def _forget(self, media_ids: list[str]) -> None:
        for media_id in media_ids:
            self._deleting.resume(media_id)  # while something still leads to its image
        self._receipts.forget(media_ids)

    def _forget_deleted(self, media_ids: list[str]) -> None:
        for media_id in media_ids:
            self._deleting.resume(media_id)
        self._receipts.retire(self._tombstones.names(media_ids))
        self._tombstones.drop(media_ids)


def _lock(path: Path) -> BinaryIO:
    """Raises OSError where another process holds it: two would destroy each other's work."""
    file = os.fdopen(durable.open_own(path), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise OSError(error.errno, "another process uses it") from error
    return file
