"""An EXIF block that goes into an AVIF byte for byte.

Pillow takes the orientation out of it, makes irot and imir of that (ISO/IEC 23008-12 section 6.5)
and writes the rest anew, maker notes broken. So it is given a block of the same length that holds
the orientation and filling, and the true one takes that one's place afterwards.
"""

from PIL import Image

_ORIENTATION = 0x0112
_FILLING = 0x9C9C  # XPComment: a tag that holds any bytes
_MARKER = b"Exif\0\0"
_LEAST, _LEAST_FILLED = 32, 38  # a block of one tag, with its value in it or behind it


class ExifSlot:
    """block is what is to be kept, if anything; stand_in is what Pillow is given."""

    def __init__(self, block: bytes, orientation: int) -> None:
        self._block = self._taken = b""
        self.stand_in = Image.Exif()
        if block:
            self._block = _sized(block if block.startswith(_MARKER) else _MARKER + block)
            self.stand_in[_FILLING] = b"\1" * (len(self._block) - _LEAST)
            self._taken = self.stand_in.tobytes()
        self.stand_in[_ORIENTATION] = orientation

    def filled(self, encoded: bytes) -> bytes:
        return encoded.replace(self._taken, self._block, 1) if self._taken else encoded


def _sized(block: bytes) -> bytes:
    """Of a length that a stand-in can have."""
    if len(block) <= _LEAST:
        return block.ljust(_LEAST, b"\0")
    return block.ljust(max(_LEAST_FILLED, len(block) + len(block) % 2), b"\0")
