"""The colour space of an opened image, whatever its format."""

from pathlib import Path

from PIL import ImageFile

from drawing.compositing import Profile
from formats import bmp, heif, jpeg2000
from formats.avif import boxes, mark
from formats.png import chunks, colour_space


def of(path: Path, image: ImageFile.ImageFile) -> Profile | None:
    """None means sRGB, or what is usual for its mode."""
    icc_profile: bytes | None = image.info.get("icc_profile")
    match image.format:
        case "PNG":
            return colour_space.profile(chunks.read(path.read_bytes()), icc_profile)
        case "AVIF":
            return mark.profile(image, boxes.read(path))
        case "HEIF":
            return heif.profile(image.info)
        case "JPEG2000":
            return jpeg2000.profile(path)
        case "BMP":
            return bmp.profile(path.read_bytes())
    return icc_profile
