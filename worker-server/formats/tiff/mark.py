"""TIFF: the logo on each page, in the strips or tiles it touches; all else stays as it lies."""

from pathlib import Path

from PIL import Image

from drawing.stamp import Stamp
from errors import ImageRejected
from formats.tiff import metadata, palette, region
from formats.tiff import samples as tiff_samples
from formats.tiff.codec import codec
from formats.tiff.codec.layout import OLD_JPEG, damaged
from formats.tiff.file import SUB_IFDS, Directory, TiffFile
from formats.tiff.page import Page
from formats.tiff.region import Box, Plane
from options import Metadata

_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4
_ORIENTATION, _ICC_PROFILE, _WIDTH = 274, 34675, 256
_PALETTE = 3

Tags = dict[int, tuple[int, ...]]


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """The file with the logo on every page and on every smaller copy of a page."""
    file = TiffFile(path.read_bytes())
    pages, unmarked = _pages(file)
    _check_pixels(pages, stamp)
    file.take([place for page in pages for place in page.ranges])
    new = {page.directory.offset: _mark(page, stamp) for page in pages}
    policy: Metadata = stamp.options.metadata
    for directory in file.directories:
        tags, gone = new.get(directory.offset, ({}, set()))
        gone = gone | metadata.dropped(file, directory, policy)
        gone |= {SUB_IFDS} if unmarked else set()
        if tags or gone & directory.entries.keys():
            file.rewrite(directory, gone, tags)
    metadata.blank(file, policy)
    if unmarked:
        stamp.note("Smaller copies beside a page could not be marked; they are gone.")
    return bytes(file.data)


def _pages(file: TiffFile) -> tuple[list[Page], list[Directory]]:
    """The pictures to mark; small ones that cannot be."""
    pages: list[Page] = []
    unmarked: list[Directory] = []
    for directory in file.directories:
        if not directory.is_picture or (directory.tag and _WIDTH not in directory.entries):
            continue
        subfile = file.values(directory.entries.get(_SUBFILE_TYPE), (0,))[0]
        if subfile & _MASK:
            continue
        try:
            pages.append(_checked(file, directory))
        except ImageRejected:
            if directory.tag is None or not subfile & _REDUCED:
                raise
            unmarked.append(directory)
    if not pages:
        raise damaged("it has no page")
    return pages, unmarked


def _checked(file: TiffFile, directory: Directory) -> Page:
    page = Page(file, directory)
    compression = page.layout.compression
    if compression == OLD_JPEG:
        detail = "It is a TIFF in old-style JPEG, which nothing writes any more. "
        raise ImageRejected("not_encodable", f"{detail}Save it as JPEG, or as another TIFF.")
    if compression not in codec.KNOWN:
        detail = f"TIFFs with compression {compression} cannot be watermarked."
        raise ImageRejected("unsupported_mode", detail)
    if page.photometric == _PALETTE:
        palette.check(page)
    else:
        tiff_samples.check(page)
    return page


def _check_pixels(pages: list[Page], stamp: Stamp) -> None:
    pixels = [page.width * page.height for page in pages]
    if max(pixels) > stamp.options.max_pixels or sum(pixels) > stamp.options.max_total_pixels:
        detail = "A page has more pixels than MAX_MEGAPIXELS allows, "
        detail += "or all of them than MAX_TOTAL_MEGAPIXELS."
        raise ImageRejected("too_many_pixels", detail)


def _mark(page: Page, stamp: Stamp) -> tuple[Tags, set[int]]:
    """Put the logo on a page. Returns what its directory has to say now, and no longer."""
    overlay = stamp.overlay(page.size, page.number(_ORIENTATION, 1))
    entry = page.directory.entries.get(_ICC_PROFILE)
    profile = page.file.raw(entry) if entry else None
    if overlay is None:
        region.read_through(page, None)
        return {}, set()
    if page.photometric == _PALETTE:
        return palette.mark(page, overlay, profile, stamp), set()
    box = Box(*overlay.box).aligned(page)
    levels = region.read_through(page, box)
    planes = [Plane(page, box, segments) for segments in page.planes]
    samples = region.together([plane.gather() for plane in planes], page.bits // 8)
    logo = Image.new("RGBA", box.size)
    logo.paste(overlay.logo, (overlay.left - box.left, overlay.top - box.top))
    marked = tiff_samples.put_on(page, samples, logo, profile, levels)
    stamp.compare(samples, marked)
    return region.rewritten(page, planes, marked), set()
