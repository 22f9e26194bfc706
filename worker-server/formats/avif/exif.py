"""An EXIF block that goes into an AVIF byte for byte.

Pillow makes irot and imir (ISO/IEC 23008-12 section 6.5) of the block's orientation and writes the
rest anew, which breaks maker notes. So Pillow gets a stand-in: a block of the same length with the
orientation and filling. The true block replaces it in the encoded file.
"""

from PIL import Image
from PIL.ExifTags import Base as Tag

_MARKER = b"Exif\0\0"
_MIN_BYTES, _MIN_BYTES_OUTSIDE = 32, 38  # a block of one tag: its value in the entry, or outside


class ExifSlot:
    """block is what the file is to hold, maybe nothing; stand_in is for Pillow."""

    def __init__(self, block: bytes, orientation: int) -> None:
        self._block = self._taken = b""
        self.stand_in = Image.Exif()
        if block:
            self._block = _sized(block if block.startswith(_MARKER) else _MARKER + block)
            self.stand_in[Tag.XPComment] = b"\1" * (len(self._block) - _MIN_BYTES)
            self._taken = self.stand_in.tobytes()
        self.stand_in[Tag.Orientation] = orientation

    def filled(self, encoded: bytes) -> bytes:
        return encoded.replace(self._taken, self._block, 1) if self._taken else encoded


def _sized(block: bytes) -> bytes:
    """The block, padded to a length that a stand-in can have."""
    if len(block) <= _MIN_BYTES:
        return block.ljust(_MIN_BYTES, b"\0")
    return block.ljust(max(_MIN_BYTES_OUTSIDE, len(block) + len(block) % 2), b"\0")
