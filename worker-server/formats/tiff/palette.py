"""The logo on a TIFF picture with a palette (TIFF 6.0 section 5)."""

from PIL import Image

from drawing import compositing
from drawing.stamp import Overlay, Stamp
from errors import ImageRejected
from formats.tiff import region
from formats.tiff.page import Page
from formats.tiff.region import Box, Plane

_COLOUR_MAP = 320


def check(page: Page) -> None:
    """Raise ImageRejected for samples that mark does not know."""
    alone, with_alpha = (1,), (2,)
    known = {(bits, 1) for bits in (1, 2, 4, 8)} | {(8, 2)}
    if (page.bits, page.samples) not in known or (page.samples,) not in (alone, with_alpha):
        detail = f"TIFFs of a palette and {page.samples} x {page.bits} bits cannot be watermarked."
        raise ImageRejected("unsupported_mode", detail)


def mark(
    page: Page, overlay: Overlay, profile: bytes | None, stamp: Stamp
) -> dict[int, tuple[int, ...]]:
    """Returns the tags that have other values now."""
    colours = 2**page.bits
    levels = page.values(_COLOUR_MAP)
    levels = (levels + (0,) * 3 * colours)[: 3 * colours]
    is_deep = max(levels) > 255  # some writers fill only the lower byte
    image = _unpacked(page, region.whole(page))
    before = [
        levels[number + part * colours] >> (8 if is_deep else 0)  # some only the upper one
        for number in range(colours)
        for part in range(3)
    ]
    image.putpalette(before)
    under = image.crop(overlay.box)
    compositing.composite(image, overlay.logo, (overlay.left, overlay.top), profile, colours)
    stamp.compare(under, image.crop(overlay.box))
    after = ((image.getpalette() or []) + before[len(image.getpalette() or []) :])[: 3 * colours]
    box = Box(*overlay.box).aligned(page)
    planes = [Plane(page, box, segments) for segments in page.planes]
    tags = region.rewritten(page, planes, _packed(page, image.crop(box)))
    if after != before:
        changed = list(levels)
        for number in range(3 * colours):
            if after[number] != before[number]:
                changed[number // 3 + number % 3 * colours] = after[number] * (
                    257 if is_deep else 1
                )
        tags[_COLOUR_MAP] = tuple(changed)
    return tags


def _unpacked(page: Page, box: Box) -> Image.Image:
    planes = [Plane(page, box, segments) for segments in page.planes]
    samples = region.together([plane.gather() for plane in planes], 1)
    if page.samples == 2:
        return Image.frombytes("PA", box.size, samples)
    return Image.frombytes(
        "P", box.size, samples, "raw", "P" if page.bits == 8 else f"P;{page.bits}"
    )


def _packed(page: Page, image: Image.Image) -> bytes:
    if page.bits == 8:
        return image.tobytes()
    return image.tobytes("raw", f"P;{page.bits}")
