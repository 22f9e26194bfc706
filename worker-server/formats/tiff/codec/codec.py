"""The strips and tiles of a TIFF page: compressed bytes to samples and back (TIFF 6.0).

Samples are packed as TIFF packs them, each row beginning with a byte of its own, those of more
than a byte in this machine's order, YCbCr with as much of Cb and Cr as of Y. All strips or tiles
in one call are of one width and stand below each other; where it takes libtiff, they go
through it as a file of their own.
"""

import sys
import zlib
from array import array
from collections.abc import Iterator
from io import BytesIO

from PIL import Image

from formats.codecs import libvips
from formats.tiff.codec import jpeg, libtiff, ycbcr
from formats.tiff.codec.layout import (
    CCITT,
    CCITT_G3,
    CCITT_G4,
    CCITT_RLE,
    DEFLATE,
    DEFLATES,
    JPEG,
    LZMA,
    LZW,
    NONE,
    PACKBITS,
    WEBP,
    ZSTD,
    Layout,
    damaged,
)

_BY_LIBTIFF = {
    CCITT_RLE: "tiff_ccitt",
    CCITT_G3: "group3",
    CCITT_G4: "group4",
    LZW: "tiff_lzw",
    PACKBITS: "packbits",
    LZMA: "lzma",
    ZSTD: "zstd",
}
KNOWN = {NONE, JPEG, WEBP, *DEFLATES, *_BY_LIBTIFF}

_HORIZONTAL = 2
_PART_BYTES = 16_000_000
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_OWN_ORDER = "<" if sys.byteorder == "little" else ">"


def decode(coded: list[bytes], layout: Layout, rows: int) -> bytearray:
    """The samples of so many rows. Raises ImageRejected, or whatever a decoder raises."""
    if layout.compression in (JPEG, WEBP):
        decoder = jpeg.decode if layout.compression == JPEG else _webp_decoded
        parts = map(decoder, coded, [layout] * len(coded), _heights(layout, rows))
        return next(parts) if len(coded) == 1 else bytearray().join(parts)
    if layout.unit != (1, 1):
        stride, lines = ycbcr.packed_size(layout, rows)
        packed = _inflated(coded, layout, stride, lines, layout.height // layout.unit[1])
        return bytearray(ycbcr.spread(packed, layout, rows))
    packed = _inflated(coded, layout, layout.stride, rows, layout.height)
    if layout.is_predicted:
        _sum_up(packed, layout)
        return packed
    return _swapped(packed, layout)


def encode(samples: bytearray, layout: Layout, rows: int, like: list[bytes]) -> list[bytes]:
    """like are the strips as they were coded before."""
    if layout.compression in (JPEG, WEBP):
        each = layout.height * layout.stride
        parts = [samples[start : start + each] for start in range(0, len(samples), each)]
        encoder = jpeg.encode if layout.compression == JPEG else _webp_encoded
        return list(map(encoder, parts, [layout] * len(parts), _heights(layout, rows), like))
    if layout.unit != (1, 1):
        packed = ycbcr.gathered(samples, layout, rows)
        stride, lines = ycbcr.packed_size(layout, rows)
        coded = _deflated(packed, layout, stride, lines, layout.height // layout.unit[1])
    else:
        packed = (_differences if layout.is_predicted else _swapped)(samples, layout)
        coded = _deflated(packed, layout, layout.stride, rows, layout.height)
    return [strip.translate(_REVERSED) for strip in coded] if layout.fill_order == 2 else coded


def _heights(layout: Layout, rows: int) -> list[int]:
    return [min(layout.height, rows - top) for top in range(0, rows, layout.height)]


def _inflated(coded: list[bytes], layout: Layout, stride: int, rows: int, height: int) -> bytearray:
    """The bytes of so many rows, height in each strip; the predictor not undone."""
    if layout.fill_order == 2:
        coded = [strip.translate(_REVERSED) for strip in coded]
    if layout.compression in (NONE, *DEFLATES):
        sizes = [stride * min(height, rows - top) for top in range(0, rows, height)]
        inflate = _cut if layout.compression == NONE else _unzipped
        packed = bytearray().join(map(inflate, coded, sizes))
    else:
        packed = libtiff.decoded(coded, _small(layout, stride, height), rows)
    if len(packed) < stride * rows:
        raise damaged("the data of a strip or tile ends too early")
    return packed


def _cut(coded: bytes, size: int) -> bytes:
    return coded[:size]


def _unzipped(coded: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(coded, size)


def _deflated(
    packed: bytearray, layout: Layout, stride: int, rows: int, height: int
) -> list[bytes]:
    if layout.compression in (NONE, *DEFLATES):
        each = stride * height
        parts = [packed[start : start + each] for start in range(0, len(packed), each)]
        return list(map(bytes if layout.compression == NONE else zlib.compress, parts))
    name = _BY_LIBTIFF[layout.compression]
    return libtiff.encoded(packed, _small(layout, stride, height), rows, name)


def _small(layout: Layout, stride: int, height: int) -> libtiff.Shape:
    """Bits for fax; for the others only bytes, whatever they are part of."""
    if layout.compression in CCITT:
        return libtiff.Shape(layout.width, 1, height, layout.compression, layout.fax_options)
    return libtiff.Shape(stride, 8, height, layout.compression)


def _swapped(samples: bytearray, layout: Layout) -> bytearray:
    code = {16: "H", 32: "I", 64: "Q"}.get(layout.bits)
    if code is None or layout.order == _OWN_ORDER:
        return samples
    numbers = array(code, samples)
    numbers.byteswap()
    return bytearray(numbers.tobytes())


def _sum_up(packed: bytearray, layout: Layout) -> None:
    """Undo a predictor, which leaves differences within each row (TIFF 6.0 section 14)."""
    tags = {258: layout.bits, 259: DEFLATE, 262: 1, 277: layout.samples, 317: layout.predictor}
    tags |= {338: 0, 339: layout.sample_format}
    for start, end, rows in _parts(packed, layout):
        strip = zlib.compress(packed[start:end], 0)
        file = libtiff.file(layout.order, (layout.width, rows), tags, [strip], rows)
        packed[start:end] = libvips.tiff_samples(file)


def _differences(samples: bytearray, layout: Layout) -> bytearray:
    is_horizontal = layout.predictor == _HORIZONTAL
    packed = bytearray()
    for start, end, rows in _parts(samples, layout):
        shape = libvips.Shape(layout.width, rows, layout.samples, layout.bits, layout.sample_format)
        if is_horizontal and layout.bits in (8, 16):
            unsigned = shape._replace(sample_format=1)
            packed += libvips.differences(bytes(samples[start:end]), unsigned)
            continue
        predictor = "horizontal" if is_horizontal else "float"
        file = libvips.predicted_tiff(bytes(samples[start:end]), shape, predictor)
        for strip in libtiff.strips(file):
            packed += zlib.decompress(strip)
    return _swapped(packed, layout) if is_horizontal else packed


def _parts(samples: bytearray, layout: Layout) -> Iterator[tuple[int, int, int]]:
    """Some rows at a time, to spare memory: from where to where they are, and how many."""
    each = max(1, _PART_BYTES // layout.stride) * layout.stride
    for start in range(0, len(samples), each):
        end = min(start + each, len(samples))
        yield start, end, (end - start) // layout.stride


def _webp_decoded(coded: bytes, layout: Layout, rows: int) -> bytearray:
    with Image.open(BytesIO(coded), formats=["WEBP"]) as image:
        if image.size != (layout.width, rows):
            raise damaged("a WebP strip or tile is of another size")
        return bytearray(image.convert("RGB" if layout.samples == 3 else "RGBA").tobytes())


def _webp_encoded(samples: bytearray, layout: Layout, rows: int, like: bytes) -> bytes:
    mode = "RGB" if layout.samples == 3 else "RGBA"
    image = Image.frombytes(mode, (layout.width, rows), samples)
    file = BytesIO()
    lossless = like[12:16] == b"VP8L" or b"VP8L" in like[12:64]
    image.save(file, "WEBP", lossless=lossless, exact=True, quality=90, method=4)
    return file.getvalue()
