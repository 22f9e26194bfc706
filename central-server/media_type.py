"""Which Content-Type a stored file is served with."""

import mimetypes
from pathlib import Path

from signatures import HEAD_BYTES, sniff

_UNKNOWN = "application/octet-stream"


def guess(path: Path) -> str:
    """By the first bytes, else by the name, but only an image: no client's page is ever shown.

    Raises OSError.
    """
    with path.open("rb") as file:
        sniffed = sniff(file.read(HEAD_BYTES))
    if sniffed is not None:
        return sniffed
    named, encoding = mimetypes.guess_type(path.name)
    is_image = named is not None and named.startswith("image/") and encoding is None
    # An SVG may hold scripts.
    return named if named and is_image and named != "image/svg+xml" else _UNKNOWN
