"""The records of each media, beside the images in the storage folder.

    .intents/<media_id>.json    being stored: the client has no answer yet
    .receipts/<media_id>.json   stored, logged and answered
    .names/<name>               the name is taken for ever: a link to its media_id, or to
                                "nobody" once that media is forgotten
    .deleted/<media_id>         it was deleted (tombstones.py)

A receipt is an intent that was moved. The folder is the state, so a start reads only what was
interrupted.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict, cast, get_type_hints

from ulid import ULID

from archive import activity_log
from shared import durable
from shared.contract import is_file_name, is_media_id, safe_line

_NOBODY = "nobody"
_OPTIONAL = ("content_type",)


class Receipt(TypedDict):
    """line is the line in the log, newline included; log_offset is where it begins."""

    name: str
    sha256: str
    size: int
    worker: str
    timestamp: str
    line: str
    log_offset: int
    content_type: NotRequired[str]  # missing in those of older versions


class Receipts:
    """One writer at a time. Every method may raise OSError."""

    def __init__(self, storage: Path) -> None:
        self._intents = storage / ".intents"
        self._stored = storage / ".receipts"
        self._names = storage / ".names"

    @property
    def folders(self) -> tuple[Path, Path, Path]:
        return self._intents, self._stored, self._names

    def prepare(self) -> None:
        """Create the folders, and remove temporary files of interrupted writes."""
        for folder in self.folders:
            durable.make_folder(folder)
        for unfinished in self._intents.glob(".*.new"):
            unfinished.unlink()

    def stored(self, media_id: str) -> Receipt | None:
        """The receipt of a stored media."""
        return _read(self._stored / f"{media_id}.json")

    def intent(self, media_id: str) -> Receipt | None:
        """The intent of a media whose storing was interrupted."""
        return _read(self._intents / f"{media_id}.json")

    def interrupted(self) -> list[str]:
        """The media that have an intent, oldest first."""
        return sorted(path.stem for path in self._intents.iterdir() if is_media_id(path.stem))

    def intend(self, media_id: str, intent: Receipt) -> None:
        """Write the intent, or replace it, durably."""
        durable.write_json(self._intents / f"{media_id}.json", intent, fsync=True)
        durable.fsync_dir(self._intents)

    def make_receipt(self, media_id: str) -> None:
        """Make the intent a receipt.

        The move needs no fsync. If a power cut undoes it, the intent is rolled forward and finds
        everything done.
        """
        name = f"{media_id}.json"
        durable.put_aside(self._stored / name)
        os.replace(self._intents / name, self._stored / name)

    def drop_intent(self, media_id: str) -> None:
        """Drop the intent, if there is one."""
        path = self._intents / f"{media_id}.json"
        durable.put_aside(path)
        path.unlink(missing_ok=True)

    def drop_records(self, media_id: str) -> None:
        """Drop intent and receipt of a media that has a tombstone."""
        self.drop_intent(media_id)
        (self._stored / f"{media_id}.json").unlink(missing_ok=True)

    def media_ids(self) -> set[str]:
        """All media that have an intent or a receipt."""
        return {path.stem for folder in (self._intents, self._stored) for path in folder.iterdir()}

    def older_than(self, before: float) -> list[str]:
        """The media stored before that time, in any order."""
        return older_than(self._stored, before)

    def names(self, media_ids: list[str]) -> list[str]:
        """The names of these media's images."""
        receipts = (self.stored(media_id) for media_id in media_ids)
        return [receipt["name"] for receipt in receipts if receipt is not None]

    def drop(self, media_ids: list[str]) -> None:
        """Drop receipts durably."""
        for media_id in media_ids:
            (self._stored / f"{media_id}.json").unlink(missing_ok=True)
        durable.fsync_dir(self._stored)

    def claim(self, name: str, media_id: str) -> bool:
        """Give name to media_id for ever. False where another media has it.

        A symbolic link is there at once with its content, and takes no block of the disk.
        """
        marker = self._names / name
        try:
            marker.symlink_to(media_id)
        except FileExistsError:
            return marker.is_symlink() and str(marker.readlink()) == media_id
        return True

    def claim_all(self, names: Iterable[str]) -> None:
        """Make the markers of these images again where a power cut has lost them.

        So no delivery has to fsync its marker: its image is fsynced and keeps the name meanwhile.
        """
        marked = {marker.name for marker in self._names.iterdir()}
        for name in set(names) - marked:
            if not name.startswith("."):
                self.claim(name, _NOBODY)

    def keep_names(self) -> None:
        """Make the markers durable, before an image goes that has kept its name so far."""
        durable.fsync_dir(self._names)

    def retire_names(self, names: list[str]) -> None:
        """Give names to nobody: the log has them, and their media may come again as new ones.

        This is durable before the records are dropped that say which names to retire.
        """
        marker = self._names / ".new"  # no image's name begins with a dot
        for name in names:
            marker.unlink(missing_ok=True)
            marker.symlink_to(_NOBODY)
            os.replace(marker, self._names / name)
        durable.fsync_dir(self._names)


def older_than(folder: Path, before: float) -> list[str]:
    """The media whose file or link in folder is older than that time."""
    with os.scandir(folder) as entries:
        old = (e.name for e in entries if e.stat(follow_symlinks=False).st_mtime < before)
        media_ids = (name.removesuffix(".json") for name in old)
        # Older by its id, too: the file's time comes from this machine's clock, which may be wrong.
        return [m for m in media_ids if is_media_id(m) and ULID.from_str(m).timestamp < before]


def _read(path: Path) -> Receipt | None:
    """None where it is missing or damaged: the media is then stored anew."""
    try:
        record = json.loads(durable.read_bytes(path))
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None
    is_whole = isinstance(record, dict) and all(
        isinstance(record.get(name), kind) or (name in _OPTIONAL and name not in record)
        for name, kind in get_type_hints(Receipt).items()
    )
    return cast(Receipt, record) if is_whole and _is_consistent(record) else None


def _is_consistent(receipt: Receipt) -> bool:
    """Whether its line is as this service writes it, and its offset and name are possible."""
    worker, timestamp = safe_line(receipt["worker"]), safe_line(receipt["timestamp"])
    line = activity_log.format_line(timestamp, worker, receipt["name"])
    fits = receipt["line"] == line and 0 <= receipt["log_offset"] < 2**62
    return fits and is_image_name(receipt["name"]) and safe_line(receipt["name"]) == receipt["name"]


def is_image_name(name: str) -> bool:
    """Whether an image may have that name in the storage folder: hidden ones are records."""
    return is_file_name(name) and not name.startswith(".")
