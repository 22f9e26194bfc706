"""Profile, metadata and resolution of an image of any format, for a file of another format."""

from typing import Any

from PIL import Image, ImageFile
from PIL.ExifTags import Base as Tag
from pillow_heif import set_orientation

from drawing.stamp import Stamp
from metadata import filters, xmp
from metadata.exif import PREFIX
from options import OutputFormat

# EXIF's tags among those of a TIFF (CIPA DC-008, 4.6.4). The others describe its pixels.
_DESCRIPTIVE = (
    Tag.ImageDescription, Tag.Make, Tag.Model, Tag.Software, Tag.DateTime, Tag.Artist,
    Tag.Copyright,
)  # fmt: skip
_DIRECTORIES = (Tag.ExifOffset, Tag.GPSInfo)
_MAX_JPEG_BLOCK = 65_500
_TURNED_BY_PILLOW = ("TIFF", "HEIF")


def orientation(image: ImageFile.ImageFile) -> int:
    """The EXIF orientation that the loaded image still needs."""
    if image.format in _TURNED_BY_PILLOW:
        return 1
    return filters.orientation(image.info.get("exif") or b"")


def kept(image: ImageFile.ImageFile, stamp: Stamp, picture: Image.Image) -> dict[str, Any]:
    """Options for saving the upright picture that image became: profile, EXIF, XMP, resolution.

    exif and xmp are bytes, empty where there is none.
    """
    policy = stamp.options.metadata
    blocks: dict[str, Any] = {"exif": _exif(image), "xmp": _xmp(image, stamp)}
    set_orientation(blocks)
    options: dict[str, Any] = {"icc_profile": picture.info.get("icc_profile")}
    is_jpeg = stamp.options.output_format is OutputFormat.JPEG
    for name, filtered in (("exif", filters.exif), ("xmp", filters.xmp)):
        options[name] = filtered(blocks[name] or None, policy) or b""
        if is_jpeg and len(options[name]) > _MAX_JPEG_BLOCK:
            stamp.note(f"Its {name.upper()} is too long for a JPEG and was dropped.")
            options[name] = b""
    if options["exif"] and not options["exif"].startswith(PREFIX):
        options["exif"] = PREFIX + options["exif"]  # for JPEG; other encoders remove it
    if dpi := image.info.get("dpi"):
        options["dpi"] = tuple(map(float, dpi))
    return options


def _xmp(image: ImageFile.ImageFile, stamp: Stamp) -> bytes | None:
    packet: bytes | None = image.info.get("xmp")
    filtered = xmp.of_one_picture(packet) if packet else packet
    if filtered != packet:
        stamp.note(
            "What its XMP said of a video or of further pictures was removed: they are not kept."
        )
    return filtered


def _exif(image: ImageFile.ImageFile) -> bytes | None:
    if image.format != "TIFF":
        return image.info.get("exif")
    described, exif = image.getexif(), Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in described:
            exif[tag] = described[tag]
    for tag in _DIRECTORIES:
        if entries := dict(described.get_ifd(tag)):
            exif.get_ifd(tag).update(entries)
            exif[tag] = entries
    return exif.tobytes() if len(exif) else None
