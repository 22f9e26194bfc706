"""BMP: the rows that the logo touches are written over in the file itself; all else stays.

Headers as in Microsoft's "Bitmap Storage"; OS/2's first one is 12 bytes long.
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


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """The file with the logo on it; one whose rows are packed in a rare way is written anew."""
    content = bytearray(path.read_bytes())
    tile = image.tile[0]  # type: ignore[attr-defined]
    image.load()
    overlay = stamp.put_on(image, profile=_profile(content), colours=_most_colours(content))
    if overlay is None:
        return bytes(content)
    raw_mode = tile.args[0]
    is_plain = tile.codec_name == "raw" and tile.offset >= _end_of_header(content)
    if is_plain and (raw_mode in _PACKED_BY_PILLOW or _has_four_bytes(raw_mode)):
        offset = _write_palette(content, image, tile.offset)
        _write_rows(content, image, overlay, tile._replace(offset=offset))
        return bytes(content)
    if tile.offset < _end_of_header(content):
        stamp.note("Its pixels lay over its header: it is a plain BMP now.")
    else:
        stamp.note(
            "Its run-length coding or 16-bit pixels cannot be written: it is a plain BMP now."
        )
    return encoded(image, "BMP", dpi=image.info.get("dpi"))


def _most_colours(content: bytearray) -> int:
    """How many entries its palette may have; OS/2's is of a fixed length."""
    (header_size,) = struct.unpack_from("<I", content, _FILE_HEADER)
    bits = content[_FILE_HEADER + (10 if header_size == _OS2_HEADER else 14)]
    return 1 << min(bits, 8)


def _end_of_header(content: bytearray) -> int:
    (header_size,) = struct.unpack_from("<I", content, _FILE_HEADER)
    return _FILE_HEADER + int(header_size)


def _has_four_bytes(raw_mode: str) -> bool:
    """Whether it is an order of four channels, such as BGRX or ABGR."""
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
                if channel != "X":  # some read it as alpha all the same: it stays
                    end = start + 4 * image.width
                    content[start + place : end : 4] = channels[channel].tobytes()
        else:
            packed = row.tobytes("raw", raw_mode)
            content[start : start + len(packed)] = packed


def _write_palette(content: bytearray, image: Image.Image, offset: int) -> int:
    """New colours into entries that were free, or new entries; where the rows are then."""
    if image.mode != "P":
        return offset
    (header_size,) = struct.unpack_from("<I", content, _FILE_HEADER)
    padding = b"" if header_size == _OS2_HEADER else b"\0"
    flat = image.getpalette("RGB") or []
    entries = b"".join(
        bytes((blue, green, red)) + padding
        for red, green, blue in zip(flat[0::3], flat[1::3], flat[2::3], strict=True)
    )
    start = _FILE_HEADER + header_size
    grown: int = max(0, start + len(entries) - offset)
    content[start : start + len(entries) - grown] = entries
    if grown:
        _add_to_field(content, 2, grown)  # the file's size
        struct.pack_into("<I", content, 10, offset + grown)
        if header_size != _OS2_HEADER:  # which has no number of entries
            struct.pack_into("<I", content, _FILE_HEADER + 32, len(entries) // 4)
        if header_size == _V5_HEADER:
            _add_to_field(content, _FILE_HEADER + 112, grown)  # where the profile begins
    return offset + grown


def _add_to_field(content: bytearray, at: int, amount: int) -> None:
    (value,) = struct.unpack_from("<I", content, at)
    struct.pack_into("<I", content, at, min(value + amount, 0xFFFFFFFF))


def _profile(content: bytes | bytearray) -> bytes | None:
    """The ICC profile of a BITMAPV5HEADER."""
    (header_size,) = struct.unpack_from("<I", content, _FILE_HEADER)
    if header_size != _V5_HEADER:
        return None
    (kind,) = struct.unpack_from("<I", content, _FILE_HEADER + 56)
    start, size = struct.unpack_from("<II", content, _FILE_HEADER + 112)
    start += _FILE_HEADER
    return bytes(content[start : start + size]) if kind == _EMBEDDED else None
