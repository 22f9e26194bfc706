"""Deleting an image. A crash may come after any of these steps:

    make the tombstone, fsync: from here on its uploads are refused   (tombstones.py)
    remove the image, fsync
    drop its intent or receipt, then answer

The next start, or the same DELETE again, goes on from there. A line in the log stays, and so the
name stays taken.

Every function may raise OSError; the next try goes on.
"""

from archive.storage import Storage
from shared import console, durable
from shared.web.refusals import NO_SPACE


def delete(storage: Storage, media_id: str) -> bool:
    """Remove all there is of the media, for good. False where it is unknown."""
    receipts, tombstones = storage.receipts, storage.tombstones
    known = receipts.stored(media_id) or receipts.intent(media_id)
    try:
        tombstones.make(media_id, known and known["name"])
    except OSError as error:
        if known is None or error.errno not in NO_SPACE:
            raise
        _remove_image(storage, media_id)  # frees space
        tombstones.make(media_id, known["name"])
    _finish(storage, media_id)
    return known is not None


def resume(storage: Storage, media_id: str) -> None:
    """Finish its deletion if a crash has interrupted one."""
    if storage.tombstones.has(media_id):
        _finish(storage, media_id)


def roll_forward(storage: Storage) -> None:
    """Finish the deletions of an earlier process. What fails is tried again later."""
    for media_id in sorted(storage.tombstones.media_ids() & storage.receipts.media_ids()):
        try:
            _finish(storage, media_id)
            outcome = "deleted"
        except OSError as error:
            outcome = f"left for later: {error.strerror}"
        console.event(console.NOTICE, media_id=media_id, interrupted=outcome)


def _finish(storage: Storage, media_id: str) -> None:
    """The intent or receipt goes last: only it leads to the image.

    If a power cut brings it back, the next start finds the tombstone and drops it again.
    """
    _remove_image(storage, media_id)
    storage.receipts.drop_records(media_id)


def _remove_image(storage: Storage, media_id: str) -> None:
    if receipt := storage.receipts.stored(media_id):
        _unlink(storage, receipt["name"])
    elif intent := storage.receipts.intent(media_id):
        # Another file may have the name, and half of the line may be in the log.
        if storage.has_image_of(intent):
            _unlink(storage, intent["name"])
        durable.fsync_dir(storage.folder)
        storage.log.cut_torn(intent["line"].encode(), intent["log_offset"])


def _unlink(storage: Storage, name: str) -> None:
    storage.receipts.keep_names()
    (storage.folder / name).unlink(missing_ok=True)
    durable.fsync_dir(storage.folder)
