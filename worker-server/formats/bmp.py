"""BMP: only the rows under the logo are written again, in place.

Headers: Microsoft's "Bitmap Storage"; OS/2's first one has 12 bytes.
"""

import struct
from pathlib import Path
from typing import Any

from PIL import Image

from drawing.stamp import Overlay, Stamp
from formats.codecs.encoding import encoded

_FILE_HEADER = 14
_OS2_HEADER, _V5_HEADER = 12, 124
_EMBEDDED = 0x4D424544  # PROFILE_EMBEDDED
_PACKED_BY_PILLOW = ("1", "L", "P", "P;4", "P;1", "BGR")


def mark_bmp(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """The whole file is written again, with a note, where its rows are packed in a rare way."""
    content = bytearray(path.read_bytes())
    tile = image.tile[0]  # type: ignore[attr-defined]
    image.load()
    overlay = stamp.mark(image, profile=profile(content), colours=_most_colours(content))
    if overlay is None:
        return bytes(content)
    raw_mode = tile.args[0]
    overlaps = tile.offset < _FILE_HEADER + _header_size(content)
    is_packed = raw_mode in _PACKED_BY_PILLOW or _has_four_bytes(raw_mode)
    if tile.codec_name == "raw" and is_packed and not overlaps:
        offset = _write_palette(content, image, tile.offset)
        _write_rows(content, image, overlay, tile._replace(offset=offset))
        return bytes(content)
    if overlaps:
        stamp.note("Its pixels lay over its header: it is a plain BMP now.")
    else:
        stamp.note(
            "Its run-length coding or 16-bit pixels cannot be written: it is a plain BMP now."
        )
    return encoded(image, "BMP", dpi=image.info.get("dpi"))


def _most_colours(content: bytearray) -> int:
    """The number of entries that its palette may have."""
    bits = content[_FILE_HEADER + (10 if _header_size(content) == _OS2_HEADER else 14)]
    return 1 << min(bits, 8)


def _header_size(content: bytes | bytearray) -> int:
    """Of the header after the file's."""
    return _u32(content, _FILE_HEADER)


def _has_four_bytes(raw_mode: str) -> bool:
    """Whether it names four channels in their order, such as BGRX or ABGR."""
    return len(raw_mode) == 4 and raw_mode.isalpha()


def _write_rows(content: bytearray, image: Image.Image, overlay: Overlay, tile: Any) -> None:
    raw_mode, stride, direction = tile.args
    for y in range(overlay.top, overlay.top + overlay.logo.height):
        from_start = y if direction == 1 else image.height - 1 - y
        start = tile.offset + from_start * stride
        row = image.crop((0, y, image.width, y + 1))
        if _has_four_bytes(raw_mode):
            channels = dict(zip(row.getbands(), row.split(), strict=True))
            for place, channel in enumerate(raw_mode):
                if channel != "X":  # kept, because some programs read it as alpha
                    end = start + 4 * image.width
                    content[start + place : end : 4] = channels[channel].tobytes()
        else:
            packed = row.tobytes("raw", raw_mode)
            content[start : start + len(packed)] = packed


def _write_palette(content: bytearray, image: Image.Image, offset: int) -> int:
    """Write the image's palette, which may have become longer. Returns the rows' new offset."""
    if image.mode != "P":
        return offset
    header_size = _header_size(content)
    padding = b"" if header_size == _OS2_HEADER else b"\0"
    flat = image.getpalette("RGB") or []
    entries = b"".join(
        bytes((blue, green, red)) + padding
        for red, green, blue in zip(flat[0::3], flat[1::3], flat[2::3], strict=True)
    )
    start = _FILE_HEADER + header_size
    grown = max(0, start + len(entries) - offset)
    content[start : start + len(entries) - grown] = entries
    if grown:
        _add_to_field(content, 2, grown)  # the file's size
        struct.pack_into("<I", content, 10, offset + grown)
        if header_size != _OS2_HEADER:  # it has no such number
            struct.pack_into("<I", content, _FILE_HEADER + 32, len(entries) // 4)  # how many
        if header_size == _V5_HEADER:
            _add_to_field(content, _FILE_HEADER + 112, grown)  # the profile's offset
    return offset + grown


def _add_to_field(content: bytearray, at: int, amount: int) -> None:
    struct.pack_into("<I", content, at, min(_u32(content, at) + amount, 0xFFFFFFFF))


def profile(content: bytes | bytearray) -> bytes | None:
    """The ICC profile of a BITMAPV5HEADER."""
    if _header_size(content) != _V5_HEADER or _u32(content, _FILE_HEADER + 56) != _EMBEDDED:
        return None
    start = _FILE_HEADER + _u32(content, _FILE_HEADER + 112)
    return bytes(content[start : start + _u32(content, _FILE_HEADER + 116)])


def _u32(content: bytes | bytearray, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "little")
