"""JPEG 2000: the picture encoded anew, as reversibly as before; the boxes around it stay.

ISO/IEC 15444-1: the codestream in annex A, the boxes of a JP2 file in annex I.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageChops

from drawing.stamp import Stamp
from errors import ImageRejected
from formats.codecs.encoding import encoded
from metadata import filters
from options import Metadata

_START, _EOC = b"\xff\x4f\xff\x51", b"\xff\xd9"
_COMMENT, _TILE, _END = 0xFF64, 0xFF90, 0xFFD9
_HEADER, _IMAGE_HEADER, _DEPTHS, _COLOUR = b"jp2h", b"ihdr", b"bpcc", b"colr"
_CODESTREAM = b"jp2c"
_ENUMERATED, _SYCC, _SRGB = 1, 18, 16  # annex I.5.3.3
_DESCRIBING = (b"xml ", b"uuid", b"uinf", b"asoc")
_EXIF = bytes.fromhex("4a706754696666457869662d3e4a5032")  # "JpgTiffExif->JP2"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_IPTC = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
_GEOTIFF = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")


_IS_ZERO = [255] + [0] * 255
_IS_BRIGHT = [0] * 128 + [255] * 128


class _Coding(NamedTuple):
    """What SIZ and COD (annexes A.5.1 and A.6.1) say of a codestream."""

    components: int
    bits: int
    colours_mixed: bool  # by the multiple component transformation
    is_reversible: bool


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """A codestream for a codestream, a JP2 file for a JP2 file."""
    source = path.read_bytes()
    policy = stamp.options.metadata
    is_bare = source.startswith(_START)
    boxes = [] if is_bare else list(_boxes(source))
    stream = source if is_bare else _codestream(boxes)
    coding = _coding(stream)
    image.load()
    if coding.bits > 8 and not image.mode.startswith("I"):
        _restore_white(image, source, stream)
        stamp.note("It had more than 8 bits in each of several channels; it has 8 now.")
    elif coding.bits not in (8, 16):
        stamp.note(f"It had {coding.bits} bits a pixel; it has {image.mode[2:] or 8} now.")
    # The entries of a JP2's palette are shared with its header, which stays: no new ones.
    is_marked = stamp.put_on(image, profile=_profile(boxes), colours=0) is not None
    new = _encoded(image, coding, len(stream)) if is_marked else stream
    new = _with_comments(new, b"" if policy is Metadata.STRIP else stream)
    if is_bare:
        return new
    depth = _coding(new).bits
    return b"".join(_kept(kind, content, new, depth, policy) for kind, content in boxes)


def _restore_white(image: Image.Image, source: bytes, stream: bytes) -> None:
    """Make the brightest levels bright again: Pillow 13 rounds them up to 256, which is its 0.

    Decoded as if it had a bit more, such a level is far from 0.
    """
    start = source.index(stream)
    disguised = bytearray(source)
    (components,) = struct.unpack_from(">H", stream, 40)
    for component in range(components):
        disguised[start + 42 + 3 * component] += 1
    with Image.open(BytesIO(disguised), formats=("JPEG2000",)) as again:
        bands = list(image.split())
        for band, dimmed in zip(bands, again.split(), strict=True):
            wrong = ImageChops.darker(band.point(_IS_ZERO), dimmed.point(_IS_BRIGHT))
            band.paste(255, mask=wrong)
        image.paste(Image.merge(image.mode, bands))


def _encoded(image: Image.Image, coding: _Coding, size: int) -> bytes:
    """The picture's codestream; size is that of its old one, in bytes."""
    options = _options(image, coding, size)
    if image.mode in ("P", "PA"):  # the entries' numbers are the samples
        mode = "L" if image.mode == "P" else "LA"
        image = Image.frombytes(mode, image.size, image.tobytes())
    return encoded(image, "JPEG2000", no_jp2=True, **options)


def _options(image: Image.Image, coding: _Coding, size: int) -> dict[str, Any]:
    given: dict[str, Any] = {
        "mct": int(coding.colours_mixed and image.mode in ("RGB", "RGBA")),
    }
    if coding.is_reversible:
        return given
    raw = image.width * image.height * coding.components
    return {**given, "irreversible": True, "quality_layers": [max(1.0, raw / size)]}


def _with_comments(new: bytes, old: bytes) -> bytes:
    """A codestream with another's comments instead of the encoder's own (annex A.9.2)."""
    comments = [segment for marker, segment in _segments(old) if marker == _COMMENT]
    header = [segment for marker, segment in _segments(new) if marker != _COMMENT]
    behind = 2 + sum(len(segment) for _, segment in _segments(new))
    return b"".join([new[:2], *header, *comments, new[behind:]])


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment of the main header, which the first tile ends."""
    position = 2
    while position + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker in (_TILE, _END) or length < 2:
            break
        yield marker, stream[position : position + 2 + length]
        position += 2 + length


def _coding(stream: bytes) -> _Coding:
    (components,) = struct.unpack_from(">H", stream, 40)
    depths = [(stream[42 + 3 * index] & 0x7F) + 1 for index in range(components)]
    position = 2
    while True:
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker == 0xFF52:
            mixed, reversible = stream[position + 8], stream[position + 13]
            return _Coding(components, max(depths), bool(mixed), bool(reversible))
        position += 2 + max(2, length)


def _codestream(boxes: list[tuple[bytes, bytes]]) -> bytes:
    """The first one. Raises ImageRejected where its box ends before it: its rest would be boxes."""
    number = next(n for n, (kind, _) in enumerate(boxes) if kind == _CODESTREAM)
    stream = boxes[number][1]
    if number + 1 < len(boxes) and not stream.rstrip(b"\0").endswith(_EOC):
        raise _damaged("its codestream is longer than its box")
    return stream


def _damaged(what: str) -> ImageRejected:
    return ImageRejected("corrupt_image", f"The JPEG 2000 is damaged: {what}.")


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of each box (annex I.4). Raises ImageRejected where one is cut short."""
    position = 0
    while position + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, position)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, position + 8)
            header = 16
        end = position + max(size, header) if size else len(content)
        if end > len(content):
            raise _damaged(f"a box says it has {size} bytes")
        yield kind, content[position + header : end]
        position = end


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _profile(boxes: list[tuple[bytes, bytes]]) -> bytes | None:
    """The ICC profile in the header, behind METH, PREC and APPROX (annex I.5.3.3)."""
    for kind, content in boxes:
        if kind == _HEADER:
            for inner, colour in _boxes(content):
                if inner == _COLOUR and colour[:1] in (b"\x02", b"\x03"):
                    return colour[3:]
    return None


def _kept(kind: bytes, content: bytes, stream: bytes, depth: int, policy: Metadata) -> bytes:
    """One box of the new file."""
    if kind == _CODESTREAM:
        return _box(kind, stream)
    if kind == _HEADER:
        return _box(kind, b"".join(_header_kept(*box, depth) for box in _boxes(content)))
    if kind not in _DESCRIBING or policy is Metadata.KEEP:
        return _box(kind, content)
    if policy is Metadata.STRIP or kind == b"asoc" or content.startswith(_GEOTIFF):
        return b""
    if kind == b"uuid":
        for name, filtered in (
            (_EXIF, filters.exif),
            (_XMP, filters.xmp),
            (_IPTC, filters.iim),
        ):
            if content.startswith(name):
                left = filtered(content[16:], policy)
                return b"" if left is None else _box(kind, name + left)
    return _box(kind, content)


def _header_kept(kind: bytes, content: bytes, depth: int) -> bytes:
    """A box of the header, true of what was written."""
    if kind == _IMAGE_HEADER:
        content = content[:10] + bytes([depth - 1]) + content[11:]
    elif kind == _DEPTHS:
        return b""
    elif kind == _COLOUR and content[:1] == bytes([_ENUMERATED]):
        (space,) = struct.unpack_from(">I", content, 3)
        if space == _SYCC:  # it was decoded to RGB
            content = content[:3] + struct.pack(">I", _SRGB)
    return _box(kind, content)
