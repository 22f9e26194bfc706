"""Files that are whole or not there: temporary name, fsync, rename."""

import ctypes
import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_libc = ctypes.CDLL(None)
_to_json = json.JSONEncoder(ensure_ascii=False).encode  # an indent would take the slow way


def fsync_dir(folder: Path | str) -> None:
    """Make the names in folder (created, renamed, removed) survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
    """With no buffer between: each system call may cost a thread its turn in the interpreter."""
    for piece in pieces:
        left = memoryview(piece)
        while left:
            left = left[os.write(fd, left) :]


def _write_file(path: Path | str, content: bytes, *, fsync: bool) -> None:
    """Have a file with that content; an error, or a crash, may leave half of it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        write_all(fd, [content])
        if fsync:
            os.fsync(fd)
    finally:
        os.close(fd)


def as_json(record: Mapping[str, Any]) -> bytes:
    return _to_json(record).encode()


def write_json(path: Path, record: Mapping[str, Any], *, fsync: bool) -> None:
    """Replace path with record at once; with fsync its bytes are on the disk before the rename.

    The caller holds whatever lock guards path. The folder is not fsynced here.
    """
    temporary = _temporary(path)
    _write_file(temporary, as_json(record), fsync=fsync)
    if fsync or not _exchanged(temporary, path):
        os.replace(temporary, path)
    else:
        Path(temporary).unlink()


def tidy(path: Path) -> None:
    """Remove what a write_json of path left beside it that was cut short."""
    Path(_temporary(path)).unlink(missing_ok=True)


def _temporary(path: Path) -> str:
    return f"{path.parent}/.{path.name}.new"


def _exchanged(one: Path | str, other: Path | str) -> bool:
    """Whether two files have each other's name now (renameat2(2), of Linux and most file systems).

    A file that replaces another is written to the disk at once by ext4, whose blocks are then soon
    freed again: that takes three times as long, for nothing where no fsync is wanted (make bench).
    """
    return hasattr(_libc, "renameat2") and not _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )


def probe(folder: Path) -> None:
    """Try in folder what the design needs of a file system: write, rename, link, flock.

    Raises OSError where one of them does not work.
    """
    # A folder of its own for each try: containers that share a volume share process ids too.
    with TemporaryDirectory(prefix=".probe-", dir=folder) as own:
        written, renamed, linked = (Path(own, step) for step in ("written", "renamed", "linked"))
        with written.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(b"probe")
        written.rename(renamed)
        linked.hardlink_to(renamed)
