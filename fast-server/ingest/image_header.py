"""The size in an image's header, read in pure Python, without decoding."""

import struct
from typing import BinaryIO

import imagesize

from upload_api import signatures

_MAX_READS = 20_000
_MAX_BYTES = 256 * 1024  # some structures are read whole, however large they claim to be
_CROP = b"clap"  # an item property of HEIF: x265 needs even sides of at least 64 pixels
_OS2_BMP_HEADER = b"\x0c\0\0\0"
# BigTIFF in both byte orders, and a bare JPEG 2000 codestream: not or only partly supported
_NOT_FOR_IMAGESIZE = (b"II+\0", b"MM\0+", b"\xff\x4f\xff\x51")


class UnreadableHeader(ValueError):
    """The format is known, but the header ends early or makes no sense."""


class _TooLong(Exception):
    """The header takes too many reads."""


def read_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height as stored, or None where they cannot be read quickly.

    Raises UnreadableHeader.
    """
    head = file.read(signatures.HEAD_BYTES)
    if signatures.brands(head) and _CROP in head + file.read(_MAX_BYTES):
        return None  # imagesize reads the size before cropping
    if head.startswith(b"BM") and head.startswith(_OS2_BMP_HEADER, 14):
        return None  # imagesize reads it as the later header
    if head.startswith(b"GIF8"):  # imagesize reads large sides as negative
        return _gif_size(head)
    bounded = _BoundedFile(file)
    # No EXIF rotation: a few bytes of it can claim a list of a billion entries.
    width, height = imagesize.get(bounded, exif_rotation=False)
    if bounded.gave_up or head.startswith(_NOT_FOR_IMAGESIZE):
        return None
    if (width, height) == (-1, -1):
        if signatures.brands(head):
            return None  # imagesize fails on rotated ones (irot)
        raise UnreadableHeader("it ends early or contradicts itself")
    if width == 0 or height == 0:
        raise UnreadableHeader("a side of 0 pixels")
    return None if width < 0 or height < 0 else (int(width), int(height))


def _gif_size(head: bytes) -> tuple[int, int] | None:
    """The logical screen (GIF89a section 18); None if it is empty: the frames say it then."""
    if len(head) < 10:
        raise UnreadableHeader("it ends early or contradicts itself")
    width, height = struct.unpack_from("<HH", head, 6)
    return (width, height) if width and height else None


class _BoundedFile:
    """A file with limited reads, against headers made to keep their reader busy.

    imagesize turns any exception into (-1, -1), hence gave_up.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reads_left = _MAX_READS
        self._bytes_left = _MAX_BYTES
        self.gave_up = False

    def read(self, size: int = -1) -> bytes:
        self._reads_left -= 1
        self._bytes_left -= size
        if size < 0 or self._reads_left < 0 or self._bytes_left < 0:
            self.gave_up = True
            raise _TooLong
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)
