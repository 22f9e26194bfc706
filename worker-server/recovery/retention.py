"""Deletes from the uploads volume what is old: broken uploads, and what was kept long enough.

No clock decides alone. A media is old by Redis' clock, by its id, which has the time of the
reception, and by the times of its files. Where two of them disagree, it stays.
"""

import fcntl
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ulid import ULID

from shared import clock, console, durable
from shared.contract import DONE, FAILED, INCOMING, MEDIA_RECORD, PENDING, is_media_id
from shared.records import read_progress
from shared.spool import MediaBusy, MediaGone, Spool

_UNFINISHED_KEPT_S = 3600
DAY_S = 86_400
_TIME_CHARS = 10  # of a ULID's 26


class Retention:
    """keep_originals_days counts from the reception, keep_failed_days from the failure.

    None keeps them for ever.
    """

    def __init__(
        self, spool: Spool, keep_originals_days: float | None, keep_failed_days: float | None
    ) -> None:
        self._spool = spool
        self._keep_originals_days = keep_originals_days
        self._keep_failed_days = keep_failed_days
        self._noticed: set[str] = set()  # media whose times disagree

    def sweep(self) -> Iterator[str]:
        """Remove what is old. Yields the id of each media that is gone. Raises OSError."""
        if not clock.may_delete():
            return
        for path in [*_media_in(self._spool.root / INCOMING), *self._probes()]:
            if _age_s(path) > _UNFINISHED_KEPT_S and not _is_being_received(path):
                shutil.rmtree(path, ignore_errors=True)
        if self._keep_originals_days is not None:
            for path in self._received_before(DONE, self._keep_originals_days):
                if self._remove(path.name, DONE):
                    yield path.name
        if self._keep_failed_days is not None:
            for path in self._received_before(FAILED, self._keep_failed_days):
                is_old = False
                with suppress(OSError):  # no reason to leave the others
                    ago_s = min(_age_s(path), _failed_ago_s(path))
                    is_old = ago_s > self._keep_failed_days * DAY_S
                if is_old and self._remove(path.name, FAILED):
                    yield path.name

    def _probes(self) -> Iterator[Path]:
        """The files of a durable.probe that was killed."""
        for folder in (self._spool.root, *(self._spool.root / s for s in (INCOMING, PENDING))):
            yield from folder.glob(".probe-*")

    def _received_before(self, state: str, days: float) -> Iterator[Path]:
        oldest_kept_s = clock.now_s() - days * DAY_S
        oldest_kept = str(ULID.from_timestamp(max(0, oldest_kept_s)))[:_TIME_CHARS]
        for path in _media_in(self._spool.root / state):
            if path.name < oldest_kept and self._agree(path):
                yield path

    def _agree(self, path: Path) -> bool:
        """Whether the media's id and its media.json have the same time: they were made together."""
        try:
            written_s = os.lstat(path / MEDIA_RECORD).st_mtime
        except OSError:
            return False  # just gone, or damaged: its age is not known
        if abs(ULID.from_str(path.name).timestamp - written_s) <= clock.MOST_APART_S:
            return True
        if path.name not in self._noticed:
            self._noticed.add(path.name)
            detail = "its id and its media.json are of different times: it is kept for ever"
            console.event(console.NOTICE, media_id=path.name, detail=detail)
        return False

    def _remove(self, media_id: str, state: str) -> bool:
        with suppress(MediaBusy, MediaGone, OSError), self._spool.hold(media_id) as media:
            if media.state == state:
                media.remove()
                return True
        return False


def _media_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if is_media_id(path.name))


def _age_s(folder: Path) -> float:
    """Seconds since anything in folder last changed; 0 if it just went."""
    try:
        changed_s = max(os.lstat(path).st_mtime for path in (folder, *folder.iterdir()))
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return clock.now_s() - changed_s


def _failed_ago_s(folder: Path) -> float:
    """Seconds since the last attempt ended, by its record, which has Redis' time."""
    ended = [attempt["ended_at"] for attempt in read_progress(folder)["attempts"]]
    try:
        failed_s = max(datetime.fromisoformat(at).timestamp() for at in ended if at)
    except ValueError:  # it had no attempt, or the record has no valid time
        return math.inf
    return clock.now_s() - failed_s


def _is_being_received(folder: Path) -> bool:
    """Whether fast-server has a file of it open."""
    with suppress(OSError):
        for path in folder.iterdir():
            fd = durable.open_file(path, os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(fd)
    return False
