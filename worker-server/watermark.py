"""What happens to one image, step by step. Runs in a decoder process, or as a command:

python watermark.py photo.jpg logo.png watermarked_photo.jpg

The command reads the settings too: LOGO_POSITION=bottom-right python watermark.py ...
"""

import errno
import hashlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image, PngImagePlugin, UnidentifiedImageError

from drawing.logo_file import normalise_logo
from drawing.stamp import Stamp
from errors import ImageRejected
from formats import registry
from formats.png import chunks as png
from options import Options
from shared.contract import FileRecord

Result = TypeVar("Result")

# Pillow's own limit is a constant; ours is a setting, checked in check_size.
Image.MAX_IMAGE_PIXELS = None
# Colour profiles may have a megabyte and more.
PngImagePlugin.MAX_TEXT_CHUNK = 16_000_000

# A smaller frame counts as so many pixels: it takes time too.
_MIN_FRAME_PIXELS = 16_384

_TOO_MUCH_TEXT = "MAX_TEXT"  # in Pillow's errors about a PNG's compressed texts and profiles

# OSErrors with these are the image's fault: a seek to an offset that is damaged fails with EINVAL.
_IMAGE_ERRNOS = (None, errno.EINVAL)


class Watermarked(NamedTuple):
    """The file that was written, and notes about it for the image's owner."""

    file: FileRecord
    notes: list[str]


def watermark_file(source: Path, logo: Path, target: Path, options: Options) -> Watermarked:
    """Write source with the logo (an RGBA PNG) on it to target.

    Raises ImageRejected, MemoryError, and OSError for a fault of the disk.
    """
    stamp = Stamp(logo, options)
    with rejecting_damage():
        mark = partial(_marked, stamp=stamp)
        content = with_png_mended(source, target.parent, mark, stamp.note)
    try:
        target.write_bytes(content)
    except OSError as error:
        if error.errno == errno.EFBIG:  # the limit of runtime/decoder_processes.py
            detail = f"The watermarked image would have {len(content)} bytes: more than is allowed."
            raise ImageRejected("not_encodable", detail) from None
        raise
    digest = hashlib.sha256(content).hexdigest()
    return Watermarked({"name": target.name, "sha256": digest, "size": len(content)}, stamp.notes)


@contextmanager
def rejecting_damage() -> Iterator[None]:
    """Raise ImageRejected for what a decoder raises, but for MemoryError and a disk's OSError."""
    try:
        yield
    except UnidentifiedImageError:
        detail = "No decoder here reads it: it is no image, or of a rare kind; convert it to PNG."
        raise ImageRejected("unreadable_image", detail) from None
    except (ImageRejected, MemoryError):
        raise
    except ValueError as error:
        if _TOO_MUCH_TEXT not in str(error):
            raise _damaged(error) from None
        detail = "A text or colour profile in it unpacks to far more than is sensible."
        raise ImageRejected("too_much_text", detail) from None
    # A decoder may raise anything for damaged bytes. A fault of the disk has another errno.
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _IMAGE_ERRNOS:
            raise
        raise _damaged(error) from None


def with_png_mended(
    source: Path, folder: Path, step: Callable[[Path], Result], note: Callable[[str], None]
) -> Result:
    """step(source). A PNG that Pillow refuses is tried again without its damaged chunks.

    Raises ImageRejected, or whatever a decoder raises.
    """
    try:
        return step(source)
    except (ImageRejected, MemoryError):
        raise
    except Exception as error:
        is_bomb = _TOO_MUCH_TEXT in str(error)
        mended = None if is_bomb else png.without_damaged(source.read_bytes(), note)
        if mended is None:
            raise
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(mended)
        file.flush()
        return step(Path(f"/dev/fd/{file.fileno()}"))


def _marked(path: Path, stamp: Stamp) -> bytes:
    with registry.open_image(path) as image:
        check_size(image, stamp.options)
        _check_frames(image, stamp.options)
        return registry.mark(path, image, stamp)


def _damaged(error: Exception) -> ImageRejected:
    if str(error).startswith("Unsupported"):
        detail = f"{error}: no decoder here reads this kind; convert it to PNG."
        return ImageRejected("unreadable_image", detail)
    detail = f"The image is damaged ({type(error).__name__}: {error})."
    return ImageRejected("corrupt_image", detail)


def check_size(image: Image.Image, options: Options) -> None:
    """Raises ImageRejected for a picture of too many pixels."""
    if image.width * image.height > options.max_pixels:
        size = f"{image.width} x {image.height} pixels"
        raise ImageRejected("too_many_pixels", f"{size} are more than MAX_MEGAPIXELS allows.")


def _check_frames(image: Image.Image, options: Options) -> None:
    # Pillow would read all directories of a TIFF to count its pages. formats/tiff counts them.
    frames = 1 if image.format == "TIFF" else getattr(image, "n_frames", 1)
    pixels = max(image.width * image.height, _MIN_FRAME_PIXELS)
    if frames > 1 and pixels * frames > options.max_total_pixels:
        size = f"{image.width} x {image.height} pixels"
        detail = f"{frames} frames of {size} are more than MAX_TOTAL_MEGAPIXELS allows."
        raise ImageRejected("too_many_pixels", detail)


def main() -> None:
    """The command line: SOURCE LOGO TARGET. Raises SystemExit with what is wrong."""
    from settings import Settings
    from shared import environment

    if len(sys.argv) != 4:
        raise SystemExit("usage: python watermark.py SOURCE LOGO TARGET")
    source, logo, target = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        normalised = Path(folder, "logo.png")
        try:
            normalise_logo(logo, normalised)
        except ValueError as error:
            raise SystemExit(f"the logo {logo}: {error}") from None
        try:
            options = environment.load(Settings).options
            written = watermark_file(source, normalised, target, options)
        except MemoryError:
            raise SystemExit(f"{source}: not enough memory") from None
        except (ImageRejected, OSError, ValueError) as error:
            raise SystemExit(f"{source}: {error}") from None
    lines = [f"{target}: {written.file['size']} bytes", *written.notes]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
