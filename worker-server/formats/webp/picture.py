"""One picture of a WebP file: its bitstream decoded and encoded (RFC 9649)."""

import math
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from formats.codecs.encoding import encoded
from formats.webp import vp8_quality
from formats.webp.riff import ALPHA, Chunk, assemble, parsed
from options import Options

BITSTREAM = (b"ALPH", b"VP8 ", b"VP8L")
# Below it the logo's edges get visibly worse; the SSIM of a photo of quality 75 falls below 0.98.
_MIN_QUALITY = 80
# The effort for up to so many pixels in all pictures, so that a file takes some seconds at most
_LOSSLESS = {
    4_000_000: {"quality": 75, "method": 4},
    20_000_000: {"quality": 20, "method": 1},
    math.inf: {"quality": 0, "method": 0},
}
_LOSSY = {20_000_000: {"method": 4}, 60_000_000: {"method": 2}, math.inf: {"method": 0}}
_VP8L_ALPHA = 4, 0x10  # byte and bit of the hint that there is alpha [3.4]


def has_alpha(chunks: Sequence[Chunk]) -> bool:
    return any(
        chunk.name == b"ALPH" or (chunk.name == b"VP8L" and _has_alpha_hint(chunk.data))
        for chunk in chunks
    )


def decoded(chunks: Sequence[Chunk], size: tuple[int, int]) -> Image.Image:
    """A frame, RGB or RGBA. Raises ValueError, or whatever Pillow raises where it is damaged."""
    bitstream = [chunk for chunk in chunks if chunk.name in BITSTREAM]
    if bitstream and bitstream[0].name == b"ALPH":
        sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
        bitstream.insert(0, Chunk(b"VP8X", bytes([ALPHA, 0, 0, 0]) + sides))
    with Image.open(BytesIO(assemble(bitstream)), formats=("WEBP",)) as image:
        if image.size != size:
            raise ValueError("a frame is not as large as it says")
        load(image)
        return image.copy()


def load(image: Image.Image) -> None:
    """image.load(). Raises MemoryError for a lack of memory; drops the decoder, to save some."""
    try:
        image.load()
    except EOFError:  # libwebp gives no reason; a lossless picture needs 4 bytes a pixel
        bytearray(4 * image.width * image.height)
        raise
    vars(image).pop("_decoder", None)  # it holds two whole canvases


def reencoded(
    image: Image.Image, chunks: Sequence[Chunk], options: Options, all_pixels: int
) -> list[Chunk]:
    """The chunks with image as their picture, lossless or lossy like the old one.

    all_pixels is how many the whole file has to encode. Raises MemoryError, ImageRejected.
    """
    if any(chunk.name == b"VP8L" for chunk in chunks):
        bitstream = _bitstream(image, lossless=True, exact=True, **_effort(_LOSSLESS, all_pixels))
        if has_alpha(chunks):
            bitstream = [Chunk(name, _with_alpha_hint(data)) for name, data in bitstream]
    else:
        quality = _quality(chunks, options)
        bitstream = _bitstream(image, quality=quality, **_effort(_LOSSY, all_pixels))
    kept = [chunk for chunk in chunks if chunk.name not in BITSTREAM]
    before = next(number for number, chunk in enumerate(chunks) if chunk.name in BITSTREAM)
    return [*kept[:before], *bitstream, *kept[before:]]


def _effort(efforts: dict[float, dict[str, int]], pixels: int) -> dict[str, int]:
    return next(effort for most, effort in efforts.items() if pixels <= most)


def _quality(chunks: Sequence[Chunk], options: Options) -> int:
    """OUTPUT_QUALITY, or that of the source."""
    if options.output_quality is not None:
        return options.output_quality
    source = next(chunk.data for chunk in chunks if chunk.name == b"VP8 ")
    return max(vp8_quality.quality(source), _MIN_QUALITY)


def _bitstream(image: Image.Image, **how: int) -> list[Chunk]:
    file = encoded(image, "WEBP", exif=b"", xmp=b"", alpha_quality=100, **how)
    return [chunk for chunk in parsed(file).chunks if chunk.name in BITSTREAM]


def _has_alpha_hint(bitstream: bytes) -> bool:
    byte, bit = _VP8L_ALPHA
    return bool(bitstream[byte] & bit)


def _with_alpha_hint(bitstream: bytes) -> bytes:
    """The hint keeps the mode RGBA where the picture is opaque."""
    byte, bit = _VP8L_ALPHA
    return bitstream[:byte] + bytes([bitstream[byte] | bit]) + bitstream[byte + 1 :]
