"""The storage folder and what belongs to it, as storing and deleting use it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from archive.activity_log import ActivityLog
from archive.receipts import Receipt, Receipts
from archive.tombstones import Tombstones
from shared import durable


@dataclass(frozen=True)
class Storage:
    """For one writer at a time."""

    folder: Path
    log: ActivityLog
    receipts: Receipts
    tombstones: Tombstones

    @property
    def record_folders(self) -> tuple[Path, ...]:
        return *self.receipts.folders, self.tombstones.folder

    def has_image_of(self, intent: Receipt) -> bool:
        """Whether intent's name leads to its image, and not to another file. May raise OSError."""
        path = self.folder / intent["name"]
        if not durable.is_file(path) or path.stat().st_size != intent["size"]:
            return False
        with durable.reading(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == intent["sha256"]
