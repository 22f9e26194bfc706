"""HEIC and HEIF: every top-level picture, its depth in bits, its profile, its metadata.

libheif turns and crops the pictures that it decodes as the file asks (irot, imir and clap: ISO/IEC
23008-12 section 6.5), so they are written upright. Thumbnails, depth maps and HDR gain maps are
dropped: they show a picture without the logo, or would brighten the logo like what is under it.
"""

import io
from collections.abc import Mapping
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
from formats.codecs.encoding import as_memory_error
from metadata import filters
from options import Metadata

# Two threads halve the time of a large picture where a processor is idle.
_X265 = {"preset": "ultrafast", "x265:pools": "2", "x265:frame-threads": 1}
# Coding trees of at most 16 pixels take half the time of 32 at the same size, but are not for HEVC
# level 5 and above (Rec. ITU-T H.265, A.4.1). Tiles are smaller than that.
_OF_TILES = {**_X265, "x265:ctu": 16}
_OF_ANY_SIZE = {**_X265, "x265:ctu": 32, "x265:min-cu-size": 16}
# HEVC level 6.2 allows no more (Rec. ITU-T H.265, table A.8). A grid of tiles, as phones write it,
# has no such limit.
_MAX_LUMA_SAMPLES = 35_651_584
_TILE, _PHONE_TILE = 1024, 512
# What is copied from a picture's info
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


@as_memory_error()
def mark_heif(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
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
    kept = _kept(info, stamp)
    mode, bits = opened.mode.partition(";")[::2]
    picture = RawPicture(
        bytearray(opened.data),
        opened.size,
        mode.replace("I", "L"),
        opened.stride,
        is_16bit=bool(bits),
    )
    picture.mark_with(stamp, profile=profile(info))
    writer.add_image(
        picture.size,
        opened.mode,
        picture.samples,
        stride=picture.stride,
        primary=is_primary,
        tile_size=_tile_size(opened),
        **kept,
    )


def profile(info: Mapping[Any, Any]) -> Profile | None:
    nclx = info.get("nclx_profile")
    if nclx is None:
        return info.get("icc_profile")
    return signalled_colour.of_numbers(nclx["color_primaries"], nclx["transfer_characteristics"])


def _tile_size(opened: HeifImage) -> int:
    """The side of the tiles in the grid that is written; 0 for no grid."""
    width, height = opened.size
    info: dict[str, Any] = opened.info
    tiling = info.get("tiling")
    if opened.has_alpha or not (tiling or width * height > _MAX_LUMA_SAMPLES):
        return 0
    smaller = min(tiling["tile_width"], tiling["tile_height"]) if tiling else _TILE
    return _TILE if smaller >= _TILE else _PHONE_TILE


def _kept(info: dict[str, Any], stamp: Stamp) -> dict[str, Any]:
    """Profile, metadata and other properties of a picture, as the writer takes them."""
    policy = stamp.options.metadata
    if any(group["type"] == "ster" for group in info.get("entity_groups", [])):
        stamp.note("Its two pictures are no longer marked as a stereo pair.")
    set_orientation(info)  # the pictures are upright already
    kept = {key: info[key] for key in _PROPERTIES if info.get(key) is not None}
    if policy is Metadata.KEEP:
        # libheif writes only items whose type has four characters.
        blocks = info["metadata"]
        kept["metadata"] = [block for block in blocks if len(block["type"].encode()) == 4]
    kept["exif"] = filters.exif(info.get("exif") or None, policy)
    kept["xmp"] = filters.xmp_of_one_picture(info.get("xmp"), policy)
    return kept
