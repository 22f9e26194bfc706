"""Which Content-Type a stored file is served with."""

import mimetypes

from shared.signatures import sniff

_UNKNOWN = "application/octet-stream"


def guess(head: bytes, name: str) -> str:
    """By the first bytes, else by the name, but only an image: no client's page is shown."""
    sniffed = sniff(head)
    if sniffed is not None:
        return sniffed
    named, encoding = mimetypes.guess_type(name)
    is_image = named is not None and named.startswith("image/") and encoding is None
    # An SVG may hold scripts.
    return named if named and is_image and named != "image/svg+xml" else _UNKNOWN
