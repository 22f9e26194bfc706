"""A TIFF page of any samples in 8 bits, and smaller: for a preview."""

from array import array
from collections.abc import Iterator

from PIL import Image

from drawing.high_bit_depth import Alpha
from formats.tiff import region
from formats.tiff.codec.layout import ARRAY_CODES, LAB
from formats.tiff.page import Page
from formats.tiff.region import Plane, Region
from formats.tiff.samples import SIGN, alpha_of, mode_of

_BAND_BYTES = 64_000_000  # decoded at a time


def of_page(page: Page, factor: int) -> Image.Image:
    """In the mode of its colours, with alpha; each pixel is the mean of factor x factor."""
    mode = _mode(page)
    levels = (0.0, 255.0) if page.bits == 8 else region.check_rest(page, None)
    reduced = Image.new(mode, (-(-page.width // factor), -(-page.height // factor)))
    for band in _bands(page, factor):
        part = Image.merge(mode, list(_channels(page, band, len(reduced.getbands()), levels)))
        reduced.paste(part.reduce(factor), (0, band.top // factor))
    return reduced.convert("RGBA" if mode == "RGBa" else mode)


def _mode(page: Page) -> str:
    colours, alpha = mode_of(page), alpha_of(page)
    if alpha is None or colours not in ("L", "RGB"):
        return colours
    if alpha is Alpha.STRAIGHT:
        return f"{colours}A"
    return "RGBa" if colours == "RGB" else colours


def _bands(page: Page, factor: int) -> Iterator[Region]:
    """All of the page, from top to bottom."""
    rows = max(1, _BAND_BYTES // (page.width * page.samples * page.bits // 8) // factor) * factor
    for top in range(0, page.height, rows):
        yield Region(0, top, page.width, min(top + rows, page.height))


def _channels(
    page: Page, band: Region, count: int, levels: tuple[float, float]
) -> Iterator[Image.Image]:
    """The first channels of a band, in 8 bits."""
    planes = [Plane(page, band, segments).read() for segments in page.planes]
    samples = region.interleaved(planes, page.bits // 8)
    signed = (1, 2) if page.photometric == LAB else ()  # as in samples.py
    for number in range(count):
        if page.bits == 8:
            channel = samples[number :: page.samples]
            channel = channel.translate(SIGN) if number in signed else channel
            yield Image.frombytes("L", band.size, channel)
        else:
            numbers = array(ARRAY_CODES[page.bits, page.layout.sample_format], samples)
            floats = array("f", numbers[number :: page.samples])
            yield in_8_bits(Image.frombytes("F", band.size, floats.tobytes()), levels)


def in_8_bits(plane: Image.Image, levels: tuple[float, float]) -> Image.Image:
    """An F image as L, between its levels of black and white."""
    black, white = levels
    share = 255 / (white - black)
    return plane.point(lambda level: level * share + (0.5 - black * share)).convert("L")
