"""central_storage/: every delivered image, under a name that is never given twice.

photo.jpg      an image (stored by storing.py, deleted by deleting.py)
.incoming/     images that are being received (incoming.py)
.intents/, .receipts/, .names/     the records of stored images (receipts.py)
.deleted/      the records of deleted images (tombstones.py)
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

from archive import deleting, storing
from archive.activity_log import ActivityLog
from archive.incoming import Upload
from archive.receipts import Receipt, Receipts
from archive.storage import Storage
from archive.tombstones import Tombstones
from shared import clock, durable
from shared.contract import is_media_id
from storage_api import refusals
from storage_api.media_type import image_type

_BATCH = 100  # receipts dropped at once: a delivery may have to wait for these
Result = TypeVar("Result")


class Archive:
    """The storage folder and its log, for one process at a time."""

    def __init__(self, folder: Path, log: ActivityLog) -> None:
        self.incoming = folder / ".incoming"
        self._storage = Storage(folder, log, Receipts(folder), Tombstones(folder))
        # One thread is the one writer. A lock would not do: a cancelled request would release it
        # while its thread still works.
        self._writer = ThreadPoolExecutor(1, "archive")

    def open(self) -> None:
        """Lock the folder and finish what an earlier process has begun. Raises OSError."""
        self._storage.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._storage.folder / ".lock")
        shutil.rmtree(self.incoming, ignore_errors=True)
        durable.make_folder(self.incoming)
        self._storage.receipts.prepare()
        self._storage.tombstones.prepare()
        self._storage.receipts.claim_all(path.name for path in self._storage.folder.iterdir())
        durable.fsync_dir(self._storage.folder)
        storing.roll_forward(self._storage)
        deleting.roll_forward(self._storage)

    def close(self) -> None:
        """Finish what is being stored and unlock the folder."""
        self._writer.shutdown()
        self._lock.close()

    def check(self) -> None:
        """Try what storing needs. Raises OSError."""
        durable.probe(self._storage.folder)
        durable.make_folder(self.incoming)
        folders = (self._storage.folder, self.incoming, *self._storage.record_folders)
        for folder in folders:
            # It is not made again: that would hide the loss of what was in it.
            if not durable.is_folder(folder):
                raise OSError(errno.ENOENT, f"its folder {folder.name} is missing")
        if len({folder.stat().st_dev for folder in folders}) > 1:
            raise OSError(errno.EXDEV, "its hidden folders are on another file system")

    async def store(self, upload: Upload) -> tuple[Receipt, bool]:
        """Store and log the upload. Returns its receipt, and whether it had been stored before.

        Raises Problem where it was deleted, and OSError: the next try or start completes it.
        """
        return await self._in_writer(partial(storing.store, self._storage, upload))

    async def delete(self, media_id: str) -> bool:
        """Remove the image and refuse it from now on. False where the media is unknown.

        Raises OSError: the next try or start completes it.
        """
        delete = partial(deleting.delete, self._storage, media_id)
        return is_media_id(media_id) and await self._in_writer(delete)

    async def drop_receipts(self, older_than_s: float) -> int:
        """Forget media stored more than older_than_s seconds ago; keep their images.

        Returns their number. Raises OSError.
        """
        return await self._drop_old(self._storage.receipts, older_than_s)

    async def drop_tombstones(self, older_than_s: float) -> int:
        """Forget media deleted more than older_than_s seconds ago.

        Returns their number. Raises OSError.
        """
        return await self._drop_old(self._storage.tombstones, older_than_s)

    def find(self, media_id: str) -> tuple[Path, str] | None:
        """The stored image and its content type.

        None where this media is unknown, not yet stored or was deleted.
        """
        if not is_media_id(media_id) or self._storage.tombstones.has(media_id):
            return None
        receipt = self._storage.receipts.stored(media_id)
        if receipt is None or not durable.is_file(path := self._storage.folder / receipt["name"]):
            return None
        return path, image_type(receipt.get("content_type", ""), path.name)

    def receipt(self, media_id: str) -> Receipt | None:
        """The receipt of a stored media. Raises Problem where it was deleted."""
        if not is_media_id(media_id):
            return None
        if self._storage.tombstones.has(media_id):
            raise refusals.deleted(media_id)
        return self._storage.receipts.stored(media_id)

    def _require_folders(self) -> None:
        """Raises OSError where a link leads out of the storage folder."""
        durable.make_folder(self.incoming)  # an operator may have removed it
        for folder in self._storage.record_folders:
            durable.require_folder(folder)

    async def _in_writer(self, write: Callable[[], Result]) -> Result:
        def checked() -> Result:
            self._require_folders()
            return write()

        return await asyncio.get_running_loop().run_in_executor(self._writer, checked)

    async def _drop_old(self, records: Receipts | Tombstones, age_s: float) -> int:
        media_ids = await asyncio.to_thread(records.older_than, clock.now_s() - age_s)
        for start in range(0, len(media_ids), _BATCH):
            batch = media_ids[start : start + _BATCH]
            await self._in_writer(partial(self._drop_batch, records, batch))
        return len(media_ids)

    def _drop_batch(self, records: Receipts | Tombstones, media_ids: list[str]) -> None:
        for media_id in media_ids:
            deleting.resume(self._storage, media_id)  # while a record still leads to its image
        self._storage.receipts.retire_names(records.names(media_ids))
        records.drop(media_ids)


def _lock(path: Path) -> BinaryIO:
    """Raises OSError where another process holds it: two would destroy each other's work."""
    file = os.fdopen(durable.open_own(path), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise OSError(error.errno, "another process uses it") from error
    return file
