"""One picture of a WebP file: its bitstream decoded, and made anew (RFC 9649)."""

import re
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from formats.webp import file as webp_file
from formats.webp import vp8_quality
from formats.webp.file import ALPHA, Chunk
from options import Options

BITSTREAM = (b"ALPH", b"VP8 ", b"VP8L")
# Below it the logo's edges suffer visibly; the SSIM of a photo that was 75 falls below 0.98.
_LEAST_QUALITY = 80
# Up to how many pixels in all pictures how thoroughly, so that each takes some seconds at most.
_LOSSLESS = {4_000_000: {"quality": 75, "method": 4}, 20_000_000: {"quality": 20, "method": 1}}
_LOSSLESS_BEYOND = {"quality": 0, "method": 0}
_LOSSY = {20_000_000: {"method": 4}, 60_000_000: {"method": 2}}
_LOSSY_BEYOND = {"method": 0}
_LOSSLESS_ALPHA = 4, 0x10  # where VP8L says that it has alpha: byte, bit [3.4]
# libwebp's VP8_ENC_ERROR_OUT_OF_MEMORY and ..._BITSTREAM_OUT_OF_MEMORY, as Pillow tells them
_OUT_OF_MEMORY = re.compile(r"encoding error [12]\b")


def has_alpha(chunks: Sequence[Chunk]) -> bool:
    return any(
        chunk.name == b"ALPH" or (chunk.name == b"VP8L" and _says_alpha(chunk.data))
        for chunk in chunks
    )


def is_lossless(chunks: Sequence[Chunk]) -> bool:
    return any(chunk.name == b"VP8L" for chunk in chunks)


def decoded(chunks: Sequence[Chunk], size: tuple[int, int]) -> Image.Image:
    """A frame, RGB or RGBA. Raises ValueError, or what Pillow does, where it is damaged."""
    bitstream = [chunk for chunk in chunks if chunk.name in BITSTREAM]
    if bitstream and bitstream[0].name == b"ALPH":
        sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
        bitstream.insert(0, Chunk(b"VP8X", bytes([ALPHA, 0, 0, 0]) + sides))
    with Image.open(BytesIO(webp_file.riff(bitstream)), formats=("WEBP",)) as image:
        if image.size != size:
            raise ValueError("a frame is not as large as it says")
        load(image)
        return image.copy()


def load(image: Image.Image) -> None:
    """image.load(), telling damage from want of memory, and without the decoder afterwards."""
    try:
        image.load()
    except EOFError:  # libwebp does not say why; a lossless picture takes it 4 bytes a pixel
        bytearray(4 * image.width * image.height)
        raise
    vars(image).pop("_decoder", None)  # it holds two whole canvases


def encoded(
    image: Image.Image, chunks: Sequence[Chunk], options: Options, all_pixels: int
) -> list[Chunk]:
    """The chunks with image for a picture, encoded as that was.

    all_pixels is how much there is to encode in the whole file. Raises MemoryError.
    """
    if is_lossless(chunks):
        effort = _effort(_LOSSLESS, all_pixels) or _LOSSLESS_BEYOND
        bitstream = _bitstream(image, lossless=True, exact=True, **effort)
        if has_alpha(chunks):
            bitstream = [Chunk(name, _saying_alpha(data)) for name, data in bitstream]
    else:
        effort = _effort(_LOSSY, all_pixels) or _LOSSY_BEYOND
        bitstream = _bitstream(image, quality=_quality(chunks, options), **effort)
    kept = [chunk for chunk in chunks if chunk.name not in BITSTREAM]
    before = next(number for number, chunk in enumerate(chunks) if chunk.name in BITSTREAM)
    return [*kept[:before], *bitstream, *kept[before:]]


def _effort(efforts: dict[int, dict[str, int]], pixels: int) -> dict[str, int] | None:
    return next((effort for most, effort in efforts.items() if pixels <= most), None)


def _quality(chunks: Sequence[Chunk], options: Options) -> int:
    """That of the source, unless one is asked for."""
    if options.output_quality is not None:
        return options.output_quality
    source = next(chunk.data for chunk in chunks if chunk.name == b"VP8 ")
    return max(vp8_quality.quality(source), _LEAST_QUALITY)


def _bitstream(image: Image.Image, **how: int) -> list[Chunk]:
    file = BytesIO()
    try:
        image.save(file, "WEBP", icc_profile=None, exif=b"", xmp=b"", alpha_quality=100, **how)
    except ValueError as error:
        if _OUT_OF_MEMORY.search(str(error)):
            raise MemoryError from None
        raise
    chunks = webp_file.parsed(file.getvalue()).chunks
    return [chunk for chunk in chunks if chunk.name in BITSTREAM]


def _says_alpha(bitstream: bytes) -> bool:
    byte, bit = _LOSSLESS_ALPHA
    return bool(bitstream[byte] & bit)


def _saying_alpha(bitstream: bytes) -> bytes:
    """With the hint that there is alpha, be it opaque everywhere: then the mode stays RGBA."""
    byte, bit = _LOSSLESS_ALPHA
    return bitstream[:byte] + bytes([bitstream[byte] | bit]) + bitstream[byte + 1 :]
