"""Writing one picture with Pillow, and what the failures of encoders and decoders mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from PIL import Image

from errors import ImageRejected

_OUT_OF_MEMORY = (
    "Memory allocation error",  # libheif
    "Out of memory",  # libavif
    "encoding error 1",  # libwebp: VP8_ENC_ERROR_OUT_OF_MEMORY
    "Encoding of color planes failed",  # aom, for which there is hardly another reason
    "Encoding of alpha plane failed",
)


@contextmanager
def out_of_memory_translated() -> Iterator[None]:
    """libheif, libavif and libwebp say in a sentence that memory has run out: a MemoryError."""
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        if any(sentence in str(error) for sentence in _OUT_OF_MEMORY):
            raise MemoryError from error
        raise


def encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """image as a file of that format; options go to its encoder, those that are None do not.

    Raises ImageRejected (not_encodable) where the format cannot hold it, and MemoryError.
    """
    buffer = BytesIO()
    given = {name: value for name, value in options.items() if value is not None}
    try:
        image.save(buffer, file_format, **given)
    except MemoryError:
        raise
    except Exception as error:
        if "memory" in str(error).lower():  # libwebp's and libavif's way to say so
            raise MemoryError from None
        detail = f"It cannot be written as {file_format} again ({type(error).__name__}: {error})."
        raise ImageRejected("not_encodable", detail) from None
    return buffer.getvalue()
