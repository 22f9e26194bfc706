"""A ZIP that is sent while it is made, its length known before. Nothing in it is compressed.

Both the ZIP and its length come from the same steps of zipfile, so they agree to the byte.
"""

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, NamedTuple
from zipfile import ZipFile, ZipInfo

_MODE = stat.S_IFREG | 0o644
_EARLIEST, _LATEST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 58)


class ZipEntry(NamedTuple):
    """A file in the ZIP. at is when it was made."""

    name: str
    size: int
    at: datetime


class ZipWriter:
    """The caller takes what it has written after each step, and sends it."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = ZipFile(self._sink, "w")

    @contextmanager
    def file(self, entry: ZipEntry) -> Iterator[IO[bytes]]:
        """Write one. The caller writes as many bytes as entry says."""
        with self._zip.open(_info(entry), "w") as file:
            yield file

    def close(self) -> None:
        """Write the directory of all files: without it nothing is a ZIP."""
        self._zip.close()

    def taken(self) -> bytes:
        """What has been written since."""
        return self._sink.taken()


class _Sink:
    """What zipfile writes to. It cannot seek, so a file's size and CRC come behind its bytes."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def skip(self, size: int) -> None:
        self._position += size

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def length(entries: Iterable[ZipEntry]) -> int:
    """How many bytes a ZIP of these has: all is written but their own."""
    sink = _Sink()
    with ZipFile(sink, "w") as zip_file:
        for entry in entries:
            info = _info(entry)
            with zip_file.open(info, "w"):
                sink.skip(entry.size)
            info.file_size = info.compress_size = entry.size  # as if its bytes had come
            sink.taken()
    return sink.tell()


def _info(entry: ZipEntry) -> ZipInfo:
    local = entry.at.astimezone().timetuple()[:6]
    info = ZipInfo(entry.name, min(max(local, _EARLIEST), _LATEST))
    info.file_size = entry.size  # by this zipfile knows whether the entry needs ZIP64
    info.external_attr = _MODE << 16
    return info
