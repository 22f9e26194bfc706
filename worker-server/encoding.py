"""Writing one picture with Pillow, and what its failures mean."""

from io import BytesIO
from typing import Any

from PIL import Image

from errors import ImageRejected


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
