"""Files that are whole or missing: written under a temporary name, fsynced, renamed."""

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
_libc = ctypes.CDLL(None)


def fsync_dir(folder: Path | str) -> None:
    """Make the names in folder (created, renamed, removed) survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
    """Write the pieces, each whole."""
    for piece in pieces:
        left = memoryview(piece)
        while left:
            left = left[os.write(fd, left) :]


def open_file(path: Path | str, flags: int, mode: int = 0o666) -> int:
    """os.open of a regular file. Raises FileNotFoundError where it is a link or a pipe.

    A link in our folders could lead anywhere, and a pipe could block.
    """
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _irregular(path) from error
        raise
    kind = os.fstat(fd).st_mode
    if stat.S_ISREG(kind):
        return fd
    os.close(fd)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise _irregular(path)


def _irregular(path: Path | str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "not a regular file", str(path))


def open_own(path: Path | str) -> int:
    """Open a regular file to read and write; create it if it is missing. Raises OSError.

    A folder or a link with its name is put aside.
    """
    put_aside(path)
    return open_file(path, os.O_RDWR | os.O_CREAT, 0o644)


def put_aside(path: Path | str) -> None:
    """Rename whatever is at path, unless it is a regular file. Raises OSError."""
    if not is_file(path) and os.path.lexists(path):
        os.rename(path, f"{path}.put-aside-{time.time_ns()}")


def reading(path: Path | str) -> BufferedReader:
    """Open a regular file for reading. Raises OSError as open_file does."""
    return open(open_file(path, os.O_RDONLY), "rb")


def read_bytes(path: Path | str) -> bytes:
    """Read a regular file. Raises OSError as open_file does."""
    with reading(path) as file:
        return file.read()


def is_file(path: Path | str) -> bool:
    """Whether path is a regular file, not a link to one."""
    return _kind(path, stat.S_ISREG)


def is_folder(path: Path | str) -> bool:
    """Whether path is a folder, not a link to one."""
    return _kind(path, stat.S_ISDIR)


def _kind(path: Path | str, is_so: Callable[[int], bool]) -> bool:
    try:
        return is_so(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def make_folder(path: Path) -> None:
    """Create the folder if it is missing. Raises OSError where it is a link or not writable."""
    path.mkdir(parents=True, exist_ok=True)
    require_folder(path)
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def require_folder(path: Path | str) -> None:
    """Raises OSError where path is not a folder, or is a link, which could lead anywhere."""
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(path))


def as_json(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode()


def write_json(path: Path, record: Mapping[str, Any], *, fsync: bool) -> None:
    """Replace path with record in one step. With fsync its bytes reach the disk first.

    The caller holds the lock that guards path. The folder is not fsynced.
    """
    temporary = _temporary(path)
    put_aside(path)
    put_aside(temporary)
    fd = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        write_all(fd, [as_json(record)])
        if fsync:
            os.fsync(fd)
    finally:
        os.close(fd)
    if fsync or not _exchange_names(temporary, path):
        os.replace(temporary, path)
    else:
        Path(temporary).unlink()


def tidy(path: Path) -> None:
    """Remove the temporary file that an interrupted write_json of path left."""
    Path(_temporary(path)).unlink(missing_ok=True)


def _temporary(path: Path) -> str:
    return f"{path.parent}/.{path.name}.new"


def _exchange_names(one: Path | str, other: Path | str) -> bool:
    """Let two files exchange their names (renameat2(2), of Linux). False where that is impossible.

    ext4 writes a file at once that replaces another by a rename. Without an fsync nothing needs
    that, and it costs 4% of the small images a second (0.96 in 24 and 26 alternating rounds).
    """
    return hasattr(_libc, "renameat2") and not _libc.renameat2(
        _AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE
    )


def probe(folder: Path, target: Path | None = None) -> None:
    """Try what the file system must do: write, link, flock, and rename into target.

    Raises OSError where one of them fails.
    """
    # Containers on one volume may have equal process ids, so each try has folders of its own.
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
