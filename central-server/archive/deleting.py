"""Deleting an image, in steps each of which may be the last before a crash:

    make the tombstone, fsync: from here on its uploads are refused   (tombstones.py)
    remove the image, fsync
    erase its intent or receipt, then answer

A start, or the same DELETE again, goes on from where it is. Its line stays in the log, if it had
one, and so its name stays taken.
"""

from pathlib import Path

from archive.activity_log import ActivityLog
from archive.receipts import Receipt, Receipts
from archive.storing import is_linked
from archive.tombstones import Tombstones
from shared import console, durable
from shared.web.refusals import NO_SPACE


class Deleting:
    """For one writer at a time. Every method may raise OSError; the next try goes on."""

    def __init__(
        self, folder: Path, log: ActivityLog, receipts: Receipts, tombstones: Tombstones
    ) -> None:
        self._folder = folder
        self._log = log
        self._receipts = receipts
        self._tombstones = tombstones

    def delete(self, media_id: str) -> bool:
        """Remove all there is of it, for good. False where it is unknown."""
        known = self._receipts.stored(media_id) or self._receipts.intent(media_id)
        try:
            self._tombstones.make(media_id, known and known["name"])
        except OSError as error:
            if known is None or error.errno not in NO_SPACE:
                raise
            self._remove_image(media_id)  # makes room
            self._tombstones.make(media_id, known["name"])
        self._finish(media_id)
        return known is not None

    def resume(self, media_id: str) -> None:
        """Go on where a deletion of it was cut short."""
        if self._tombstones.has(media_id):
            self._finish(media_id)

    def roll_forward(self) -> None:
        """Finish what an earlier process was deleting. What fails is left to the next try."""
        for media_id in sorted(self._tombstones.media_ids() & self._receipts.media_ids()):
            try:
                self._finish(media_id)
                outcome = "deleted"
            except OSError as error:
                outcome = f"left for later: {error.strerror}"
            console.event(console.NOTICE, media_id=media_id, interrupted=outcome)

    def _finish(self, media_id: str) -> None:
        """The intent or receipt last, without which nobody finds the image.

        One that a power cut brings back is erased again by the start, which finds the tombstone.
        """
        self._remove_image(media_id)
        self._receipts.erase(media_id)

    def _remove_image(self, media_id: str) -> None:
        receipt, intent = self._receipts.stored(media_id), self._receipts.intent(media_id)
        if receipt is not None:
            self._unlink(receipt["name"])
        elif intent is not None:
            self._unlink_interrupted(intent)

    def _unlink_interrupted(self, intent: Receipt) -> None:
        """What has the name may be somebody else's, and the line may be half there."""
        if is_linked(self._folder, intent):
            self._unlink(intent["name"])
        durable.fsync_dir(self._folder)
        self._log.cut_torn(intent["line"].encode(), intent["log_offset"])

    def _unlink(self, name: str) -> None:
        self._receipts.keep_names()
        (self._folder / name).unlink(missing_ok=True)
        durable.fsync_dir(self._folder)
