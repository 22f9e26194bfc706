"""Files that are whole or not there: temporary name, fsync, rename."""

import ctypes
import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_IRREGULAR = "no regular file"
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


def open_file(path: Path | str, flags: int, mode: int = 0o666) -> int:
    """os.open of a regular file. Raises FileNotFoundError where a link or a pipe has its name.

    Below the folders that the operator names no link is followed, and no pipe is waited for.
    """
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileNotFoundError(errno.ENOENT, _IRREGULAR, str(path)) from error
        raise
    kind = os.fstat(fd).st_mode
    if stat.S_ISREG(kind):
        return fd
    os.close(fd)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise FileNotFoundError(errno.ENOENT, _IRREGULAR, str(path))


def open_own(path: Path | str) -> int:
    """A regular file of ours to read and write, made where it is missing. Raises OSError.

    What has its name and is none, a folder or a link, is put aside.
    """
    put_aside(path)
    return open_file(path, os.O_RDWR | os.O_CREAT, 0o644)


def put_aside(path: Path | str) -> None:
    """Rename what is there, unless it is a regular file. Raises OSError."""
    if not is_file(path) and os.path.lexists(path):
        os.rename(path, f"{path}.put-aside-{time.time_ns()}")


def reading(path: Path | str) -> BufferedReader:
    """A regular file, opened to be read. Raises OSError as open_file does."""
    return open(open_file(path, os.O_RDONLY), "rb")


def read_bytes(path: Path | str) -> bytes:
    """All of a regular file. Raises OSError as open_file does."""
    with reading(path) as file:
        return file.read()


def is_file(path: Path | str) -> bool:
    """Whether it is a regular file, and no link to one."""
    return _kind(path, stat.S_ISREG)


def is_folder(path: Path | str) -> bool:
    """Whether it is a folder, and no link to one."""
    return _kind(path, stat.S_ISDIR)


def _kind(path: Path | str, is_so: Callable[[int], bool]) -> bool:
    try:
        return is_so(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def make_folder(path: Path) -> None:
    """Have a folder there that can be written to.

    Raises OSError where it cannot, and where something else, such as a link, has its name.
    """
    path.mkdir(parents=True, exist_ok=True)
    require_folder(path)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def require_folder(path: Path | str) -> None:
    """Raises OSError where there is none, or a link to one: it would lead out of ours."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "no folder, where one must be", str(path))


def _write_file(path: Path | str, content: bytes, *, fsync: bool) -> None:
    """Have a file with that content; an error, or a crash, may leave half of it."""
    put_aside(path)
    fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
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
    put_aside(path)
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


def probe(folder: Path, target: Path | None = None) -> None:
    """Try what the design needs of a file system: write, link, flock, and a rename into target.

    Raises OSError where one of them does not work.
    """
    # A folder of its own for each try: containers that share a volume share process ids too.
    with (
        TemporaryDirectory(prefix=".probe-", dir=folder) as own,
        TemporaryDirectory(prefix=".probe-", dir=target or folder) as other,
    ):
        written, renamed, linked = Path(own, "written"), Path(other, "renamed"), Path(own, "linked")
        with written.open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(b"probe")
        written.rename(renamed)
        linked.hardlink_to(renamed)
