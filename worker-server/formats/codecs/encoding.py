"""Writing one picture with Pillow, and recognising a lack of memory among its failures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from PIL import Image

from errors import ImageRejected

_OUT_OF_MEMORY = re.compile(
    "out of memory"  # libavif, libvips, Pillow's own encoders
    "|memory allocation error"  # libheif
    "|(unable to|cannot) allocate"  # libvips
    r"|encoding error [12]\b"  # libwebp: VP8_ENC_ERROR_(BITSTREAM_)OUT_OF_MEMORY
    "|encoding of (color planes|alpha plane) failed",  # aom, which has hardly another reason
    re.IGNORECASE,
)


@contextmanager
def as_memory_error() -> Iterator[None]:
    """Raise MemoryError where a library reports a lack of memory as another error."""
    try:
        yield
    except Exception as error:
        if _OUT_OF_MEMORY.search(str(error)):
            raise MemoryError from error
        raise


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """image as a file of that format. options are its encoder's; those that are None are left out.

    Raises ImageRejected (not_encodable) where the format cannot hold it, and MemoryError.
    """
    buffer = BytesIO()
    given = {name: value for name, value in options.items() if value is not None}
    try:
        with as_memory_error():
            image.save(buffer, file_format, **given)
    except MemoryError:
        raise
    except Exception as error:
        size = f"{image.width} x {image.height} pixels"
        detail = f"{size} cannot be written as {file_format} ({error})."
        raise ImageRejected("not_encodable", detail) from None
    return buffer.getvalue()
