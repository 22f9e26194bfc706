"""Which Content-Type a stored file is served with."""

import mimetypes
import re

UNKNOWN = "application/octet-stream"
_IMAGE = re.compile(r"image/[a-z0-9.+-]{1,100}")
_SVG = "image/svg+xml"  # may hold scripts


def image_type(declared: str, name: str) -> str:
    """The declared type, else that of the name, but only an image's: no client's page is shown."""
    named, encoding = mimetypes.guess_type(name)
    kinds = (declared.partition(";")[0].strip(), named if named and encoding is None else "")
    return next((kind for kind in kinds if is_image_type(kind)), UNKNOWN)


def is_image_type(kind: str) -> bool:
    return _IMAGE.fullmatch(kind) is not None and kind != _SVG
