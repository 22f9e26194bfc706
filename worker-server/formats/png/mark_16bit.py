"""PNGs of several channels of 16 bits, which Pillow would reduce to 8.

Pixels outside the logo's box and all other chunks are kept.
"""

from array import array
from pathlib import Path

from PIL import ImageFile

from drawing import high_bit_depth
from drawing.high_bit_depth import Alpha, Pixels
from drawing.stamp import Stamp
from formats.codecs import libvips
from formats.png import chunks, colour_space, metadata

_DEPTH, _WHITE = 16, 65535
_MODES = {"RGB;16B": "RGB", "LA;16B": "LA", "RGBA;16B": "RGBA"}  # by Pillow's raw mode


def is_16bit(image: ImageFile.ImageFile) -> bool:
    """Whether the image is for mark_png_16bit."""
    return image.format == "PNG" and any(tile.args in _MODES for tile in image.tile)


def mark_png_16bit(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    source = chunks.read(path.read_bytes())
    overlay = stamp.overlay(image.size, metadata.orientation(source))
    if overlay is None:
        image.load()  # it may be damaged all the same
        return metadata.with_kept(source, source, stamp)
    mode = _MODES[str(image.tile[0].args)]
    bands = len(mode)
    before = libvips.png_region(path, overlay.box, bands)
    samples = array("H", before)
    alpha = Alpha.STRAIGHT if mode.endswith("A") else None
    kind = Pixels(mode.removesuffix("A"), bands, alpha, 0, _WHITE)
    profile = colour_space.profile(source, image.info.get("icc_profile"))
    high_bit_depth.composite(samples, kind, overlay.logo, profile)
    stamp.compare(before, samples.tobytes())
    shape = libvips.Shape(overlay.logo.width, overlay.logo.height, bands, _DEPTH)
    corner, interlace = (overlay.left, overlay.top), bool(image.info.get("interlace"))
    new = libvips.png_with_region(path, samples.tobytes(), shape, corner, interlace=interlace)
    colours = [part for part in source if part.name in (b"IHDR", b"PLTE", b"tRNS")]
    pixels = [part for part in chunks.read(new) if part.name in (b"IDAT", b"IEND")]
    return metadata.with_kept([*colours, *pixels], source, stamp)
