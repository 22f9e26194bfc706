"""The strips and tiles of a TIFF page: compressed bytes to samples and back (TIFF 6.0).

Samples are packed as in the file, and each row begins with a new byte. Samples of several bytes
are in this machine's byte order, and YCbCr has a Cb and a Cr for each Y. All strips or tiles in
one call have one width and are below each other. libtiff gets them as a file.
"""

import math
import sys
import zlib
from array import array
from collections.abc import Iterator
from io import BytesIO

from PIL import Image
from PIL.ExifTags import Base as Tag

from formats.codecs import libvips
from formats.tiff.codec import jpeg, libtiff, ycbcr
from formats.tiff.codec.layout import (
    BLACK_IS_ZERO,
    CCITT_G3,
    CCITT_G4,
    CCITT_RLE,
    DEFLATE,
    DEFLATES,
    HORIZONTAL,
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

_PART_BYTES = 16_000_000
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"


def decode(coded: list[bytes], layout: Layout, rows: int) -> bytearray:
    """The samples of these rows. Raises ImageRejected, or whatever a decoder raises."""
    if layout.compression in (JPEG, WEBP):
        decoder = jpeg.decode if layout.compression == JPEG else _webp_decoded
        parts = map(decoder, coded, [layout] * len(coded), _heights(layout, rows))
        return next(parts) if len(coded) == 1 else bytearray().join(parts)
    packed = _inflated(coded, layout, rows)
    if layout.unit != (1, 1):
        return bytearray(ycbcr.unpacked(packed, layout, rows))
    if layout.is_predicted:
        _undo_predictor(packed, layout)
        return packed
    return _swapped(packed, layout)


def encode(samples: bytearray, layout: Layout, rows: int, like: list[bytes]) -> list[bytes]:
    """The strips or tiles, coded like those of the source file, which are in like."""
    if layout.compression in (JPEG, WEBP):
        each = layout.height * layout.stride
        parts = [samples[start : start + each] for start in range(0, len(samples), each)]
        encoder = jpeg.encode if layout.compression == JPEG else _webp_encoded
        return list(map(encoder, parts, [layout] * len(parts), _heights(layout, rows), like))
    if layout.unit != (1, 1):
        packed = ycbcr.packed(samples, layout, rows)
    else:
        packed = (_predicted if layout.is_predicted else _swapped)(samples, layout)
    coded = _deflated(packed, layout, rows)
    return [strip.translate(_REVERSED) for strip in coded] if layout.fill_order == 2 else coded


def _heights(layout: Layout, rows: int) -> list[int]:
    return [min(layout.height, rows - top) for top in range(0, rows, layout.height)]


def _inflated(coded: list[bytes], layout: Layout, rows: int) -> bytearray:
    """The packed bytes of these rows, with the predictor still applied."""
    stride, lines = layout.packed_size(rows)
    if layout.fill_order == 2:
        coded = [strip.translate(_REVERSED) for strip in coded]
    if layout.compression in (NONE, *DEFLATES):
        _, height = layout.packed_size(layout.height)
        sizes = [stride * min(height, lines - top) for top in range(0, lines, height)]
        inflate = _cut if layout.compression == NONE else _unzipped
        packed = bytearray().join(map(inflate, coded, sizes))
    else:
        packed = libtiff.decoded(coded, layout, lines)
    if len(packed) < stride * lines:
        raise damaged("the data of a strip or tile ends too early")
    return packed


def _cut(coded: bytes, size: int) -> bytes:
    return coded[:size]


def _unzipped(coded: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(coded, size)


def _deflated(packed: bytearray, layout: Layout, rows: int) -> list[bytes]:
    if layout.compression in (NONE, *DEFLATES):
        each = math.prod(layout.packed_size(layout.height))
        parts = [packed[start : start + each] for start in range(0, len(packed), each)]
        return list(map(bytes if layout.compression == NONE else zlib.compress, parts))
    name = _BY_LIBTIFF[layout.compression]
    return libtiff.encoded(packed, layout, layout.packed_size(rows)[1], name)


def _swapped(samples: bytearray, layout: Layout) -> bytearray:
    """From the file's byte order into this machine's, or back."""
    code = {16: "H", 32: "I", 64: "Q"}.get(layout.bits)
    if code is None or layout.order == _NATIVE_ORDER:
        return samples
    numbers = array(code, samples)
    numbers.byteswap()
    return bytearray(numbers.tobytes())


def _undo_predictor(packed: bytearray, layout: Layout) -> None:
    """Make samples of the differences within each row (TIFF 6.0 section 14), in place."""
    tags: dict[int, int] = {
        Tag.BitsPerSample: layout.bits,
        Tag.Compression: DEFLATE,
        Tag.PhotometricInterpretation: BLACK_IS_ZERO,
        Tag.SamplesPerPixel: layout.samples,
        Tag.Predictor: layout.predictor,
        Tag.ExtraSamples: 0,
        Tag.SampleFormat: layout.sample_format,
    }
    for start, end, rows in _parts(packed, layout):
        strip = zlib.compress(packed[start:end], 0)
        file = libtiff.page_of([strip], layout.order, (layout.width, rows), rows, tags)
        packed[start:end] = libvips.tiff_samples(file)


def _predicted(samples: bytearray, layout: Layout) -> bytearray:
    """The differences within each row."""
    is_horizontal = layout.predictor == HORIZONTAL
    packed = bytearray()
    for start, end, rows in _parts(samples, layout):
        shape = libvips.Shape(layout.width, rows, layout.samples, layout.bits, layout.sample_format)
        predictor = "horizontal" if is_horizontal else "float"
        file = libvips.predicted_tiff(bytes(samples[start:end]), shape, predictor)
        for strip in libtiff.strips(file):
            packed += zlib.decompress(strip)
    return _swapped(packed, layout) if is_horizontal else packed


def _parts(samples: bytearray, layout: Layout) -> Iterator[tuple[int, int, int]]:
    """Start, end and number of some rows at a time, to save memory."""
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
