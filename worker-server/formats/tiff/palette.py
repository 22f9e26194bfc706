"""The logo on a TIFF picture with a palette (TIFF 6.0 section 5)."""

from PIL import Image
from PIL.ExifTags import Base as Tag

from drawing import compositing
from drawing.stamp import Overlay, Stamp
from errors import ImageRejected
from formats.tiff import region
from formats.tiff.page import Page
from formats.tiff.region import Plane, Region

_KNOWN = {(1, 1), (2, 1), (4, 1), (8, 1), (8, 2)}  # bits and samples; the second is alpha


def check(page: Page) -> None:
    """Raise ImageRejected for samples that mark_page does not know."""
    if (page.bits, page.samples) not in _KNOWN:
        detail = f"TIFFs of a palette and {page.samples} x {page.bits} bits cannot be watermarked."
        raise ImageRejected("unsupported_mode", detail)


def mark_page(
    page: Page, overlay: Overlay, profile: bytes | None, stamp: Stamp
) -> dict[int, tuple[int, ...]]:
    """Put the logo on the page. Returns the tags whose values change."""
    colours = 2**page.bits
    levels = (page.values(Tag.ColorMap) + (0,) * 3 * colours)[: 3 * colours]
    shift = 8 if max(levels) > 255 else 0  # some writers fill only the lower byte
    image = _unpacked(page)
    numbers = range(colours)
    before = [levels[number + part * colours] >> shift for number in numbers for part in range(3)]
    image.putpalette(before)
    under = image.crop(overlay.box)
    compositing.composite(image, overlay.logo, (overlay.left, overlay.top), profile, colours)
    stamp.compare(under, image.crop(overlay.box))
    palette = image.getpalette() or []
    after = (palette + before[len(palette) :])[: 3 * colours]
    area = Region(*overlay.box).aligned(page)
    planes = [Plane(page, area, segments) for segments in page.planes]
    samples = image.crop(area).tobytes("raw", _raw_mode(page))
    tags = region.rewritten(page, planes, samples)
    if after != before:
        new = [after[3 * number + part] for part in range(3) for number in numbers]
        tags[Tag.ColorMap] = tuple(
            old if old >> shift == level else level * (257 if shift else 1)
            for old, level in zip(levels, new, strict=True)
        )
    return tags


def _unpacked(page: Page) -> Image.Image:
    whole = Region(0, 0, *page.size)
    planes = [Plane(page, whole, segments) for segments in page.planes]
    samples = region.interleaved([plane.read() for plane in planes], 1)
    mode = "P" if page.samples == 1 else "PA"
    return Image.frombytes(mode, page.size, samples, "raw", _raw_mode(page))


def _raw_mode(page: Page) -> str:
    """Pillow's name for the packing of the samples."""
    if page.samples == 2:
        return "PA"
    return "P" if page.bits == 8 else f"P;{page.bits}"
