"""What an image's first bytes say of it: format and size, in pure Python, nothing decoded."""

from pathlib import Path
from typing import BinaryIO

import imagesize

HEAD_BYTES = 32
_MAX_READS = 20_000
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
    """The format is known, its header makes no sense."""


class _TooManyReads(Exception):
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
    """Width and height in pixels, or None where the header does not tell them quickly.

    Raises UnreadableHeader.
    """
    with path.open("rb") as file:
        try:
            width, height = imagesize.get(_BoundedFile(file))
        except _TooManyReads:
            return None
        # A parser meeting hostile bytes; which exceptions it has for them is not documented.
        except Exception as error:
            raise UnreadableHeader(str(error) or type(error).__name__) from error
    if width == 0 or height == 0:
        raise UnreadableHeader("a side of 0 pixels")
    return None if width < 0 or height < 0 else (int(width), int(height))


class _BoundedFile:
    """A file that ends the search of a header made to keep its reader busy."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reads_left = _MAX_READS

    def read(self, size: int = -1) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            raise _TooManyReads
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)
