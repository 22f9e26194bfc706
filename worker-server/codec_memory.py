"""libheif and libavif say in a sentence that memory has run out: here it becomes a MemoryError."""

from collections.abc import Iterator
from contextlib import contextmanager

_SENTENCES = (
    "Memory allocation error",  # libheif
    "Out of memory",  # libavif
    "encoding error 1",  # libwebp: VP8_ENC_ERROR_OUT_OF_MEMORY
    "Encoding of color planes failed",  # aom, for which there is hardly another reason
    "Encoding of alpha plane failed",
)


@contextmanager
def told() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        if any(sentence in str(error) for sentence in _SENTENCES):
            raise MemoryError from error
        raise
