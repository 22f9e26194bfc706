"""What central-server remembers of each media, beside the images in the storage folder.

    .intents/<media_id>.json    being stored: nobody has been told yet
    .receipts/<media_id>.json   stored, logged and answered
    .names/<name>               a name that is taken for ever, pointing to its media_id, or to
                                nobody once that media is forgotten
    .deleted/<media_id>         it was deleted (tombstones.py)

A receipt is an intent that was moved: the folder tells the state, and a start reads what was
interrupted and no more.
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
    """line is the log's, with its end; log_offset is where it begins there."""

    name: str
    sha256: str
    size: int
    worker: str
    timestamp: str
    line: str
    log_offset: int
    content_type: NotRequired[str]  # those of older versions have none


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
        """Create the folders and clear away what an interrupted write of an intent left."""
        for folder in self.folders:
            durable.make_folder(folder)
        for unfinished in self._intents.glob(".*.new"):
            unfinished.unlink()

    def stored(self, media_id: str) -> Receipt | None:
        """The receipt of a media that has been answered for."""
        return _read(self._stored / f"{media_id}.json")

    def intent(self, media_id: str) -> Receipt | None:
        """What was about to be stored when something went wrong."""
        return _read(self._intents / f"{media_id}.json")

    def interrupted(self) -> list[str]:
        """The media ids that have an intent, oldest first."""
        return sorted(path.stem for path in self._intents.iterdir() if is_media_id(path.stem))

    def intend(self, media_id: str, intent: Receipt) -> None:
        """Write the intent, or a later version of it, so that a power cut leaves it whole."""
        durable.write_json(self._intents / f"{media_id}.json", intent, fsync=True)
        durable.fsync_dir(self._intents)

    def settle(self, media_id: str) -> None:
        """Make the intent a receipt.

        A power cut may undo the move, which needs no fsync: the intent is then rolled forward
        and finds everything done.
        """
        name = f"{media_id}.json"
        durable.put_aside(self._stored / name)
        os.replace(self._intents / name, self._stored / name)

    def drop(self, media_id: str) -> None:
        """Forget an intent."""
        path = self._intents / f"{media_id}.json"
        durable.put_aside(path)
        path.unlink(missing_ok=True)

    def erase(self, media_id: str) -> None:
        """Drop both, of a media that has a tombstone."""
        self.drop(media_id)
        (self._stored / f"{media_id}.json").unlink(missing_ok=True)

    def media_ids(self) -> set[str]:
        """All that have an intent or a receipt."""
        return {path.stem for folder in (self._intents, self._stored) for path in folder.iterdir()}

    def older_than(self, before: float) -> list[str]:
        """The media stored before that time, in any order."""
        return older_than(self._stored, before)

    def forget(self, media_ids: list[str]) -> None:
        """Drop receipts, so that it lasts, and retire their names."""
        receipts = (self.stored(media_id) for media_id in media_ids)
        self.retire([receipt["name"] for receipt in receipts if receipt is not None])
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
        """Make the markers of these images again where a power cut took them.

        No delivery has to fsync its marker then: its image, which is, keeps the name meanwhile.
        """
        marked = {marker.name for marker in self._names.iterdir()}
        for name in set(names) - marked:
            if not name.startswith("."):
                self.claim(name, _NOBODY)

    def keep_names(self) -> None:
        """Have the markers last, before an image goes that has kept its name until now."""
        durable.fsync_dir(self._names)

    def retire(self, names: list[str]) -> None:
        """Give names that have stood in the log to nobody: their media may come again, as new.

        They last before anything is dropped that could tell what to retire.
        """
        marker = self._names / ".new"  # no image's name begins with a dot
        for name in names:
            marker.unlink(missing_ok=True)
            marker.symlink_to(_NOBODY)
            os.replace(marker, self._names / name)
        durable.fsync_dir(self._names)


def older_than(folder: Path, before: float) -> list[str]:
    """The media that folder has a file of, or a link, made before that time."""
    with os.scandir(folder) as entries:
        old = (e.name for e in entries if e.stat(follow_symlinks=False).st_mtime < before)
        media_ids = (name.removesuffix(".json") for name in old)
        # By its id, too, which is older still: a file's time is by this machine's clock alone.
        return [m for m in media_ids if is_media_id(m) and ULID.from_str(m).timestamp < before]


def _read(path: Path) -> Receipt | None:
    """None where there is none, or one that is damaged: the media is then delivered anew."""
    try:
        record = json.loads(durable.read_bytes(path))
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return None
    is_whole = isinstance(record, dict) and all(
        isinstance(record.get(name), kind) or (name in _OPTIONAL and name not in record)
        for name, kind in get_type_hints(Receipt).items()
    )
    return cast(Receipt, record) if is_whole and _is_true(record) else None


def _is_true(receipt: Receipt) -> bool:
    """Whether its line is one of ours, and could stand where it says."""
    worker, timestamp = safe_line(receipt["worker"]), safe_line(receipt["timestamp"])
    line = activity_log.format_line(timestamp, worker, receipt["name"])
    fits = receipt["line"] == line and 0 <= receipt["log_offset"] < 2**62
    return fits and is_image_name(receipt["name"]) and safe_line(receipt["name"]) == receipt["name"]


def is_image_name(name: str) -> bool:
    """Whether an image may have that name in the storage folder: none of the hidden ones."""
    return is_file_name(name) and not name.startswith(".")
