"""Which module reads and writes which format.

Each has marked(path, image, stamp) -> bytes: the file at path, opened but not loaded as image,
with the logo on each of its pictures, in its own format, with all that it carries. Raises
ImageRejected, or whatever its decoder raises where the file is damaged.
"""

from collections.abc import Callable
from mimetypes import guess_type
from os.path import splitext
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError
from pillow_heif import register_heif_opener

from drawing.stamp import Stamp
from errors import ImageRejected
from formats import bmp, heif, jpeg2000
from formats.avif import mark as avif
from formats.conversion import convert
from formats.gif import mark as gif
from formats.jpeg import mark as jpeg
from formats.png import mark as png
from formats.png import mark_16bit, mark_animation
from formats.tiff.mark import mark_tiff
from formats.tiff.rare import RareTiff
from formats.webp import mark as webp
from options import Options, OutputFormat
from shared.contract import safe_filename

# HEVC is slow to decode, too; more threads would take memory.
register_heif_opener(thumbnails=False, decode_threads=2)

_Marked = Callable[[Path, ImageFile.ImageFile, Stamp], bytes]
_MARKED: dict[str, _Marked] = {
    "JPEG": jpeg.marked,
    "MPO": jpeg.marked,
    "PNG": png.marked,
    "GIF": gif.marked,
    "WEBP": webp.marked,
    "TIFF": mark_tiff,
    "BMP": bmp.marked,
    "JPEG2000": jpeg2000.marked,
    "AVIF": avif.marked,
    "HEIF": heif.marked,
}
# What may be opened: no interpreters, no rarities. Pillow opens an MPO as the JPEG it begins with.
_OPENED = tuple(name for name in _MARKED if name != "MPO")


def load() -> None:
    """Have the decoders in this process, this module and all that it imports among them."""
    Image.init()


def open_image(path: Path) -> ImageFile.ImageFile:
    """The image at path, not loaded. Raises UnidentifiedImageError, ImageRejected."""
    try:
        return Image.open(path, formats=_OPENED)
    except MemoryError:  # before a pixel is decoded
        detail = "The image is damaged: a length in its header reaches far beyond the file."
        raise ImageRejected("corrupt_image", detail) from None
    except UnidentifiedImageError:
        try:
            return RareTiff(path)
        except SyntaxError:
            pass
        raise


def marked(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    """The watermarked file, in the format the settings ask for."""
    if _is_converted(image, stamp.options.output_format):
        return convert.converted(path, image, stamp)
    return _in_its_kind(path, image)(path, image, stamp)


def output_name(filename: str, options: Options) -> str:
    """The file name with the extension of the format that is asked for, if any is."""
    wanted = options.output_format
    stem, extension = splitext(filename)
    if wanted is OutputFormat.KEEP or guess_type(f"_{extension}")[0] == f"image/{wanted}":
        return filename
    return safe_filename(stem + convert.EXTENSION[wanted])


def content_type(received: str, options: Options) -> str:
    """The media type of what is written, of an upload of the type received."""
    keeps = options.output_format is OutputFormat.KEEP
    return received if keeps else f"image/{options.output_format}"


def _is_converted(image: ImageFile.ImageFile, wanted: OutputFormat) -> bool:
    has = "jpeg" if image.format == "MPO" else (image.format or "").lower()
    return wanted not in (OutputFormat.KEEP, has)


def _in_its_kind(path: Path, image: ImageFile.ImageFile) -> _Marked:
    if image.format == "PNG" and getattr(image, "is_animated", False):
        return mark_animation.marked
    return mark_16bit.marked if mark_16bit.takes(path, image) else _MARKED[image.format or ""]
