"""The logo on a box of a TIFF picture's samples, whatever they are (TIFF 6.0 sections 3-6, 18, 23).

A box is rows of samples, packed as codec/ leaves them.
"""

from array import array

from PIL import Image

from drawing import compositing, high_bit_depth
from drawing.high_bit_depth import Alpha, Pixels
from errors import ImageRejected
from formats.tiff.page import Page

_WHITE_IS_ZERO, _RGB, _CMYK, _YCBCR, _LAB, _ICC_LAB = 0, 2, 5, 6, 8, 9
_MODES = {0: "L", 1: "L", _RGB: "RGB", _CMYK: "CMYK", _YCBCR: "YCbCr", _LAB: "LAB", _ICC_LAB: "LAB"}
_ALPHAS = {1: Alpha.PREMULTIPLIED, 2: Alpha.STRAIGHT, 999: Alpha.STRAIGHT}
_INVERTED = bytes(range(255, -1, -1))
_SIGN = bytes(byte ^ 0x80 for byte in range(256))
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_FLOAT_PREDICTOR = 3  # libvips, which has it, has it for 32 bits
_NUMBERS = {
    (16, _UNSIGNED): "H", (16, _SIGNED): "h", (32, _UNSIGNED): "I", (32, _SIGNED): "i",
    (32, _FLOAT): "f", (64, _FLOAT): "d",
}  # fmt: skip


def put_on(
    page: Page,
    samples: bytes,
    logo: Image.Image,
    profile: bytes | None,
    levels: tuple[float, float],
) -> bytes:
    """The samples of a box that is as large as the RGBA logo, with the logo over them.

    levels are those of black and white where the number of bits does not tell.
    """
    inverted = page.photometric == _WHITE_IS_ZERO and page.layout.sample_format == _UNSIGNED
    if inverted:
        samples = samples.translate(_INVERTED)
    if page.bits == 8:
        marked = _bytes(page, samples, logo, profile)
    elif page.bits in (1, 2, 4):
        marked = _few_bits(page, samples, logo, profile)
    elif page.bits == 12:
        marked = _twelve_bits(samples, logo, profile)
    else:
        numbers = array(_NUMBERS[page.bits, page.layout.sample_format], samples)
        kind = Pixels(mode(page), page.samples, alpha(page), *levels)
        high_bit_depth.put_on(numbers, kind, logo, profile)
        marked = numbers.tobytes()
    return marked.translate(_INVERTED) if inverted else marked


def check(page: Page) -> None:
    """Raise ImageRejected for samples that put_on does not know."""
    kind, channels = mode(page), page.samples
    known = channels >= len(Image.new(kind, (1, 1)).getbands())
    if page.bits in (1, 2, 4, 12):
        known = known and channels == 1 and kind == "L"
    elif page.bits != 8:
        known = known and (page.bits, page.layout.sample_format) in _NUMBERS
        known = known and kind in ("L", "RGB", "CMYK")
        known = known and (page.bits, page.layout.predictor) != (64, _FLOAT_PREDICTOR)
    if not known:
        detail = f"TIFFs of {channels} x {page.bits} bits"
        detail += ", floating point" if page.layout.sample_format == _FLOAT else ""
        detail += f", photometric {page.photometric}, cannot be watermarked: save it with 8 or 16."
        raise ImageRejected("unsupported_mode", detail)


def mode(page: Page) -> str:
    """Pillow's, of the colours alone."""
    grey = page.photometric == _YCBCR and page.samples == 1
    return "L" if grey else _MODES.get(page.photometric, "L")


def alpha(page: Page) -> Alpha | None:
    """Of the first channel behind the colours (TIFF 6.0, ExtraSamples)."""
    if page.samples <= page.colours:
        return None
    if not page.extras:  # not said, as some writers of RGBA leave it
        return Alpha.STRAIGHT if page.photometric == _RGB else None
    return _ALPHAS.get(page.extras[0])


def _bytes(page: Page, samples: bytes, logo: Image.Image, profile: bytes | None) -> bytes:
    colours, kind, transparency = page.colours, mode(page), alpha(page)
    channels = [samples[number :: page.samples] for number in range(page.samples)]
    if page.photometric == _LAB:  # a and b have signs, in Pillow an offset
        channels[1:3] = [channel.translate(_SIGN) for channel in channels[1:3]]
    planes = [Image.frombytes("L", logo.size, channel) for channel in channels]
    colours = 1 if kind == "L" else colours
    used = colours
    if transparency is Alpha.STRAIGHT and kind in ("L", "RGB"):
        kind, used = kind + "A", colours + 1
    image = Image.merge(kind, planes[:used])
    compositing.composite(image, logo, (0, 0), profile)
    planes[:used] = image.split()
    if transparency is not None and used == colours:
        planes[colours].paste(255, mask=logo.getchannel("A"))
    channels = [plane.tobytes() for plane in planes]
    if page.photometric == _LAB:
        channels[1:3] = [channel.translate(_SIGN) for channel in channels[1:3]]
    marked = bytearray(len(samples))
    for number, channel in enumerate(channels):
        marked[number :: page.samples] = channel
    return bytes(marked)


def _few_bits(page: Page, samples: bytes, logo: Image.Image, profile: bytes | None) -> bytes:
    """Grey of 1, 2 or 4 bits, black being 0."""
    bits = page.bits
    if bits == 1:
        image = Image.frombytes("1", logo.size, samples)
        compositing.composite(image, logo, (0, 0), profile)
        return image.tobytes()
    image = Image.frombytes("L", logo.size, samples, "raw", f"L;{bits}")
    compositing.composite(image, logo, (0, 0), profile, 2**bits)
    image = image.point(lambda level: level * (2**bits - 1) // 255)
    return Image.frombytes("P", logo.size, image.tobytes()).tobytes("raw", f"P;{bits}")


def _twelve_bits(samples: bytes, logo: Image.Image, profile: bytes | None) -> bytes:
    """Grey; two pixels in three bytes, each row beginning with a byte of its own."""
    stride = (logo.width * 12 + 7) // 8
    rows = [samples[start : start + stride] for start in range(0, len(samples), stride)]
    numbers = array("H")
    for row in rows:
        triples = zip(row[0::3], row[1::3], row[2::3] + b"\0", strict=False)
        pairs = [(a << 4 | b >> 4, (b & 15) << 8 | c) for a, b, c in triples]
        numbers.extend([number for pair in pairs for number in pair][: logo.width])
    kind = Pixels("L", 1, None, 0, 4095)
    high_bit_depth.put_on(numbers, kind, logo, profile)
    marked = bytearray()
    for start in range(0, len(numbers), logo.width):
        line = numbers[start : start + logo.width]
        line.extend([0] * (len(line) % 2))
        packed = bytearray(len(line) // 2 * 3)
        packed[0::3] = bytes(number >> 4 for number in line[0::2])
        packed[1::3] = bytes(
            (a & 15) << 4 | b >> 8 for a, b in zip(line[0::2], line[1::2], strict=True)
        )
        packed[2::3] = bytes(number & 255 for number in line[1::2])
        marked += packed[:stride]
    return bytes(marked)
