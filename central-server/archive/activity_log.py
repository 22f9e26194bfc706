"""worker_activity.log: one line for each stored image.

    [2026-01-15 14:30:45] WORKER: worker-1 | IMAGE: watermarked_photo.jpg

The file is opened by its path for every line, so it may be renamed or truncated (logrotate) at any
time.
"""

import errno
import glob
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from shared import durable
from shared.contract import MIB

_BLOCK_BYTES = 64 * 1024
_MAX_TAIL_BYTES = 64 * MIB  # also where the file has no lines


def now() -> str:
    """The server's local time as the log writes it."""
    return f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"


def format_line(timestamp: str, worker: str, name: str) -> str:
    """The line, newline included. worker and name must have passed contract.safe_line."""
    return f"[{timestamp}] WORKER: {worker} | IMAGE: {name}\n"


class ActivityLog:
    """The log file. One writer at a time; every method may raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def file(self) -> Path:
        """The file itself: ACTIVITY_LOG may be a link. Raises OSError."""
        try:
            return self.path.resolve()
        except RuntimeError as error:  # a link to itself, before Python 3.13
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(self.path)) from error

    def prepare(self) -> None:
        """Create the file, so that tail -f works from the start."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as fd:
            if any(os.path.samestat(os.fstat(fd), os.fstat(output)) for output in (1, 2)):
                # The console's lines would take the offset that an intent names.
                raise OSError(errno.EINVAL, "It must be a file of its own, not the console's")

    def check(self) -> None:
        """Check that the folder is writable, and the file if there is one."""
        durable.probe(self.path.parent)
        if self.path.exists():
            with self._open():
                pass

    def next_offset(self) -> int:
        """The offset of the next line. Ends the last line if its newline is missing."""
        with self._open() as fd:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                size += os.write(fd, b"\n")
            return size

    def write_at(self, line: bytes, offset: int) -> bool:
        """Make sure that the log has line at offset, durably and once.

        False where that is no longer possible: the log was rotated or truncated, or something else
        was written there. A write that fails half way leaves nothing.
        """
        with self._open() as fd:
            if os.pread(fd, len(line), offset) != line:
                _cut_torn(fd, line, offset)
                if os.fstat(fd).st_size != offset:
                    return False
                _append(fd, line, offset)
            else:
                os.fsync(fd)  # an earlier process wrote it, maybe without an fsync
        if offset == 0:
            durable.fsync_dir(self.path.parent)  # the file itself is new
        return True

    def cut_torn(self, line: bytes, offset: int) -> None:
        """Remove the beginning of line at offset that an interrupted write has left."""
        with self._open() as fd:
            _cut_torn(fd, line, offset)

    def is_rotated_away(self, line: bytes, offset: int) -> bool:
        """Whether a rotated log has line, which is unique to its image, at offset on the disk.

        A rotated log lies beside the log, and its name begins with the log's, as with logrotate.
        """
        rotated = self.path.parent.glob(f"{glob.escape(self.path.name)}?*")
        return any(_holds(path, line, offset) for path in rotated)

    def tail(self, lines: int) -> Iterator[bytes]:
        """The last lines, in blocks; none where there is no log yet. Later lines are left out."""
        try:
            file = durable.reading(self.file)
        except FileNotFoundError:
            return iter(())
        end = file.seek(0, os.SEEK_END)
        return blocks(file, last_lines(file, lines, end), end)

    @contextmanager
    def _open(self) -> Iterator[int]:
        """Appends: a log that was truncated meanwhile must not get a hole."""
        try:
            fd = durable.open_file(self.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        except FileNotFoundError as error:
            if self.path.exists():  # a pipe, a terminal: it cannot be read back
                raise OSError(errno.EINVAL, "It must be a regular file") from error
            raise
        try:
            yield fd
        finally:
            os.close(fd)


def last_lines(file: BinaryIO, lines: int, end: int) -> int:
    """The offset where the last lines before end begin."""
    position = end
    while position > 0 and end - position < _MAX_TAIL_BYTES:
        start = max(0, position - _BLOCK_BYTES)
        file.seek(start)
        block = file.read(position - start)
        if position == end:
            block = block.removesuffix(b"\n")  # the end of the last line
        before, *found = block.rsplit(b"\n", lines)
        if len(found) == lines:
            return start + len(before) + 1
        lines -= len(found)
        position = start
    return position


def blocks(file: BinaryIO, start: int, end: int) -> Generator[bytes]:
    """What lies between the two offsets. The file is closed at the end."""
    with file:
        while start < end:
            block = os.pread(file.fileno(), min(_BLOCK_BYTES, end - start), start)
            if not block:
                return
            start += len(block)
            yield block


def _holds(path: Path, line: bytes, offset: int) -> bool:
    try:
        with durable.reading(path) as file:
            found = os.pread(file.fileno(), len(line), offset) == line
            if found:
                os.fsync(file.fileno())
    except OSError:  # a folder, or a file for its owner only
        return False
    return found


def _append(fd: int, line: bytes, offset: int) -> None:
    try:
        durable.write_all(fd, [line])
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, offset)
        raise


def _cut_torn(fd: int, line: bytes, offset: int) -> None:
    """Remove a line's beginning as a crash leaves it, on some file systems followed by zeros."""
    rest = os.pread(fd, len(line), offset)
    if 0 < len(rest) < len(line) and line.startswith(rest.rstrip(b"\0")):
        os.ftruncate(fd, offset)
