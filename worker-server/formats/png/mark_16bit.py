"""PNGs of several channels of 16 bits, which Pillow would reduce to 8.

Pixels outside the logo's box and all other chunks are kept.
"""

from array import array
from pathlib import Path

from PIL import Image

from drawing import high_bit_depth
from drawing.high_bit_depth import Alpha, Pixels
from drawing.stamp import Stamp
from formats.codecs import libvips
from formats.png import chunks, colour_space, metadata

_DEPTH, _WHITE = 16, 65535
_CHANNELS = {2: 3, 4: 2, 6: 4}  # by colour type (PNG, section 11.2.1)
_WITH_ALPHA = 4  # a bit of the colour type


def is_16bit(path: Path, image: Image.Image) -> bool:
    """Whether the image is for mark_png_16bit."""
    return image.format == "PNG" and _header(path)[0] == _DEPTH and _header(path)[1] in _CHANNELS


def mark_png_16bit(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    _, colour_type, interlaced = _header(path)
    source = chunks.read(path.read_bytes())
    overlay = stamp.overlay(image.size, metadata.orientation(source))
    if overlay is None:
        image.load()  # raises where the image is damaged
        return metadata.with_kept(source, source, stamp)
    bands = _CHANNELS[colour_type]
    before = libvips.png_box(path, overlay.box, bands)
    samples = array("H", before)
    alpha = Alpha.STRAIGHT if colour_type & _WITH_ALPHA else None
    kind = Pixels("RGB" if bands > 2 else "L", bands, alpha, 0, _WHITE)
    profile = colour_space.profile(source, image.info.get("icc_profile"))
    high_bit_depth.put_on(samples, kind, overlay.logo, profile)
    stamp.compare(before, samples.tobytes())
    shape = libvips.Shape(overlay.logo.width, overlay.logo.height, bands, _DEPTH)
    corner = overlay.left, overlay.top
    new = libvips.png_with_box(path, samples.tobytes(), shape, corner, interlace=interlaced)
    colours = [part for part in source if part.name in (b"IHDR", b"PLTE", b"tRNS")]
    pixels = [part for part in chunks.read(new) if part.name in (b"IDAT", b"IEND")]
    return metadata.with_kept([*colours, *pixels], source, stamp)


def _header(path: Path) -> tuple[int, int, bool]:
    """Depth, colour type, and whether it is interlaced (IHDR is always the first chunk)."""
    with path.open("rb") as file:
        depth, colour_type, _, _, interlace = file.read(29)[24:29]
    return depth, colour_type, bool(interlace)
