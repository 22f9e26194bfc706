"""A TIFF page of any samples in 8 bits, and smaller: for a preview."""

from array import array
from collections.abc import Iterator

from PIL import Image, ImageChops

from drawing.high_bit_depth import Alpha
from formats.tiff import region
from formats.tiff.codec.layout import ARRAY_CODES, LAB
from formats.tiff.page import Page
from formats.tiff.region import Plane, Region
from formats.tiff.samples import SIGN, alpha_of, is_inverted, mode_of

_BAND_BYTES = 64_000_000  # decoded at a time
_LEVELS = {8: (0.0, 255.0), 12: (0.0, 4095.0)}  # of black and white, by bits


def of_page(page: Page, factor: int) -> Image.Image:
    """In the mode of its colours, with alpha; each pixel is the mean of factor x factor."""
    mode = _mode(page)
    levels = _LEVELS.get(page.bits) or region.check_rest(page, None)
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
    for number in range(count):
        channel = _channel(page, samples, number, band.size, levels)
        yield ImageChops.invert(channel) if number == 0 and is_inverted(page) else channel


def _channel(
    page: Page, samples: bytes, number: int, size: tuple[int, int], levels: tuple[float, float]
) -> Image.Image:
    if page.bits == 8:
        channel = samples[number :: page.samples]
        is_signed = number in (1, 2) and page.photometric == LAB  # as in samples.py
        return Image.frombytes("L", size, channel.translate(SIGN) if is_signed else channel)
    if page.bits == 12:
        grey = Image.frombytes("I;16", size, samples, "raw", "I;12")
        return in_8_bits(grey.convert("F"), levels)
    numbers = array(ARRAY_CODES[page.bits, page.layout.sample_format], samples)
    floats = array("f", numbers[number :: page.samples])
    return in_8_bits(Image.frombytes("F", size, floats.tobytes()), levels)


def in_8_bits(plane: Image.Image, levels: tuple[float, float]) -> Image.Image:
    """An F image as L, between its levels of black and white."""
    black, white = levels
    share = 255 / (white - black)
    return plane.point(lambda level: level * share + (0.5 - black * share)).convert("L")
