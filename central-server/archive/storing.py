"""Storing an image. A crash may come after any of these steps:

    receive the file to .incoming/, fsync                             (incoming.py)
    refuse it where the media has a tombstone                         (tombstones.py)
    take a name, write the intent with the line and its place in the log, fsync
    link the file to the name, fsync
    write the line at its place, fsync
    make the intent a receipt, then answer

The next start, or the same media delivered again, goes on from there. If the file has its name,
it completes the rest, else it forgets the intent: no client has had an answer.

Every function may raise OSError; the next try completes what was begun.
"""

import os
from os.path import splitext

from ulid import ULID

from archive import activity_log
from archive.incoming import Upload
from archive.receipts import Receipt
from archive.storage import Storage
from shared import console, durable
from storage_api import refusals


def store(storage: Storage, upload: Upload) -> tuple[Receipt, bool]:
    """Store and log the upload. Returns its receipt, and whether it had been stored before.

    Raises Problem where the media was deleted: here, because a DELETE may have overtaken it.
    """
    if storage.tombstones.has(upload.media_id):
        raise refusals.deleted(upload.media_id)
    receipt = _complete_or_forget(storage, upload.media_id)
    if receipt is not None:
        return receipt, True
    intent = _write_intent(storage, upload)
    (storage.folder / intent["name"]).hardlink_to(upload.path)  # link(2) never overwrites
    upload.path.unlink()
    return _complete(storage, upload.media_id, intent), False


def roll_forward(storage: Storage) -> None:
    """Complete or forget what an earlier process was storing. What fails is tried again later."""
    interrupted = storage.receipts.interrupted()
    for media_id in interrupted:  # all torn lines first: another line must not follow one
        intent = storage.receipts.intent(media_id)
        if intent is not None:
            storage.log.cut_torn(intent["line"].encode(), intent["log_offset"])
    for media_id in interrupted:
        if storage.tombstones.has(media_id):
            continue  # deleting.py finishes these
        try:
            is_stored = _complete_or_forget(storage, media_id) is not None
            outcome = "completed" if is_stored else "forgotten"
        except OSError as error:
            outcome = f"left for later: {error.strerror}"
        console.event(console.NOTICE, media_id=media_id, interrupted=outcome)


def _complete_or_forget(storage: Storage, media_id: str) -> Receipt | None:
    """The media's receipt, after completing an interrupted one; None after forgetting it."""
    receipt = storage.receipts.stored(media_id)
    if receipt is not None:
        return receipt
    intent = storage.receipts.intent(media_id)
    if intent is not None and storage.has_image_of(intent):
        return _complete_interrupted(storage, media_id, intent)
    storage.receipts.drop_intent(media_id)
    return None


def _write_intent(storage: Storage, upload: Upload) -> Receipt:
    # First, because it creates the log, whose name no image may then take.
    log_offset = storage.log.next_offset()
    name = _take_name(storage, upload)
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
    storage.receipts.intend(upload.media_id, intent)
    return intent


def _take_name(storage: Storage, upload: Upload) -> str:
    """The client's name; if taken, with the media id added; if that is taken too, with a new id."""
    stem, extension = splitext(upload.filename)
    name, suffix = upload.filename, upload.media_id
    while not _claim(storage, name, upload.media_id):
        name, suffix = f"{stem}-{suffix}{extension}", str(ULID())
    return name


def _claim(storage: Storage, name: str, media_id: str) -> bool:
    """False where another media has the name, or a file has it that no media has stored."""
    is_claimed = storage.receipts.claim(name, media_id)
    return is_claimed and not os.path.lexists(storage.folder / name)


def _complete(storage: Storage, media_id: str, intent: Receipt) -> Receipt:
    durable.fsync_dir(storage.folder)
    line = intent["line"].encode()
    while not storage.log.write_at(line, intent["log_offset"]):
        intent["log_offset"] = storage.log.next_offset()
        storage.receipts.intend(media_id, intent)
    storage.receipts.make_receipt(media_id)
    return intent


def _complete_interrupted(storage: Storage, media_id: str, intent: Receipt) -> Receipt:
    if not storage.log.is_rotated_away(intent["line"].encode(), intent["log_offset"]):
        return _complete(storage, media_id, intent)
    durable.fsync_dir(storage.folder)
    storage.receipts.make_receipt(media_id)
    return intent
