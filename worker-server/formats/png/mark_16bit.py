"""PNGs of several channels of 16 bits each, which Pillow would make 8 of.

All but the pixels in the logo's box is as it was, all but the pixels chunk for chunk.
"""

from array import array
from pathlib import Path

from PIL import Image

from drawing import high_bit_depth
from drawing.high_bit_depth import Alpha, Pixels
from drawing.stamp import Stamp
from formats.codecs import libvips
from formats.png import chunks as png_chunks
from formats.png import colour_space

_DEPTH, _WHITE = 16, 65535
# Channels of PNG's colour types (PNG specification, third edition, section 11.2.1)
_CHANNELS = {2: 3, 4: 2, 6: 4}
_WITH_ALPHA = 4  # a bit of the colour type
_COLOURS = (b"IHDR", b"PLTE", b"tRNS")


def takes(path: Path, image: Image.Image) -> bool:
    """Whether marked is to see to this image."""
    return image.format == "PNG" and _header(path)[0] == _DEPTH and _header(path)[1] in _CHANNELS


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """The PNG with the logo on it."""
    _, colour_type, interlaced = _header(path)
    source = path.read_bytes()
    chunks = png_chunks.read(source)
    overlay = stamp.overlay(image.size, png_chunks.orientation(chunks))
    if overlay is None:
        image.load()  # it may be damaged all the same
        return png_chunks.carried(source, source, stamp)
    bands = _CHANNELS[colour_type]
    before = libvips.png_region(path, overlay.box, bands)
    samples = array("H", before)
    alpha = Alpha.STRAIGHT if colour_type & _WITH_ALPHA else None
    kind = Pixels("RGB" if bands > 2 else "L", bands, alpha, 0, _WHITE)
    profile = colour_space.profile(chunks, image.info.get("icc_profile"))
    high_bit_depth.put_on(samples, kind, overlay.logo, profile)
    stamp.compare(before, samples.tobytes())
    shape = libvips.Shape(overlay.logo.width, overlay.logo.height, bands, _DEPTH)
    corner = overlay.left, overlay.top
    new = libvips.png_with_region(path, samples.tobytes(), shape, corner, interlace=interlaced)
    colours = [chunk for chunk in chunks if chunk.name in _COLOURS]
    pixels = [chunk for chunk in png_chunks.read(new) if chunk.name in (b"IDAT", b"IEND")]
    return png_chunks.carried(source, png_chunks.assemble([*colours, *pixels]), stamp)


def _header(path: Path) -> tuple[int, int, bool]:
    """Depth, colour type, and whether it is interlaced (IHDR is always the first chunk)."""
    with path.open("rb") as file:
        depth, colour_type, _, _, interlace = file.read(29)[24:29]
    return depth, colour_type, bool(interlace)
