"""HEIC and HEIF: every top-level picture, its depth in bits, its profile, its metadata.

libheif turns and crops what it reads as the file asks for (irot, imir and clap: ISO/IEC 23008-12
section 6.5), so pictures come and go upright. Beside the pictures a file may hold others that
belong to one of them: thumbnails, depth, HDR gain maps. They show it without the logo, or would
light the logo up by what is under it, and are dropped.
"""

import io
from pathlib import Path
from typing import Any

from PIL import ImageFile
from pillow_heif import HeifImage, open_heif, set_orientation
from pillow_heif.constants import HeifCompressionFormat
from pillow_heif.misc import CtxEncode

from drawing import signalled_colour
from drawing.compositing import Profile
from drawing.raw_picture import RawPicture
from drawing.stamp import Stamp
from formats.codecs import heif_parts, quality
from formats.codecs.encoding import out_of_memory_translated
from metadata import filters, xmp
from options import Metadata

# Two threads halve the wait for a large picture where a processor is idle.
_X265 = {"preset": "ultrafast", "x265:pools": "2", "x265:frame-threads": 1}
# Coding trees from 16 pixels down take half the time of those from 32 down at the same size, but
# are not for pictures that need HEVC level 5 (Rec. ITU-T H.265, A.4.1), as tiles never do.
_OF_TILES = {**_X265, "x265:ctu": 16}
_OF_ANY_SIZE = {**_X265, "x265:ctu": 32, "x265:min-cu-size": 16}
# More are beyond HEVC level 6.2 (Rec. ITU-T H.265, table A.8); a grid of tiles, which is how
# phones write their pictures, knows no such limit.
_MAX_LUMA_SAMPLES = 35_651_584
_TILE, _PHONE_TILE = 1024, 512
# Of a picture's info, what is handed on as it is
_PROPERTIES = (
    "bit_depth",
    "icc_profile",
    "icc_profile_type",
    "nclx_profile",
    "pixel_aspect_ratio",
    "content_light_level",
    "mastering_display_colour_volume",
    "ambient_viewing_environment",
    "nominal_diffuse_white_luminance",
)


@out_of_memory_translated()
def marked(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    """The file's bytes with the logo on each of its top-level pictures."""
    heif = open_heif(path, convert_hdr_to_8bit=False, hdr_to_16bit=True, remove_stride=False)
    primary = heif.primary_index
    if stamp.options.metadata is Metadata.KEEP and not any(stamp.overlay(p.size) for p in heif):
        return path.read_bytes()
    heif_parts.note_dropped(path, stamp, keeps_animation=False)
    writer = CtxEncode(
        HeifCompressionFormat.HEVC,
        quality=quality.of_heif(stamp.options.output_quality),
        chroma=heif.info.get("chroma"),
        enc_params=dict(_OF_TILES if all(map(_tile_size, heif)) else _OF_ANY_SIZE),
    )
    for index in range(len(heif)):
        _add(writer, heif[0], stamp, is_primary=index == primary)
        del heif[0]  # and its pixels
    buffer = io.BytesIO()
    writer.save(buffer)
    return buffer.getvalue()


def _add(writer: CtxEncode, opened: HeifImage, stamp: Stamp, *, is_primary: bool) -> None:
    info: dict[str, Any] = opened.info
    carried = _carried(info, stamp)
    mode, bits = opened.mode.partition(";")[::2]
    picture = RawPicture(
        bytearray(opened.data),
        opened.size,
        mode.replace("I", "L"),
        opened.stride,
        is_16bit=bool(bits),
    )
    picture.put_on(stamp, profile=_profile(info))
    writer.add_image(
        picture.size,
        opened.mode,
        picture.samples,
        stride=picture.stride,
        primary=is_primary,
        tile_size=_tile_size(opened),
        **carried,
    )


def _profile(info: dict[str, Any]) -> Profile | None:
    nclx = info.get("nclx_profile")
    if nclx is None:
        return info.get("icc_profile")
    numbers = nclx["color_primaries"], nclx["transfer_characteristics"]
    return signalled_colour.of_numbers(*numbers)


def _tile_size(opened: HeifImage) -> int:
    """Of the grid that is written; 0 for none."""
    width, height = opened.size
    info: dict[str, Any] = opened.info
    tiling = info.get("tiling")
    if opened.has_alpha or not (tiling or width * height > _MAX_LUMA_SAMPLES):
        return 0
    smaller = min(tiling["tile_width"], tiling["tile_height"]) if tiling else _TILE
    return _TILE if smaller >= _TILE else _PHONE_TILE


def _carried(info: dict[str, Any], stamp: Stamp) -> dict[str, Any]:
    """What a picture carries beside its pixels, as the writer wants it."""
    policy = stamp.options.metadata
    if any(group["type"] == "ster" for group in info.get("entity_groups", [])):
        stamp.note("Its two pictures are no longer marked as a stereo pair.")
    set_orientation(info)  # they are turned already
    carried = {key: info[key] for key in _PROPERTIES if info.get(key) is not None}
    if policy is Metadata.KEEP:
        # An item's type is four characters, or cannot be written.
        blocks = info["metadata"]
        carried["metadata"] = [block for block in blocks if len(block["type"].encode()) == 4]
    exif, packet = info.get("exif"), info.get("xmp")
    carried["exif"] = filters.exif(exif, policy) if exif else None
    carried["xmp"] = filters.xmp(xmp.of_one_picture(packet), policy) if packet else None
    return carried
