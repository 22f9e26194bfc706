"""TIFF: the logo on each page. Only the strips or tiles that it touches are written anew."""

from pathlib import Path

from PIL import Image
from PIL.ExifTags import Base as Tag

from drawing.stamp import Stamp
from errors import ImageRejected
from formats.tiff import metadata, palette, region, samples
from formats.tiff.codec import codec
from formats.tiff.codec.layout import OLD_JPEG, PALETTE, damaged
from formats.tiff.file import Directory, TiffFile
from formats.tiff.page import Page
from formats.tiff.region import Plane, Region
from options import Metadata

_REDUCED, _MASK = 1, 4  # bits of NewSubfileType


def mark_tiff(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """The file with the logo on every page and on every smaller copy of a page."""
    file = TiffFile(path.read_bytes())
    pages, unmarked = _pages(file)
    _check_pixels(pages, stamp)
    file.reserve([place for page in pages for place in page.ranges])
    new = {page.directory.offset: _mark_page(page, stamp) for page in pages}
    policy: Metadata = stamp.options.metadata
    for directory in file.directories:
        tags = new.get(directory.offset, {})
        dropped = metadata.dropped(file, directory, policy)
        dropped |= {Tag.SubIFDs} if unmarked else set()
        if tags or dropped & directory.entries.keys():
            file.rewrite(directory, dropped, tags)
    metadata.blank(file, policy)
    if unmarked:
        stamp.note("Smaller copies beside a page could not be marked; they are gone.")
    return bytes(file.data)


def _pages(file: TiffFile) -> tuple[list[Page], list[Directory]]:
    """The pictures to mark, and smaller copies that cannot be marked."""
    pages: list[Page] = []
    unmarked: list[Directory] = []
    for directory in file.directories:
        if not directory.is_picture or (directory.tag and Tag.ImageWidth not in directory.entries):
            continue
        subfile = file.values(directory.entries.get(Tag.NewSubfileType), (0,))[0]
        if subfile & _MASK:
            continue
        try:
            pages.append(checked(Page(file, directory)))
        except ImageRejected:
            if directory.tag is None or not subfile & _REDUCED:
                raise
            unmarked.append(directory)
    if not pages:
        raise damaged("it has no page")
    return pages, unmarked


def checked(page: Page) -> Page:
    """Raises ImageRejected for what mark_tiff does not know."""
    compression = page.layout.compression
    if compression == OLD_JPEG:
        detail = "It is a TIFF in old-style JPEG, which nothing writes any more. "
        raise ImageRejected("not_encodable", f"{detail}Save it as JPEG, or as another TIFF.")
    if compression not in codec.KNOWN:
        detail = f"TIFFs with compression {compression} cannot be watermarked."
        raise ImageRejected("unsupported_mode", detail)
    (palette if page.photometric == PALETTE else samples).check(page)
    return page


def _check_pixels(pages: list[Page], stamp: Stamp) -> None:
    pixels = [page.width * page.height for page in pages]
    if max(pixels) > stamp.options.max_pixels or sum(pixels) > stamp.options.max_total_pixels:
        detail = "A page has more pixels than MAX_MEGAPIXELS allows, "
        detail += "or all of them than MAX_TOTAL_MEGAPIXELS."
        raise ImageRejected("too_many_pixels", detail)


def _mark_page(page: Page, stamp: Stamp) -> dict[int, tuple[int, ...]]:
    """Put the logo on a page. Returns the tags whose values change."""
    overlay = stamp.overlay(page.size, page.number(Tag.Orientation, 1))
    profile = page.raw(Tag.InterColorProfile)
    if overlay is None:
        region.check_rest(page, None)
        return {}
    if page.photometric == PALETTE:
        return palette.mark_page(page, overlay, profile, stamp)
    area = Region(*overlay.box).aligned(page)
    levels = region.check_rest(page, area)
    planes = [Plane(page, area, segments) for segments in page.planes]
    before = region.interleaved([plane.read() for plane in planes], page.bits // 8)
    logo = Image.new("RGBA", area.size)
    logo.paste(overlay.logo, (overlay.left - area.left, overlay.top - area.top))
    after = samples.with_logo(page, before, logo, profile, levels)
    stamp.compare(before, after)
    return region.rewritten(page, planes, after)
