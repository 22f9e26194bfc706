"""The Content-Type that a stored file is served with."""

import mimetypes
import re

UNKNOWN = "application/octet-stream"
_IMAGE = re.compile(r"image/[a-z0-9.+-]{1,100}")
_SVG = "image/svg+xml"  # may hold scripts
_NAMES = mimetypes.MimeTypes()
for _subtype in ("avif", "heic", "heif", "jp2", "webp"):  # Python 3.11 does not know these
    _NAMES.add_type(f"image/{_subtype}", f".{_subtype}")


def image_type(declared: str, name: str) -> str:
    """The declared type, else the name's, if that is an image's: no HTML of a client is served."""
    named, encoding = _NAMES.guess_type(name)
    kinds = (declared.partition(";")[0].strip(), named if named and encoding is None else "")
    return next((kind for kind in kinds if _is_image_type(kind)), UNKNOWN)


def _is_image_type(kind: str) -> bool:
    return _IMAGE.fullmatch(kind) is not None and kind != _SVG
