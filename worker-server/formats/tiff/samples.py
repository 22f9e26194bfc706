"""The logo on a region of a TIFF picture's samples of any kind (TIFF 6.0 sections 3-6, 18, 23).

A region is rows of samples, packed as codec/ leaves them.
"""

from array import array

from PIL import Image

from drawing import compositing, high_bit_depth
from drawing.high_bit_depth import Alpha, Pixels
from errors import ImageRejected
from formats.tiff.codec.layout import (
    ARRAY_CODES,
    CMYK,
    FLOAT,
    FLOATING_POINT,
    ICC_LAB,
    LAB,
    RGB,
    UNSIGNED,
    WHITE_IS_ZERO,
    YCBCR,
)
from formats.tiff.page import Page

_MODES = {RGB: "RGB", CMYK: "CMYK", YCBCR: "YCbCr", LAB: "LAB", ICC_LAB: "LAB"}
_ALPHAS = {1: Alpha.PREMULTIPLIED, 2: Alpha.STRAIGHT, 999: Alpha.STRAIGHT}  # by ExtraSamples
_INVERTED = bytes(range(255, -1, -1))
SIGN = bytes(byte ^ 0x80 for byte in range(256))


def with_logo(
    page: Page,
    samples: bytes,
    logo: Image.Image,
    profile: bytes | None,
    levels: tuple[float, float],
) -> bytes:
    """The samples of a region of the RGBA logo's size, with the logo over them.

    levels are those of black and white where the number of bits does not define them.
    """
    inverted = is_inverted(page)
    if inverted:
        samples = _inverted(page, samples)
    if page.bits == 8:
        marked = _bytes(page, samples, logo, profile)
    elif page.bits in (1, 2, 4):
        marked = _few_bits(page, samples, logo, profile)
    elif page.bits == 12:
        marked = _twelve_bits(samples, logo, profile)
    else:
        numbers = array(ARRAY_CODES[page.bits, page.layout.sample_format], samples)
        kind = Pixels(mode_of(page), page.samples, alpha_of(page), *levels)
        high_bit_depth.composite(numbers, kind, logo, profile)
        marked = numbers.tobytes()
    return _inverted(page, marked) if inverted else marked


def _inverted(page: Page, samples: bytes) -> bytes:
    """Grey with black and white exchanged. What is behind the grey, as alpha, stays."""
    if page.samples == 1:
        return samples.translate(_INVERTED)
    inverted, size = bytearray(samples), page.bits // 8
    for byte in range(size):
        each = slice(byte, None, size * page.samples)
        inverted[each] = samples[each].translate(_INVERTED)
    return bytes(inverted)


def check(page: Page) -> None:
    """Raise ImageRejected for samples that with_logo does not know."""
    mode, sample_format = mode_of(page), page.layout.sample_format
    known = page.samples >= Image.getmodebands(mode)
    if page.bits in (1, 2, 4, 12):
        known = page.samples == 1 and mode == "L"
    elif page.bits != 8:
        known = known and (page.bits, sample_format) in ARRAY_CODES
        known = known and mode in ("L", "RGB", "CMYK")
        # libvips has this predictor for 32 bits.
        known = known and (page.bits, page.layout.predictor) != (64, FLOATING_POINT)
    if not known:
        detail = f"TIFFs of {page.samples} x {page.bits} bits"
        detail += ", floating point" if sample_format == FLOAT else ""
        detail += f", photometric {page.photometric}, cannot be watermarked: save it with 8 or 16."
        raise ImageRejected("unsupported_mode", detail)


def is_inverted(page: Page) -> bool:
    """Whether 0 is white."""
    return page.photometric == WHITE_IS_ZERO and page.layout.sample_format == UNSIGNED


def mode_of(page: Page) -> str:
    """Pillow's mode for the colours, without alpha."""
    grey = page.photometric == YCBCR and page.samples == 1
    return "L" if grey else _MODES.get(page.photometric, "L")


def alpha_of(page: Page) -> Alpha | None:
    """What the first channel behind the colours is (TIFF 6.0, ExtraSamples)."""
    if page.samples <= Image.getmodebands(mode_of(page)):
        return None
    if not page.extras:  # some writers of RGBA omit the tag
        return Alpha.STRAIGHT if page.photometric == RGB else None
    return _ALPHAS.get(page.extras[0])


def _bytes(page: Page, samples: bytes, logo: Image.Image, profile: bytes | None) -> bytes:
    mode, alpha = mode_of(page), alpha_of(page)
    colours = used = Image.getmodebands(mode)
    # a and b of LAB have signs; in Pillow they have an offset.
    signed = (1, 2) if page.photometric == LAB else ()
    channels = [samples[number :: page.samples] for number in range(page.samples)]
    planes = [
        Image.frombytes("L", logo.size, channel.translate(SIGN) if number in signed else channel)
        for number, channel in enumerate(channels)
    ]
    if alpha is Alpha.STRAIGHT and mode in ("L", "RGB"):
        mode, used = mode + "A", colours + 1
    image = Image.merge(mode, planes[:used])
    compositing.composite(image, logo, (0, 0), profile)
    planes[:used] = image.split()
    if alpha is not None and used == colours:
        planes[colours].paste(255, mask=logo.getchannel("A"))
    marked = bytearray(len(samples))
    for number, plane in enumerate(planes):
        channel = plane.tobytes()
        marked[number :: page.samples] = channel.translate(SIGN) if number in signed else channel
    return bytes(marked)


def _few_bits(page: Page, samples: bytes, logo: Image.Image, profile: bytes | None) -> bytes:
    """Grey of 1, 2 or 4 bits; 0 is black."""
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
    """Grey. A sample is three hexadecimal digits; each row begins with a new byte."""
    stride = (logo.width * 12 + 7) // 8
    numbers = array("H")
    for start in range(0, len(samples), stride):
        digits = samples[start : start + stride].hex()
        numbers.extend(int(digits[at : at + 3], 16) for at in range(0, 3 * logo.width, 3))
    high_bit_depth.composite(numbers, Pixels("L", 1, None, 0, 4095), logo, profile)
    marked = b""
    for start in range(0, len(numbers), logo.width):
        digits = "".join(f"{number:03x}" for number in numbers[start : start + logo.width])
        marked += bytes.fromhex(digits.ljust(2 * stride, "0"))
    return marked
