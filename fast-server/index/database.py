"""The index's file, and the lock that gives it to one gateway.

The first gateway on a folder has 0.sqlite3, another one 1.sqlite3, and so on. Each is a cache: it
may be removed at any time, and is made again from the folders.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from shared import durable

_VERSION = 1
# name is the file name for searches, changed_at in ms. kinds has how many media are of each state,
# status and code, minutes what happened in each minute. listed is for scan.py.
_SCHEMA = f"""
BEGIN;
CREATE TABLE media (
    media_id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    code TEXT,
    filename TEXT NOT NULL,
    name TEXT NOT NULL,
    ref TEXT,
    batch TEXT,
    size INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_kind ON media (state, status, code);
CREATE INDEX by_batch ON media (batch, state, status, code) WHERE batch IS NOT NULL;
CREATE INDEX by_ref ON media (ref, state, status, code) WHERE ref IS NOT NULL;
CREATE INDEX by_name ON media (name, state, status, code);
CREATE INDEX failures ON media (code, changed_at) WHERE state = 'failed';
CREATE TABLE kinds (state TEXT, status TEXT, code TEXT, count INTEGER);
CREATE TABLE minutes (minute INTEGER PRIMARY KEY, received INTEGER, stored INTEGER, failed INTEGER);
CREATE TABLE listed (media_id TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class Database:
    """An open file of the index. Methods raise sqlite3.Error and OSError."""

    def __init__(self, folder: Path) -> None:
        durable.make_folder(folder)
        lock_path, self._lock = _lock_one(folder)
        self.path = lock_path.with_suffix(".sqlite3")
        try:
            self.connection = _open(self.path)
            self._files = {path: path.stat() for path in (lock_path, *_files(self.path))}
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def is_in_place(self) -> bool:
        """False where somebody has removed a file of it: it is to be made again."""
        try:
            return all(os.path.samestat(own, path.stat()) for path, own in self._files.items())
        except FileNotFoundError:
            return False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.close()
        os.close(self._lock)

    def remove(self) -> None:
        """Close it and, where that is possible, remove it."""
        with suppress(OSError):
            if self.is_in_place:
                _remove(self.path)
        self.close()


def _lock_one(folder: Path) -> tuple[Path, int]:
    """The first lock that no other gateway holds."""
    for number in count():
        path = folder / f"{number}.lock"
        lock = durable.open_own(path)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        except BaseException:
            os.close(lock)
            raise
        else:
            return path, lock
    raise AssertionError


def _open(path: Path) -> sqlite3.Connection:
    """Open it. One that is damaged, or of another version, is made anew."""
    durable.put_aside(path)
    if not path.exists():
        _remove(path)  # what another one left beside it is not for this one
    with suppress(sqlite3.Error):
        return _connect(path, _require_version)
    _remove(path)
    return _connect(path, _make_tables)


def _connect(path: Path, prepare: Callable[[sqlite3.Connection], None]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # Else SQLite maps a file -shm into memory, and whoever truncates that kills the process.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # In pages: 40 MB. Each checkpoint waits for the disk, as uploads do.
        connection.execute("PRAGMA wal_autocheckpoint = 10000")
        prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_version(connection: sqlite3.Connection) -> None:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version != _VERSION:
        raise sqlite3.DatabaseError(f"it is of version {version}")


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.executescript(_SCHEMA)


def _files(path: Path) -> list[Path]:
    """The file, and those that SQLite has beside it while it is open."""
    return [path, Path(f"{path}-wal")]


def _remove(path: Path) -> None:
    for file in _files(path):
        file.unlink(missing_ok=True)
