"""Putting the logo onto one image, in its own format. Runs in a child process.

python watermark.py photo.jpg logo.png watermarked_photo.jpg
"""

import errno
import hashlib
import resource
import sys
from pathlib import Path

from PIL import Image, ImageSequence, UnidentifiedImageError

import compositing
import encoding
import placement
from contract import FileRecord
from errors import ImageRejected

_ORIENTATION_TAG = 0x0112

# Pillow's own limit is a constant; ours is a setting, checked in _check_pixels.
Image.MAX_IMAGE_PIXELS = None

_PROCESS_BYTES = 50_000_000  # what a child takes before it opens an image

# A seek to where a hostile header points fails with EINVAL.
_FAULTS_OF_THE_IMAGE = (None, errno.EINVAL)


def watermark_file(
    source: Path, logo: Path, target: Path, max_pixels: int, max_total_pixels: int
) -> FileRecord:
    """Write source with the logo top right to target, in the format source really has.

    max_pixels is for one frame, max_total_pixels for all. Raises ImageRejected, MemoryError,
    and OSError where the disk is at fault.
    """
    try:
        with Image.open(source, formats=encoding.FORMATS) as image:
            _check_pixels(image, max_pixels, max_total_pixels)
            _check_memory(image)
            if getattr(image, "is_animated", False) and image.format != "MPO":
                frames = [_marked(frame, logo).copy() for frame in ImageSequence.Iterator(image)]
                encoded = encoding.encode_frames(image, frames)
            else:
                encoded = encoding.encode(_marked(image, logo))
    except UnidentifiedImageError:
        raise ImageRejected("unreadable_image", "No decoder can read this as an image.") from None
    except (ImageRejected, MemoryError):
        raise
    # A decoder meeting hostile bytes may raise anything; a fault of the disk has its errno.
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _FAULTS_OF_THE_IMAGE:
            raise
        detail = f"The image is damaged ({type(error).__name__}: {error})."
        raise ImageRejected("corrupt_image", detail) from None
    target.write_bytes(encoded)
    digest = hashlib.sha256(encoded).hexdigest()
    return {"name": target.name, "sha256": digest, "size": len(encoded)}


def _check_pixels(image: Image.Image, max_pixels: int, max_total_pixels: int) -> None:
    pixels = image.width * image.height
    if pixels > max_pixels:
        detail = f"{image.width} x {image.height} pixels are more than MAX_MEGAPIXELS allows."
        raise ImageRejected("too_many_pixels", detail)
    frames = getattr(image, "n_frames", 1)
    if pixels * frames > max_total_pixels:
        detail = f"{frames} frames of {image.width} x {image.height} pixels are more than "
        raise ImageRejected("too_many_pixels", f"{detail}MAX_TOTAL_MEGAPIXELS allows.")


def _check_memory(image: Image.Image) -> None:
    """Raise MemoryError where libjpeg would say only "broken data stream".

    Of a progressive picture it holds the coefficients, 2 bytes each, beside Pillow's pixels;
    and Pillow 2 bytes for each pixel of what it writes.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if "progressive" in image.info and limit != resource.RLIM_INFINITY:
        samples = [across * down for _, across, down, _ in image.layer]  # type: ignore[attr-defined]
        bytes_per_pixel = (1 if image.mode == "L" else 4) + 2 * sum(samples) / max(samples) + 2
        if _PROCESS_BYTES + image.width * image.height * bytes_per_pixel > limit:
            raise MemoryError


def _marked(image: Image.Image, logo: Path) -> Image.Image:
    """The frame, with the logo where a person who looks at it sees the top right corner."""
    image.load()  # before the orientation is read: TIFF is turned upright while it loads
    orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    seen = placement.upright(image.size, orientation)
    mark = compositing.mark(logo, seen, orientation)
    box = placement.top_right(placement.upright(mark.size, orientation), seen)
    left, top, _, _ = placement.stored_box(box, seen, orientation)
    compositing.composite(image, mark, (left, top))
    return image


if __name__ == "__main__":
    photo, mark, result = map(Path, sys.argv[1:4])
    watermark_file(photo, mark, result, max_pixels=10**8, max_total_pixels=5 * 10**8)
