"""The uploads volume: a media's state is the folder it lies in, as in Maildir.

    incoming/  being received      pending/  accepted, in work
    failed/    kept for a retry    done/     stored by central, the original kept

A move is one rename(2). A process that changes a media's folder holds the flock on its .lock, in
incoming/ on the image. That lock works across containers on one volume, follows a rename and is
freed by kill -9.
"""

import fcntl
import os
import shutil
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
    PREVIEWS,
    PROGRESS_RECORD,
    WATERMARKED_PREFIX,
    is_media_id,
)
from shared.records import new_progress, read_progress, read_record


class MediaGone(Exception):
    """The media is in no folder any more."""


class MediaBusy(Exception):
    """Another process holds the media's lock."""


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
        """The output, once there is one; OUTPUT_FORMAT may have changed its extension."""
        output = self.progress["watermarked"]
        name = f"{WATERMARKED_PREFIX}{self.record['filename']}"
        return self.path / (output["name"] if output else name)

    def save(self) -> None:
        """Replace progress.json without an fsync: if a power cut tears it, stage 1 runs again."""
        self._write(fsync=False)

    def save_durably(self) -> None:
        """Replace progress.json and fsync it, as a move that relies on it needs.

        Its name needs no fsync: file systems keep the order of renames.
        """
        self._write(fsync=True)

    def settle(self, state: str) -> None:
        """Save the record durably, then move the media to failed/ or done/."""
        self.save_durably()
        if state == DONE:
            self.watermarked.unlink(missing_ok=True)  # central has it
        self.move(state)

    def rerun(self) -> None:
        """Move it from failed/ back to pending/, its attempts counted anew.

        The record is saved first: after a crash the reconciler finds one without a failure in
        failed/, and moves it to pending/.
        """
        run, watermarked = self.progress["run"], self.progress["watermarked"]
        self.progress = {**new_progress(), "run": run + 1, "watermarked": watermarked}
        self.save()
        self.move(PENDING)

    def remove(self) -> None:
        """Delete it. It leaves its state in one rename: a reader finds all of it, or nothing.

        After a crash the reconciler sweeps what is left in incoming/. Its previews go last: whoever
        has just made one looks whether the media is still there.
        """
        root = self.path.parent.parent
        self.move(INCOMING)
        shutil.rmtree(self.path, ignore_errors=True)
        remove_previews(root, self.path.name)

    def move(self, state: str) -> None:
        """Give the media another state. The lock moves with the folder."""
        durable.tidy(self.path / PROGRESS_RECORD)
        target = self.path.parent.parent / state / self.path.name
        durable.require_folder(target.parent)
        self.path.rename(target)
        self.path = target

    def _write(self, *, fsync: bool) -> None:
        if not self.is_damaged:
            self.progress["filename"] = self.record["filename"]
        durable.write_json(self.path / PROGRESS_RECORD, self.progress, fsync=fsync)


def remove_previews(root: Path, media_id: str) -> None:
    """Remove the previews of a media, if it has any."""
    if durable.is_folder(root / PREVIEWS):
        shutil.rmtree(root / PREVIEWS / media_id, ignore_errors=True)


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
        """Try what an upload and its move need. Missing folders are made again."""
        self.prepare()
        durable.probe(self.root / INCOMING, self.root / PENDING)

    def folder(self, state: str, media_id: str) -> Path:
        return self.root / state / media_id

    def commit(self, media_id: str) -> None:
        """Move the media durably from incoming/ to pending/. From here on it is accepted."""
        incoming, pending = self.folder(INCOMING, media_id), self.folder(PENDING, media_id)
        durable.fsync_dir(incoming)
        try:
            durable.require_folder(pending.parent)
            incoming.rename(pending)
        except FileNotFoundError:  # an operator removed the folders
            self.prepare()
            incoming.rename(pending)
        durable.fsync_dir(pending.parent)

    def find(self, media_id: str) -> Path:
        """The folder of an accepted media. Raises MediaGone.

        Looks twice, because the folder may be moving from one state to the next.
        """
        if is_media_id(media_id):  # it may come from a job or a URL, and must not lead elsewhere
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
            if durable.is_folder(path):  # else it moved between the two looks
                return {**record, **progress, "filename": record["filename"]}
        raise MediaGone(media_id)

    @contextmanager
    def hold(self, media_id: str) -> Iterator[HeldMedia]:
        """Lock the media's folder. Raises MediaGone or, at once, MediaBusy."""
        path = self.find(media_id)
        try:
            fd = durable.open_own(path / ".lock")
        except FileNotFoundError as error:  # it is moving, so its lock is held
            raise MediaBusy(media_id) from error
        try:
            self._lock(fd, path, media_id)
            yield HeldMedia(path)
        finally:
            os.close(fd)

    def _lock(self, fd: int, path: Path, media_id: str) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # If it was moved or deleted between the open and the flock, this lock guards nothing.
            if not os.path.samestat(os.fstat(fd), (path / ".lock").stat()):
                raise MediaBusy(media_id)
        except (BlockingIOError, FileNotFoundError) as error:
            raise MediaBusy(media_id) from error
