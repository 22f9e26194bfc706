"""What an image of any format carries beside its pixels, for a file of another format."""

from typing import Any

from PIL import Image, ImageFile
from pillow_heif import set_orientation

from drawing.stamp import Stamp
from metadata import filters, xmp
from options import OutputFormat

# EXIF's own tags in a TIFF, among those that describe where its pixels are (CIPA DC-008, 4.6.4)
_DESCRIPTIVE = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
_POINTERS = (0x8769, 0x8825)  # to the EXIF and GPS directories
_EXIF = b"Exif\0\0"
_MAX_JPEG_BLOCK = 65_500
_TURNED_BY_PILLOW = ("TIFF", "HEIF")


def orientation(image: ImageFile.ImageFile) -> int:
    """The EXIF orientation that is still to be applied to the loaded image."""
    if image.format in _TURNED_BY_PILLOW:
        return 1
    return filters.orientation(image.info.get("exif") or b"")


def along(image: ImageFile.ImageFile, stamp: Stamp, picture: Image.Image) -> dict[str, Any]:
    """The options for saving the upright picture made of image: profile, EXIF, XMP, resolution.

    exif and xmp are bytes, empty where there is none.
    """
    policy = stamp.options.metadata
    blocks: dict[str, Any] = {"exif": _exif(image), "xmp": _xmp(image, stamp)}
    set_orientation(blocks)
    along: dict[str, Any] = {"icc_profile": picture.info.get("icc_profile")}
    for name, kept in (("exif", filters.exif), ("xmp", filters.xmp)):
        along[name] = (kept(blocks[name], policy) if blocks[name] else None) or b""
        if stamp.options.output_format is OutputFormat.JPEG and len(along[name]) > _MAX_JPEG_BLOCK:
            stamp.note(f"Its {name.upper()} is too long for a JPEG and was dropped.")
            along[name] = b""
    if along["exif"] and not along["exif"].startswith(_EXIF):
        along["exif"] = _EXIF + along["exif"]  # JPEG wants it, the others take it off
    if dpi := image.info.get("dpi"):
        along["dpi"] = tuple(map(float, dpi))
    return along


def _xmp(image: ImageFile.ImageFile, stamp: Stamp) -> bytes | None:
    packet: bytes | None = image.info.get("xmp")
    kept = xmp.of_one_picture(packet) if packet else packet
    if kept != packet:
        stamp.note(
            "What its XMP said of a video or of further pictures was removed: they are not kept."
        )
    return kept


def _exif(image: ImageFile.ImageFile) -> bytes | None:
    if image.format != "TIFF":
        return image.info.get("exif")
    described, exif = image.getexif(), Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in described:
            exif[tag] = described[tag]
    for tag in _POINTERS:
        if entries := dict(described.get_ifd(tag)):
            exif.get_ifd(tag).update(entries)
            exif[tag] = entries
    return exif.tobytes() if len(exif) else None
