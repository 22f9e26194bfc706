"""Which Content-Type a stored file is served with."""

import mimetypes
from pathlib import Path

_HEAD_BYTES = 32
_UNKNOWN = "application/octet-stream"
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBPVP8", "image/webp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"II+\0", "image/tiff"),
    (0, b"MM\0+", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\xff\x4f\xff\x51", "image/jp2"),
    (4, b"ftypavi", "image/avif"),
)


def guess(path: Path) -> str:
    """By the first bytes, else by the name, but only an image: no client's page is ever shown.

    Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for offset, signature, media_type in _SIGNATURES:
        if head.startswith(signature, offset):
            return media_type
    named, encoding = mimetypes.guess_type(path.name)
    is_image = named is not None and named.startswith("image/") and encoding is None
    # An SVG may hold scripts.
    return named if named and is_image and named != "image/svg+xml" else _UNKNOWN
