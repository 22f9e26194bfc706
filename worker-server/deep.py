"""PNGs of several channels of 16 bits each, which Pillow would make 8 of.

All but the pixels in the logo's box is as it was, all but the pixels chunk for chunk.
"""

import struct
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

import deep_samples
import metadata
from deep_samples import Alpha, Pixels
from options import Metadata
from stamp import Stamp

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTH, _WHITE = 16, 65535
# Channels of PNG's colour types (PNG specification, third edition, section 11.2.1)
_CHANNELS = {2: 3, 4: 2, 6: 4}
_WITH_ALPHA = 4  # a bit of the colour type
_SHOWN_BY = {b"IHDR", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
             b"cICP", b"mDCV", b"cLLI", b"bKGD"}  # fmt: skip
_EXIF, _PIXELS, _TEXT = b"eXIf", b"IDAT", b"iTXt"
_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"  # not compressed, as Adobe asks for


def takes(path: Path, image: Image.Image) -> bool:
    """Whether marked is to see to this image."""
    return image.format == "PNG" and _header(path)[0] == _DEPTH and _header(path)[1] in _CHANNELS


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """The PNG with the logo on it."""
    import vips  # most images do without

    _, colour_type, interlaced = _header(path)
    chunks = list(_chunks(path.read_bytes()))
    exif = next((content for kind, content in chunks if kind == _EXIF), b"")
    overlay = stamp.overlay(image.size, metadata.orientation(exif))
    if overlay is None:
        image.load()
        return path.read_bytes()
    bands = _CHANNELS[colour_type]
    samples = array("H", vips.png_box(path, overlay.box, bands))
    alpha = Alpha.STRAIGHT if colour_type & _WITH_ALPHA else None
    kind = Pixels("RGB" if bands > 2 else "L", bands, alpha, 0, _WHITE)
    deep_samples.put_on(samples, kind, overlay.logo, image.info.get("icc_profile"))
    shape = vips.Shape(overlay.logo.width, overlay.logo.height, bands, _DEPTH)
    corner = overlay.left, overlay.top
    new = vips.png_with_box(path, samples.tobytes(), shape, corner, interlace=interlaced)
    return _with_pixels_of(new, chunks, stamp.options.metadata)


def _header(path: Path) -> tuple[int, int, bool]:
    """Depth, colour type, and whether it is interlaced (IHDR is always the first chunk)."""
    with path.open("rb") as file:
        depth, colour_type, _, _, interlace = file.read(29)[24:29]
    return depth, colour_type, bool(interlace)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each chunk, IEND being the last."""
    at, kind = len(_SIGNATURE), b""
    while at + 12 <= len(content) and kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", content, at)
        yield kind, content[at + 8 : at + 8 + size]
        at += 12 + size


def _with_pixels_of(new: bytes, chunks: list[tuple[bytes, bytes]], policy: Metadata) -> bytes:
    """The chunks in their order, with another PNG's pixels in place of theirs."""
    pixels = b"".join(_chunk(kind, data) for kind, data in _chunks(new) if kind == _PIXELS)
    parts = [_SIGNATURE]
    for number, (kind, data) in enumerate(chunks):
        if kind == _PIXELS:
            parts.append(pixels if chunks[number - 1][0] != _PIXELS else b"")
        elif (kept := _kept(kind, data, policy)) is not None:
            parts.append(_chunk(kind, kept))
    return b"".join(parts)


def _kept(kind: bytes, data: bytes, policy: Metadata) -> bytes | None:
    if kind == _EXIF:
        return metadata.exif(data, policy)
    if policy is Metadata.STRIP:
        return data if kind in _SHOWN_BY else None
    if kind == _TEXT and data.startswith(_XMP):
        packet = metadata.xmp(data[len(_XMP) :], policy)
        return None if packet is None else _XMP + packet
    return data


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
