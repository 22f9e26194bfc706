"""Strips and tiles of JPEG in TIFF (Adobe Photoshop TIFF Technical Notes: TTN2, draft of 1995).

A tag may hold the tables for all strips. TIFF's tags define the components; the JPEG's markers do
not. Samples are not converted to another colour space.
"""

from io import BytesIO
from typing import Any

from PIL import Image, JpegImagePlugin

from errors import ImageRejected
from formats.tiff.codec import libtiff
from formats.tiff.codec.layout import YCBCR, Layout, damaged

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_HUFFMAN, _QUANTISATION, _SCAN = 0xC4, 0xDB, 0xDA
_TABLES = (_HUFFMAN, _QUANTISATION)
_INVERTED = bytes(range(255, -1, -1))


def decode(coded: bytes, layout: Layout, rows: int) -> bytearray:
    image = _opened(coded, layout)
    if image.width < layout.width or image.height < rows:
        raise damaged("a JPEG strip or tile is smaller than it should be")
    image.load()
    if image.size != (layout.width, rows):
        image = image.crop((0, 0, layout.width, rows))
    samples = libtiff.pixels(image)
    return samples.translate(_INVERTED) if image.mode == "CMYK" else samples


def encode(samples: bytearray, layout: Layout, rows: int, like: bytes) -> bytes:
    """Coded like the strip before: the same tables, the same sampling."""
    before = _opened(like, layout)
    # Pillow inverts every CMYK JPEG, as Adobe's files need it.
    inks = samples.translate(_INVERTED) if before.mode == "CMYK" else samples
    image = Image.frombytes(before.mode, (layout.width, rows), inks)
    # Tables that the tag holds for all strips are not repeated in each.
    shared = [piece for piece in _pieces(layout.jpeg_tables) if piece[1] in _TABLES]
    optimize = all(piece[1] != _HUFFMAN for piece in shared)
    options: dict[str, Any] = {"qtables": before.quantization, "optimize": optimize}
    sampling = JpegImagePlugin.get_sampling(before)
    if layout.samples == 3:
        if sampling < 0:
            detail = "A JPEG within the TIFF is sampled in a way that cannot be written again."
            raise ImageRejected("not_encodable", detail)
        options |= {"subsampling": sampling, "keep_rgb": image.mode == "RGB"}
    file = BytesIO()
    image.save(file, "JPEG", **options)
    pieces = _pieces(file.getvalue())
    written = [piece for piece in pieces if piece not in shared and not _is_app(piece)]
    stream = _SOI + b"".join(written)
    if all(piece[1] not in _TABLES for piece in written):
        return stream
    # libtiff keeps a strip's tables for the strips that follow. Those need the shared ones again.
    return stream.removesuffix(_EOI) + b"".join(shared) + _EOI


def _is_app(piece: bytes) -> bool:
    return 0xE0 <= piece[1] <= 0xEF


def _pieces(stream: bytes) -> list[bytes]:
    """The segments of a JPEG with their markers (ITU T.81 annex B). The last is all from SOS on."""
    found, at = [], len(_SOI)
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
        if stream[at + 1] == _SCAN:
            end = len(stream)
        found.append(stream[at:end])
        at = end
    return found


def _opened(coded: bytes, layout: Layout) -> Any:
    tables = layout.jpeg_tables
    if tables[:2] == _SOI:
        tables = tables[2:].removesuffix(_EOI)
    # Adobe's marker says whether three components are YCbCr. Without it libjpeg would guess.
    transform = bytes([layout.photometric == YCBCR])
    adobe = b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0" + transform
    image: Any = Image.open(BytesIO(_SOI + adobe + tables + coded[2:]), formats=["JPEG"])
    if image.mode != _MODES.get(layout.samples):
        raise damaged("a JPEG strip or tile has other components than the tags say")
    if layout.photometric == YCBCR and layout.samples == 3:
        image.draft("YCbCr", image.size)
    return image
