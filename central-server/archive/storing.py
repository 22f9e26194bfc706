"""Storing an image, in steps each of which may be the last before a crash:

    receive the file to .incoming/, fsync                             (incoming.py)
    refuse it where the media has a tombstone                         (tombstones.py)
    take a name, write the intent with the line and its place in the log, fsync
    link the file to the name, fsync
    write the line at its place, fsync
    make the intent a receipt, then answer

A start, or the same media delivered again, takes an interrupted one from where it is: with the
file under its name it is completed, without it forgotten, because nobody has been told.
"""

import hashlib
import os
from os.path import splitext
from pathlib import Path

from ulid import ULID

from archive import activity_log
from archive.activity_log import ActivityLog
from archive.incoming import Upload
from archive.receipts import Receipt, Receipts
from archive.tombstones import Tombstones
from shared import console, durable
from storage_api import refusals


class Storing:
    """For one writer at a time. Every method may raise OSError; the next try completes it."""

    def __init__(
        self, folder: Path, log: ActivityLog, receipts: Receipts, tombstones: Tombstones
    ) -> None:
        self._folder = folder
        self._log = log
        self._receipts = receipts
        self._tombstones = tombstones

    def store(self, upload: Upload) -> tuple[Receipt, bool]:
        """Store and log the upload; the receipt, and whether it had been stored before.

        Raises Problem where the media was deleted: here, because a DELETE may have overtaken it.
        """
        if self._tombstones.has(upload.media_id):
            raise refusals.deleted(upload.media_id)
        receipt = self._settled(upload.media_id)
        if receipt is not None:
            return receipt, True
        intent = self._intend(upload)
        self._link(upload.path, intent["name"])
        return self._complete(upload.media_id, intent), False

    def _settled(self, media_id: str) -> Receipt | None:
        """The media's receipt, completed if it was interrupted; None leaves nothing of it."""
        receipt = self._receipts.stored(media_id)
        if receipt is not None:
            return receipt
        intent = self._receipts.intent(media_id)
        if intent is not None and is_linked(self._folder, intent):
            return self._complete_interrupted(media_id, intent)
        self._receipts.drop(media_id)
        return None

    def roll_forward(self) -> None:
        """Settle what an earlier process left to store. What fails is left to the next try."""
        interrupted = self._receipts.interrupted()
        for media_id in interrupted:  # all torn lines first: the next line would seal them in
            intent = self._receipts.intent(media_id)
            if intent is not None:
                self._log.cut_torn(intent["line"].encode(), intent["log_offset"])
        for media_id in interrupted:
            if self._tombstones.has(media_id):
                continue  # deleting.py has it
            try:
                settled = self._settled(media_id) is not None
                outcome = "completed" if settled else "forgotten"
            except OSError as error:
                outcome = f"left for later: {error.strerror}"
            console.event(console.NOTICE, media_id=media_id, interrupted=outcome)

    def _intend(self, upload: Upload) -> Receipt:
        log_offset = self._log.end()  # first: it makes the log, whose name no image may then take
        name = self._take_name(upload)
        timestamp = activity_log.now()
        intent: Receipt = {
            "name": name,
            "sha256": upload.sha256,
            "size": upload.size,
            "worker": upload.worker,
            "timestamp": timestamp,
            "line": activity_log.format_line(timestamp, upload.worker, name),
            "log_offset": log_offset,
            "content_type": upload.content_type,
        }
        self._receipts.intend(upload.media_id, intent)
        return intent

    def _take_name(self, upload: Upload) -> str:
        """The client's name, else that with the media id, else (that too is taken) a new id."""
        stem, extension = splitext(upload.filename)
        name, suffix = upload.filename, upload.media_id
        while not self._is_free(name, upload.media_id):
            name, suffix = f"{stem}-{suffix}{extension}", str(ULID())
        return name

    def _is_free(self, name: str, media_id: str) -> bool:
        """Taken names may be given to no other, and files may be there that were never given."""
        return self._receipts.claim(name, media_id) and not os.path.lexists(self._folder / name)

    def _link(self, file: Path, name: str) -> None:
        (self._folder / name).hardlink_to(file)  # link(2) never overwrites
        file.unlink()

    def _complete(self, media_id: str, intent: Receipt) -> Receipt:
        durable.fsync_dir(self._folder)
        line = intent["line"].encode()
        while not self._log.write_at(line, intent["log_offset"]):
            intent["log_offset"] = self._log.end()
            self._receipts.intend(media_id, intent)
        self._receipts.settle(media_id)
        return intent

    def _complete_interrupted(self, media_id: str, intent: Receipt) -> Receipt:
        if not self._log.is_rotated_away(intent["line"].encode(), intent["log_offset"]):
            return self._complete(media_id, intent)
        durable.fsync_dir(self._folder)
        self._receipts.settle(media_id)
        return intent


def is_linked(folder: Path, intent: Receipt) -> bool:
    """Whether the image of intent is in folder: nobody else's file of its name."""
    path = folder / intent["name"]
    if not durable.is_file(path) or path.stat().st_size != intent["size"]:
        return False
    with durable.reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == intent["sha256"]
