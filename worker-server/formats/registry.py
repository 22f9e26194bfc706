"""Which function marks which format.

mark_<format>(path, image, stamp) returns the file at path in its own format, with the logo on each
of its pictures and with its metadata. image is that file, opened but not loaded. Raises
ImageRejected, or whatever a decoder raises where the file is damaged.
"""

from collections.abc import Callable
from mimetypes import guess_type
from os.path import splitext
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError
from pillow_heif import register_heif_opener

from drawing.stamp import Stamp
from errors import ImageRejected
from formats.avif.mark import mark_avif
from formats.bmp import mark_bmp
from formats.conversion import convert
from formats.gif.mark import mark_gif
from formats.heif import mark_heif
from formats.jpeg.mark import mark_jpeg
from formats.jpeg2000 import mark_jpeg2000
from formats.png.mark import mark_png
from formats.png.mark_16bit import is_16bit, mark_png_16bit
from formats.png.mark_apng import mark_apng
from formats.tiff.mark import mark_tiff
from formats.tiff.rare import RareTiff
from formats.webp.mark import mark_webp
from options import Options, OutputFormat
from shared.contract import safe_filename

# HEVC is slow to decode, so two threads; more would take memory.
register_heif_opener(thumbnails=False, decode_threads=2)

_MarkFunction = Callable[[Path, ImageFile.ImageFile, Stamp], bytes]
_BY_FORMAT: dict[str, _MarkFunction] = {
    "JPEG": mark_jpeg,
    "MPO": mark_jpeg,
    "PNG": mark_png,
    "GIF": mark_gif,
    "WEBP": mark_webp,
    "TIFF": mark_tiff,
    "BMP": mark_bmp,
    "JPEG2000": mark_jpeg2000,
    "AVIF": mark_avif,
    "HEIF": mark_heif,
}
# What Pillow may open: no interpreters, no rare formats. It opens an MPO as the JPEG in front.
_OPENED = tuple(name for name in _BY_FORMAT if name != "MPO")


def load() -> None:
    """Load the decoders into this process; importing this module loads most of them."""
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


def mark(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    """The watermarked file, in the format the settings ask for."""
    if _is_converted(image, stamp.options.output_format):
        return convert.converted(path, image, stamp)
    return _mark_function(image)(path, image, stamp)


def output_name(filename: str, options: Options) -> str:
    """The file name with the extension of OUTPUT_FORMAT."""
    wanted = options.output_format
    stem, extension = splitext(filename)
    if wanted is OutputFormat.KEEP or guess_type(f"_{extension}")[0] == f"image/{wanted}":
        return filename
    return safe_filename(stem + convert.EXTENSION[wanted])


def content_type(received: str, options: Options) -> str:
    """The media type of the watermarked file; received is the upload's."""
    keeps = options.output_format is OutputFormat.KEEP
    return received if keeps else f"image/{options.output_format}"


def _is_converted(image: ImageFile.ImageFile, wanted: OutputFormat) -> bool:
    has = "jpeg" if image.format == "MPO" else (image.format or "").lower()
    return wanted not in (OutputFormat.KEEP, has)


def _mark_function(image: ImageFile.ImageFile) -> _MarkFunction:
    if image.format == "PNG" and getattr(image, "is_animated", False):
        return mark_apng
    return mark_png_16bit if is_16bit(image) else _BY_FORMAT[image.format or ""]
