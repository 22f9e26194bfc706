"""A small picture of one image, to be looked at in a browser. Runs in a decoder process.

Of several pictures it is the first one. What is damaged is shown as far as it can be read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from PIL import Image, ImageFile

from drawing import compositing, placement
from formats import jpeg2000, profile, registry
from formats.codecs.encoding import as_memory_error
from formats.conversion import metadata
from formats.tiff import rare
from formats.tiff.rare import RareTiff
from formats.tiff.reduced import in_8_bits
from options import Options
from watermark import check_size, rejecting_damage, with_png_mended

Size = tuple[int, int]

_QUALITY, _METHOD = 80, 2  # of WebP; method 4 takes 1.7 times as long for files 6% smaller
_GAP = 2  # how much larger than the preview a picture still is when it is resampled with care
_STRIP_PIXELS = 4_000_000
# Of others nothing is there where they end too early: they would be black.
_SHOWN_IN_PART = ("JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF")
# Modes whose pixels can be averaged. Others become one of them.
_AVERAGED = ("L", "LA", "RGB", "RGBA", "CMYK", "LAB", "I", "F")
_HIGH_BYTES = [level >> 8 for level in range(65536)]


def preview_file(source: Path, target: Path, size: int, options: Options) -> None:
    """Write a preview of source to target: WebP, upright, sRGB, its longer side at most size.

    Raises ImageRejected, MemoryError, and OSError for a fault of the disk.
    """
    show = partial(_shown, most=size, options=options)
    with rejecting_damage(), as_memory_error(), _whatever_is_there():
        picture = with_png_mended(source, target.parent, show, lambda _: None)
    picture.save(target, "WEBP", quality=_QUALITY, method=_METHOD)


@contextmanager
def _whatever_is_there() -> Iterator[None]:
    """Load files that end too early as far as they go."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _shown(path: Path, most: int, options: Options) -> Image.Image:
    with registry.open_image(path) as image:
        check_size(image, options)
        return _picture(path, image, most)


def _picture(path: Path, image: ImageFile.ImageFile, most: int) -> Image.Image:
    """The picture as it is shown, without metadata."""
    image = _loaded(path, image, most)
    small = _resampled(image, _fitted(image.size, most))
    if small.mode in ("I", "F"):
        small = in_8_bits(small.convert("F"), compositing.levels(image))
    alpha = small.getchannel("A") if small.mode in ("LA", "RGBA") else None
    colours = small.convert(small.mode.removesuffix("A"))
    shown = compositing.in_srgb(colours, profile.of(path, image))
    if alpha is not None:
        shown.putalpha(alpha)
    turn = placement.TO_UPRIGHT.get(metadata.orientation(image))
    shown = shown if turn is None else shown.transpose(turn)
    shown.info = {}
    return shown


def _loaded(path: Path, image: ImageFile.ImageFile, most: int) -> ImageFile.ImageFile:
    """The picture, of a JPEG or JPEG 2000 no more than is needed."""
    ImageFile.LOAD_TRUNCATED_IMAGES = image.format in _SHOWN_IN_PART
    width, height = _fitted(image.size, most)
    if image.format == "JPEG2000":
        jpeg2000.load_reduced(path, image, image.width // (_GAP * width))
    elif image.format == "TIFF":
        return rare.loaded(path, image)
    else:
        if getattr(image, "default_image", False) and image.n_frames > 1:  # type: ignore[attr-defined]
            image.seek(1)  # an APNG's still before its animation is not shown
        image.draft(None, (_GAP * width, _GAP * height))  # only JPEGs know it
        image.load()
    return image


def _fitted(size: Size, most: int) -> Size:
    share = min(1, most / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _resampled(image: ImageFile.ImageFile, target: Size) -> Image.Image:
    """The picture at this size: averaged by a whole factor first, which is fast."""
    factor = max(1, min(image.width // (_GAP * target[0]), image.height // (_GAP * target[1])))
    averaged = image.reduced(factor) if isinstance(image, RareTiff) else _averaged(image, factor)
    exact = 0, 0, image.width / factor, image.height / factor  # the last pixels may be partial
    return averaged.resize(target, Image.Resampling.LANCZOS, exact)


def _averaged(image: Image.Image, factor: int) -> Image.Image:
    """Each pixel is the mean of factor x factor. Only a strip of them is in memory twice."""
    rows = max(1, _STRIP_PIXELS // image.width // factor) * factor
    mode = _with_means(image.crop((0, 0, 1, 1))).mode
    averaged = Image.new(mode, (-(-image.width // factor), -(-image.height // factor)))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        averaged.paste(_with_means(strip).reduce(factor), (0, top // factor))
    return averaged


def _with_means(picture: Image.Image) -> Image.Image:
    """The picture in a mode in which the mean of two pixels means something."""
    if picture.mode.startswith("I;16"):
        return picture.convert("I").point(_HIGH_BYTES, "L")
    if picture.mode == "La":
        return picture.convert("LA")
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    if picture.mode == "1":
        return picture.convert("L")
    return picture if picture.mode in _AVERAGED else picture.convert("RGB")
