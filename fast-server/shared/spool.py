"""The uploads volume: a media's state is the folder it lies in, as in Maildir.

    incoming/  being received      pending/  accepted, in work
    failed/    kept for a retry    done/     stored by central, the original kept

A move is one rename(2). Whoever changes a media's folder holds the flock on its .lock:
it crosses containers on one volume, follows a rename and is freed by kill -9.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared import durable
from shared.contract import (
    DONE,
    FAILED,
    INCOMING,
    PENDING,
    PROGRESS_RECORD,
    WATERMARKED_PREFIX,
    is_media_id,
)
from shared.records import new_progress, read_progress, read_record


class MediaGone(Exception):
    """No folder has this media any more."""


class MediaBusy(Exception):
    """Somebody else holds the media's lock."""


class HeldMedia:
    """A media's folder while its lock is held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = read_record(path)
        self.progress = read_progress(path)

    @property
    def state(self) -> str:
        return self.path.parent.name

    @property
    def is_damaged(self) -> bool:
        """Whether media.json cannot be read."""
        return self.record["format_version"] == 0

    @property
    def original(self) -> Path:
        return self.path / self.record["filename"]

    @property
    def watermarked(self) -> Path:
        """The output, once there is one; its extension may be another (OUTPUT_FORMAT)."""
        output = self.progress["watermarked"]
        name = f"{WATERMARKED_PREFIX}{self.record['filename']}"
        return self.path / (output["name"] if output else name)

    def save(self) -> None:
        """Replace progress.json. Not fsynced: in pending/ a torn one means stage 1 again."""
        self._write(fsync=False)

    def save_durably(self) -> None:
        """The same, its bytes on the disk: for a record that a move relies on.

        Its name needs no fsync of its own: file systems keep renames in their order.
        """
        self._write(fsync=True)

    def settle(self, state: str) -> None:
        """Move it to where it ends, failed/ or done/, with its record on the disk before."""
        self.save_durably()
        if state == DONE:
            self.watermarked.unlink(missing_ok=True)  # central's now
        self.move(state)

    def rerun(self) -> None:
        """From failed/ back to pending/, its attempts counted anew.

        The record comes first: one in failed/ without a failure is moved to pending/ by the
        reconciler, should this be cut short.
        """
        run, watermarked = self.progress["run"], self.progress["watermarked"]
        self.progress = {**new_progress(), "run": run + 1, "watermarked": watermarked}
        self.save()
        self.move(PENDING)

    def move(self, state: str) -> None:
        """Give the media another state. The lock goes with the folder."""
        durable.tidy(self.path / PROGRESS_RECORD)
        target = self.path.parent.parent / state / self.path.name
        durable.require_folder(target.parent)
        self.path.rename(target)
        self.path = target

    def _write(self, *, fsync: bool) -> None:
        if not self.is_damaged:
            self.progress["filename"] = self.record["filename"]
        durable.write_json(self.path / PROGRESS_RECORD, self.progress, fsync=fsync)


class Spool:
    """The uploads volume at root. Every method may raise OSError."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the state folders."""
        for state in (INCOMING, PENDING, FAILED, DONE):
            durable.make_folder(self.root / state)
        durable.fsync_dir(self.root)

    def probe(self) -> None:
        """Try what an upload and its move need. Missing folders come back."""
        self.prepare()
        durable.probe(self.root / INCOMING, self.root / PENDING)

    def folder(self, state: str, media_id: str) -> Path:
        return Path(self.path(state, media_id))

    def path(self, state: str, media_id: str) -> str:
        """The same as text: whoever joins many small paths pays for pathlib's."""
        return f"{self.root}/{state}/{media_id}"

    def commit(self, media_id: str) -> None:
        """incoming/ to pending/, to stay: from here on the media is accepted."""
        incoming = self.path(INCOMING, media_id)
        durable.fsync_dir(incoming)
        try:
            durable.require_folder(f"{self.root}/{PENDING}")
            os.rename(incoming, self.path(PENDING, media_id))
        except FileNotFoundError:  # somebody made room with rm -r
            self.prepare()
            os.rename(incoming, self.path(PENDING, media_id))
        durable.fsync_dir(f"{self.root}/{PENDING}")

    def find(self, media_id: str) -> Path:
        """The folder of an accepted media. Raises MediaGone.

        Looks twice, for the folder may be moving from one state to the next meanwhile.
        """
        if is_media_id(media_id):  # jobs, forms and addresses name it: nothing else gets a path
            for _ in range(2):
                for state in (PENDING, FAILED, DONE):
                    path = self.folder(state, media_id)
                    if durable.is_folder(path):
                        durable.require_folder(path.parent)
                        return path
        raise MediaGone(media_id)

    def describe(self, media_id: str) -> dict[str, Any]:
        """Both records as one. Raises MediaGone."""
        for _ in range(2):
            path = self.find(media_id)
            record, progress = read_record(path), read_progress(path)
            if durable.is_folder(path):  # else it moved on between the two looks
                return {**record, **progress, "filename": record["filename"]}
        raise MediaGone(media_id)

    @contextmanager
    def hold(self, media_id: str) -> Iterator[HeldMedia]:
        """Lock the media's folder. Raises MediaGone or, at once, MediaBusy."""
        path = self.find(media_id)
        try:
            fd = durable.open_own(path / ".lock")
        except FileNotFoundError as error:  # moving right now: its holder has the lock
            raise MediaBusy(media_id) from error
        try:
            self._lock(fd, path, media_id)
            yield HeldMedia(path)
        finally:
            os.close(fd)

    def _lock(self, fd: int, path: Path, media_id: str) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Moved or deleted between the open and the flock: this lock guards nothing.
            if not os.path.samestat(os.fstat(fd), (path / ".lock").stat()):
                raise MediaBusy(media_id)
        except (BlockingIOError, FileNotFoundError) as error:
            raise MediaBusy(media_id) from error
