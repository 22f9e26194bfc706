"""Tombstones: .deleted/<media_id>, a link to the name that the deleted image had.

A delivery may arrive after the DELETE, from a socket's buffer or a process that was frozen. It must
not bring the image back, even if the media was unknown when it was deleted.

Deliveries may be late by any time, so each tombstone takes an inode for ever, or until it is older
than KEEP_RECEIPTS_DAYS.
"""

import os
from contextlib import suppress
from pathlib import Path

from archive.receipts import is_image_name, older_than
from shared import durable

_NO_NAME = "."  # no image can have it


class Tombstones:
    """One writer at a time. Every method may raise OSError."""

    def __init__(self, storage: Path) -> None:
        self.folder = storage / ".deleted"

    def prepare(self) -> None:
        durable.make_folder(self.folder)

    def has(self, media_id: str) -> bool:
        return os.path.lexists(self.folder / media_id)

    def make(self, media_id: str, name: str | None) -> None:
        """Have one, durably. name: that of its image, if it had one."""
        with suppress(FileExistsError):
            (self.folder / media_id).symlink_to(name or _NO_NAME)
        durable.fsync_dir(self.folder)

    def media_ids(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def older_than(self, before: float) -> list[str]:
        """The media deleted before that time, in any order."""
        return older_than(self.folder, before)

    def names(self, media_ids: list[str]) -> list[str]:
        """The names that the images of these media had."""
        targets = (str((self.folder / media_id).readlink()) for media_id in media_ids)
        return [target for target in targets if is_image_name(target)]

    def drop(self, media_ids: list[str]) -> None:
        for media_id in media_ids:
            (self.folder / media_id).unlink()
