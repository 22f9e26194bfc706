"""Images to test with: like a photo (gradients, shapes, noise), the same for the same seed."""

from __future__ import annotations

import random
import struct
import zlib
from array import array
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from PIL import Image, ImageDraw, ImageFilter
from pillow_heif import register_heif_opener

Size = tuple[int, int]
Damage = Callable[[random.Random, bytes, int], bytes]  # of a file, at a place
SIZE = (640, 480)
ORIENTATION_TAG = 0x0112
_PLAIN, _DEFLATED = 1, 8  # TIFF's Compression
_RGB = 2  # TIFF's PhotometricInterpretation


def photo(seed: int = 0, size: Size = SIZE, noise: float = 0.05) -> Image.Image:
    """RGB pixels that no two seeds share. noise is its share of them: 0.1 is a camera's at dusk."""
    rng = random.Random(seed)
    ramp = Image.linear_gradient("L")
    shades = (ramp, ramp.rotate(90), ramp.rotate(180), Image.radial_gradient("L"))
    image = Image.merge("RGB", rng.sample(shades, 3)).resize(size)
    draw = ImageDraw.Draw(image)
    for shape in (draw.ellipse, draw.rectangle) * 4:
        shape(_box(rng, size), fill=_colour(rng), outline=_colour(rng))
    image = image.filter(ImageFilter.BoxBlur(1))  # no lens draws an edge one pixel sharp
    grain = Image.frombytes("RGB", size, rng.randbytes(3 * size[0] * size[1]))
    return Image.blend(image, grain, noise)


def photo_with_alpha(seed: int = 0, size: Size = SIZE) -> Image.Image:
    """RGBA pixels from opaque in the middle to invisible in the corners."""
    image = photo(seed, size)
    image.putalpha(Image.radial_gradient("L").resize(size).point(lambda level: 255 - level))
    return image


def jpeg(
    seed: int = 0, size: Size = SIZE, quality: int = 90, orientation: int = 1, **options: Any
) -> bytes:
    """orientation is the EXIF tag's: 1 to 8, 1 for upright."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return encode(photo(seed, size), "JPEG", quality=quality, exif=exif, **options)


def png(seed: int = 0, size: Size = SIZE, *, alpha: bool = False) -> bytes:
    image = photo_with_alpha(seed, size) if alpha else photo(seed, size)
    return encode(image, "PNG", compress_level=1)


def webp(seed: int = 0, size: Size = SIZE, *, lossless: bool = True) -> bytes:
    return encode(photo(seed, size), "WEBP", lossless=lossless, method=0)


def gif(seed: int = 0, size: Size = SIZE, colours: int = 128) -> bytes:
    """A palette that leaves room for a logo's colours, unless colours says otherwise."""
    return encode(photo(seed, size).quantize(colours), "GIF")


def bmp(seed: int = 0, size: Size = SIZE) -> bytes:
    return encode(photo(seed, size), "BMP")


def tiff(seed: int = 0, size: Size = SIZE, compression: str = "tiff_lzw") -> bytes:
    return encode(photo(seed, size), "TIFF", compression=compression)


def heic(seed: int = 0, size: Size = SIZE, **options: Any) -> bytes:
    register_heif_opener()
    return encode(photo(seed, size), "HEIF", **options)


def rare_tiff(
    size: Size,
    pixels: array[Any],
    channels: int,
    kind: int,
    *,
    planar: bool = False,
    packed: bool = False,
    photometric: int = _RGB,
    bits_each: int = 0,
    extras: Sequence[int] = (2, 0, 0),
) -> bytes:
    """One strip, or one for each channel. kind is its SampleFormat. bits_each: those of a sample,
    where pixels are bytes with several in them."""
    width, height = size
    parts = [pixels[number::channels] for number in range(channels)] if planar else [pixels]
    strips = [zlib.compress(part.tobytes()) if packed else part.tobytes() for part in parts]
    others = channels - (3 if photometric == _RGB else 1)
    bits = [bits_each or 8 * pixels.itemsize] * channels
    values = {
        256: [width], 257: [height], 258: bits, 259: [_DEFLATED if packed else _PLAIN],
        262: [photometric], 273: [0] * len(strips), 277: [channels], 278: [height],
        279: [len(s) for s in strips], 284: [2 if planar else 1], 338: [*extras[:others]],
        339: [kind] * channels,
    }  # fmt: skip
    values = {tag: numbers for tag, numbers in values.items() if numbers}
    at = 8 + 2 + 12 * len(values) + 4
    outside = {tag: 4 * len(numbers) for tag, numbers in values.items() if len(numbers) > 1}
    places = {}
    for tag, length in outside.items():
        places[tag], at = at, at + length
    for number, strip in enumerate(strips):
        values[273][number], at = at, at + len(strip)
    directory = b"".join(
        struct.pack("<HHII", tag, 4, len(numbers), places.get(tag, numbers[0]))
        for tag, numbers in values.items()
    )
    lists = b"".join(struct.pack(f"<{len(values[tag])}I", *values[tag]) for tag in places)
    head = b"II*\0" + struct.pack("<IH", 8, len(values)) + directory + bytes(4)
    return head + lists + b"".join(strips)


def pixel(image: Image.Image, at: tuple[int, int]) -> tuple[int, ...]:
    """What each channel has there, of an image with several."""
    levels = image.getpixel(at)
    assert isinstance(levels, tuple)
    return levels


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The image as a file's bytes; options are Pillow's for that format."""
    file = BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def damaged(content: bytes, seed: int, *more_kinds: Damage) -> bytes:
    """The file with one to three damages, a quarter of them in its header."""
    rng = random.Random(seed)
    kinds = (*_DAMAGES, *more_kinds)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        end = min(len(content), 700 if rng.random() < 0.25 else len(content))
        content = rng.choice(kinds)(rng, content, rng.randrange(end or 1))
    return content


def _flipped(rng: random.Random, content: bytes, at: int) -> bytes:
    return _replaced(
        content, at, bytes(byte ^ 1 << rng.randrange(8) for byte in content[at : at + 1])
    )


def _overwritten(rng: random.Random, content: bytes, at: int) -> bytes:
    return _replaced(content, at, rng.randbytes(rng.randint(1, 40)))


def _blanked(rng: random.Random, content: bytes, at: int) -> bytes:
    return _replaced(content, at, bytes(rng.randint(1, 600)))


def _lost(rng: random.Random, content: bytes, at: int) -> bytes:
    return content[:at] + content[at + rng.randint(1, 400) :]


def _inserted(rng: random.Random, content: bytes, at: int) -> bytes:
    return content[:at] + rng.randbytes(rng.randint(1, 40)) + content[at:]


def _doubled(rng: random.Random, content: bytes, at: int) -> bytes:
    return content[: at + rng.randint(1, 400)] + content[at:]


def _cut(_: random.Random, content: bytes, at: int) -> bytes:
    return content[:at]


def _end_cut(rng: random.Random, content: bytes, _: int) -> bytes:
    return content[: -rng.randint(1, 30)]


def _followed(rng: random.Random, content: bytes, _: int) -> bytes:
    return content + rng.randbytes(rng.randint(1, 300))


def _replaced(content: bytes, at: int, by: bytes) -> bytes:
    return content[:at] + by + content[at + len(by) :]


_DAMAGES: tuple[Damage, ...] = (
    _flipped,
    _overwritten,
    _blanked,
    _lost,
    _inserted,
    _doubled,
    _cut,
    _end_cut,
    _followed,
)


def _box(rng: random.Random, size: Size) -> tuple[int, int, int, int]:
    left, right = sorted(rng.choices(range(size[0]), k=2))
    top, bottom = sorted(rng.choices(range(size[1]), k=2))
    return left, top, right, bottom


def _colour(rng: random.Random) -> tuple[int, int, int]:
    red, green, blue = rng.randbytes(3)
    return red, green, blue
