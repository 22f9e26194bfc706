"""JPEG 2000: the picture encoded anew, reversibly if it was so; the boxes around it stay.

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
from formats.codecs import iso_boxes
from formats.codecs.encoding import encoded
from formats.codecs.iso_boxes import Box
from metadata import filters
from options import Metadata

_START, _EOC = b"\xff\x4f\xff\x51", b"\xff\xd9"
_COD, _COM, _SOT, _END = 0xFF52, 0xFF64, 0xFF90, 0xFFD9
_HEADER, _IMAGE_HEADER, _DEPTHS, _COLOUR = b"jp2h", b"ihdr", b"bpcc", b"colr"
_CODESTREAM = b"jp2c"
_ENUMERATED, _SYCC, _SRGB = b"\1", b"\0\0\0\x12", b"\0\0\0\x10"  # annex I.5.3.3
_DESCRIBING = (b"xml ", b"uuid", b"uinf", b"asoc")
_GEOTIFF = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
_FILTERS = {  # by the UUID of their boxes
    bytes.fromhex("4a706754696666457869662d3e4a5032"): filters.exif,  # "JpgTiffExif->JP2"
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): filters.xmp,
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): filters.iim,
}

_IS_ZERO = [255] + [0] * 255
_IS_BRIGHT = [0] * 128 + [255] * 128


class _Coding(NamedTuple):
    """What SIZ and COD (annexes A.5.1 and A.6.1) say of a codestream."""

    components: int
    bits: int
    is_colour_transformed: bool  # by the multiple component transformation
    is_reversible: bool
    levels: int  # of decomposition


def mark_jpeg2000(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    """A codestream for a codestream, a JP2 file for a JP2 file."""
    source = path.read_bytes()
    policy = stamp.options.metadata
    boxes, stream = _parts(source)
    coding = _coding(stream)
    if _load(image, source, stream):
        stamp.note("It had more than 8 bits in each of several channels; it has 8 now.")
    elif coding.bits not in (8, 16):
        stamp.note(f"It had {coding.bits} bits a pixel; it has {image.mode[2:] or 8} now.")
    # A JP2's palette is in its header, which stays: no new entries.
    is_marked = stamp.mark(image, profile=_profile(boxes), colours=0) is not None
    new = _encoded(image, coding, len(stream)) if is_marked else stream
    new = _with_comments(new, b"" if policy is Metadata.STRIP else stream)
    if not boxes:
        return new
    depth = _coding(new).bits
    kept = (_kept(box, new, depth, policy) for box in boxes)
    return b"".join(box.to_bytes() for box in kept if box)


def load_reduced(path: Path, image: Image.Image, factor: int) -> None:
    """Load the picture as it looks. It is smaller afterwards, by factor at most.

    Of a wavelet's levels the last ones are not decoded (annex B.5): that saves most of the time.
    """
    source = path.read_bytes()
    _, stream = _parts(source)
    coding = _coding(stream)
    if coding.bits <= 8:
        levels = range(min(coding.levels, max(factor, 1).bit_length() - 1), -1, -1)
        opened: Any = image
        opened.reduce = next(level for level in levels if _halves_well(image.size, level))
    _load(image, source, stream)


def _halves_well(size: tuple[int, int], times: int) -> bool:
    """Whether Pillow rounds the halved sides as the standard does (B-15); else it reads nothing."""
    return all(-(-side >> times) == side + (1 << times >> 1) >> times for side in size)


def profile(path: Path) -> bytes | None:
    """The ICC profile of a file."""
    return _profile(_parts(path.read_bytes())[0])


def _parts(source: bytes) -> tuple[list[Box], bytes]:
    """The boxes, of which a bare codestream has none, and the codestream."""
    if source.startswith(_START):
        return [], source
    boxes = list(_boxes(source))
    return boxes, _codestream(boxes)


def _load(image: Image.Image, source: bytes, stream: bytes) -> bool:
    """Returns whether bits were lost: several channels have 8 bits each afterwards."""
    image.load()
    is_reduced = _coding(stream).bits > 8 and not image.mode.startswith("I")
    if is_reduced:
        _restore_white(image, source, stream)
    return is_reduced


def _restore_white(image: Image.Image, source: bytes, stream: bytes) -> None:
    """Make the brightest levels bright again: Pillow 13 rounds them up to 256, which becomes 0.

    If the file is decoded as if it had one bit more, such a level is far from 0.
    """
    start = source.index(stream)
    deeper = bytearray(source)
    (components,) = struct.unpack_from(">H", stream, 40)
    for component in range(components):
        deeper[start + 42 + 3 * component] += 1
    with Image.open(BytesIO(deeper), formats=("JPEG2000",)) as again:
        bands = list(image.split())
        for band, dimmed in zip(bands, again.split(), strict=True):
            wrong = ImageChops.darker(band.point(_IS_ZERO), dimmed.point(_IS_BRIGHT))
            band.paste(255, mask=wrong)
        image.paste(Image.merge(image.mode, bands))


def _encoded(image: Image.Image, coding: _Coding, size: int) -> bytes:
    """The picture's codestream; size is that of its old one, in bytes."""
    options: dict[str, Any] = {
        "mct": int(coding.is_colour_transformed and image.mode in ("RGB", "RGBA"))
    }
    if not coding.is_reversible:
        raw = image.width * image.height * coding.components
        options |= {"irreversible": True, "quality_layers": [max(1.0, raw / size)]}
    if image.mode in ("P", "PA"):  # the samples are numbers of palette entries
        mode = "L" if image.mode == "P" else "LA"
        image = Image.frombytes(mode, image.size, image.tobytes())
    return encoded(image, "JPEG2000", no_jp2=True, **options)


def _with_comments(new: bytes, old: bytes) -> bytes:
    """A codestream with another's comments instead of the encoder's own (annex A.9.2)."""
    comments = [segment for marker, segment in _segments(old) if marker == _COM]
    header = [segment for marker, segment in _segments(new) if marker != _COM]
    behind = 2 + sum(len(segment) for _, segment in _segments(new))
    return b"".join([new[:2], *header, *comments, new[behind:]])


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment of the main header, which ends at the first tile."""
    position = 2
    while position + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, position)
        if marker in (_SOT, _END) or length < 2:
            break
        yield marker, stream[position : position + 2 + length]
        position += 2 + length


def _coding(stream: bytes) -> _Coding:
    (components,) = struct.unpack_from(">H", stream, 40)
    depths = [(stream[42 + 3 * index] & 0x7F) + 1 for index in range(components)]
    for marker, segment in _segments(stream):
        if marker == _COD:
            return _Coding(components, max(depths), bool(segment[8]), bool(segment[13]), segment[9])
    raise _damaged("its codestream has no coding style (COD)")


def _codestream(boxes: list[Box]) -> bytes:
    """The first one. Raises ImageRejected where its box ends before it does."""
    number = next(n for n, box in enumerate(boxes) if box.kind == _CODESTREAM)
    stream = boxes[number].content
    if number + 1 < len(boxes) and not stream.rstrip(b"\0").endswith(_EOC):
        raise _damaged("its codestream is longer than its box")
    return stream


def _damaged(what: str) -> ImageRejected:
    return ImageRejected("corrupt_image", f"The JPEG 2000 is damaged: {what}.")


def _boxes(content: bytes) -> Iterator[Box]:
    """Raises ImageRejected where a box is cut short."""
    for box in iso_boxes.read(content):
        if not box.is_whole:
            raise _damaged("a box is longer than the file")
        yield box


def _profile(boxes: list[Box]) -> bytes | None:
    """The ICC profile in the header, behind METH, PREC and APPROX (annex I.5.3.3)."""
    for box in boxes:
        if box.kind == _HEADER:
            for inner in _boxes(box.content):
                if inner.kind == _COLOUR and inner.content[:1] in (b"\x02", b"\x03"):
                    return inner.content[3:]
    return None


def _kept(box: Box, stream: bytes, depth: int, policy: Metadata) -> Box | None:
    """What becomes of a box in the new file."""
    kind, content, _ = box
    if kind == _CODESTREAM:
        return Box(kind, stream)
    if kind == _HEADER:
        inner = [_header_box(each, depth) for each in _boxes(content) if each.kind != _DEPTHS]
        return Box(kind, b"".join(each.to_bytes() for each in inner))
    if kind not in _DESCRIBING or policy is Metadata.KEEP:
        return box
    if policy is Metadata.STRIP or kind == b"asoc" or content.startswith(_GEOTIFF):
        return None
    name = content[:16]
    if kind == b"uuid" and name in _FILTERS:
        left = _FILTERS[name](content[16:], policy)
        return None if left is None else Box(kind, name + left)
    return box


def _header_box(box: Box, depth: int) -> Box:
    """A box of the header, true of what was written."""
    kind, content, _ = box
    if kind == _IMAGE_HEADER:
        return Box(kind, content[:10] + bytes([depth - 1]) + content[11:])
    if kind == _COLOUR and content[:1] == _ENUMERATED and content[3:7] == _SYCC:
        return Box(kind, content[:3] + _SRGB)  # it was decoded to RGB
    return box
