"""The size an image's header says it has, in pure Python, nothing decoded."""

import struct
from typing import BinaryIO

import imagesize

from shared import signatures

_MAX_READS = 20_000
_MAX_BYTES = 256 * 1024  # some structures are read whole, whatever size they claim
_CROP = b"clap"  # an item property of HEIF; x265 codes even sides, and no fewer than 64
_OS2_BMP_HEADER = b"\x0c\0\0\0"
# BigTIFF of either byte order and JPEG 2000 without its boxes: unknown to it, or in part
_NOT_FOR_IMAGESIZE = (b"II+\0", b"MM\0+", b"\xff\x4f\xff\x51")


class UnreadableHeader(ValueError):
    """The format is known, its header ends early or makes no sense."""


class _TooLong(Exception):
    """The header leads nowhere in reasonable time."""


def read_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height as stored, or None where the header does not tell them quickly.

    Raises UnreadableHeader.
    """
    head = file.read(signatures.HEAD_BYTES)
    if signatures.brands(head) and _CROP in head + file.read(_MAX_BYTES):
        return None  # imagesize takes the size before it is cropped
    if head.startswith(b"BM") and head.startswith(_OS2_BMP_HEADER, 14):
        return None  # imagesize takes it for the later header, with other numbers
    if head.startswith(b"GIF8"):  # imagesize takes large sides for negative ones
        return _gif_size(head)
    bounded = _BoundedFile(file)
    # The EXIF rotation stays unread: its lists can claim a billion entries in a few bytes.
    width, height = imagesize.get(bounded, exif_rotation=False)
    if bounded.gave_up or head.startswith(_NOT_FOR_IMAGESIZE):
        return None
    if (width, height) == (-1, -1):
        if signatures.brands(head):
            return None  # it knows most of them, but stumbles over a turned one (irot)
        raise UnreadableHeader("it ends early or contradicts itself")
    if width == 0 or height == 0:
        raise UnreadableHeader("a side of 0 pixels")
    return None if width < 0 or height < 0 else (int(width), int(height))


def _gif_size(head: bytes) -> tuple[int, int] | None:
    """The logical screen (GIF89a section 18); without one, the frames say how large it is."""
    if len(head) < 10:
        raise UnreadableHeader("it ends early or contradicts itself")
    width, height = struct.unpack_from("<HH", head, 6)
    return (width, height) if width and height else None


class _BoundedFile:
    """A file that ends the search of a header made to keep its reader busy.

    imagesize answers any exception with (-1, -1), hence gave_up.
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
