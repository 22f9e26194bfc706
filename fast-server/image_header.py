"""What an image's first bytes say of it: format and size, in pure Python, nothing decoded."""

from pathlib import Path
from typing import BinaryIO

import imagesize

HEAD_BYTES = 32
_MAX_READS = 20_000
_MAX_BYTES = 256 * 1024  # some structures are read whole, whatever size they claim
_OS2_BMP_HEADER = b"\x0c\0\0\0"
# BigTIFF of either byte order and JPEG 2000 without its boxes: unknown to it, or in part
_NOT_FOR_IMAGESIZE = (b"II+\0", b"MM\0+", b"\xff\x4f\xff\x51")
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP8", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"II+\0", "image/tiff"),
    (0, b"MM\0+", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\xff\x4f\xff\x51", "image/jp2"),
)


class UnreadableHeader(ValueError):
    """The format is known, its header ends early or makes no sense."""


class _TooLong(Exception):
    """The header leads nowhere in reasonable time."""


def sniff(head: bytes) -> str | None:
    """The media type the first HEAD_BYTES bytes show, or None for one we do not take."""
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    # ISO base media files list the brands they conform to behind "ftyp".
    if head.startswith(b"ftyp", 4) and (b"avif" in head[8:] or b"avis" in head[8:]):
        return "image/avif"
    return None


def read_size(path: Path) -> tuple[int, int] | None:
    """Width and height as stored, or None where the header does not tell them quickly.

    Raises UnreadableHeader.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if head.startswith(b"BM") and head.startswith(_OS2_BMP_HEADER, 14):
            return None  # imagesize takes it for the later header, with other numbers
        bounded = _BoundedFile(file)
        # The EXIF rotation stays unread: its lists can claim a billion entries in a few bytes.
        width, height = imagesize.get(bounded, exif_rotation=False)
    if bounded.gave_up or head.startswith(_NOT_FOR_IMAGESIZE):
        return None
    if (width, height) == (-1, -1):
        raise UnreadableHeader("it ends early or contradicts itself")
    if width == 0 or height == 0:
        raise UnreadableHeader("a side of 0 pixels")
    return None if width < 0 or height < 0 else (int(width), int(height))


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
