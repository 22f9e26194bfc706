"""The pictures of an animated PNG (PNG specification, third edition; sections in brackets)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import starmap
from typing import NamedTuple

from drawing.animation import Box, Disposal, Frame, size_of

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">2I5B")
_CONTROL = struct.Struct(">5I2H2B")  # number, size, place, delay, disposal, blending [11.3.6.2]
_DISPOSALS = {1: Disposal.CLEAR, 2: Disposal.RESTORE}
_KEEP, _SOURCE, _OVER = 0, 0, 1


@dataclass(frozen=True)
class Picture:
    """A frame, or the picture that only viewers of still images show."""

    size: tuple[int, int]
    control: tuple[int, ...] | None = None  # of a frame: what its fcTL chunk tells
    data: list[bytes] = field(default_factory=list)  # a zlib stream, in pieces

    @property
    def frame(self) -> Frame:
        if self.control is None:
            return Frame((0, 0, *self.size))
        _, width, height, left, top, _, _, disposal, blending = self.control
        box = (left, top, left + width, top + height)
        return Frame(box, _DISPOSALS.get(disposal, Disposal.KEEP), blending == _OVER)

    def redrawn(self, box: Box, data: bytes) -> "Picture":
        """The same with other pixels in another place."""
        size = size_of(box)
        if self.control is None:
            return Picture(size, None, [data])
        return Picture(size, (self.control[0], *size, *box[:2], *self.control[5:]), [data])

    def replacing(self, *, keeps: bool = False) -> "Picture":
        """Instead of what was shown there before; and if it keeps what it shows for the next."""
        if self.control is None:
            return self
        disposal = _KEEP if keeps else self.control[7]
        return replace(self, control=(*self.control[:7], disposal, _SOURCE))


class Header(NamedTuple):
    """IHDR [11.2.1]."""

    width: int
    height: int
    depth: int
    colour_type: int
    compression: int = 0
    filters: int = 0
    interlace: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


@dataclass(frozen=True)
class Apng:
    header: Header
    palette: bytes  # PLTE
    transparency: bytes  # tRNS
    control: bytes  # acTL: how many frames, how often
    pictures: list[Picture]

    def to_bytes(self) -> bytes:
        """The file with nothing but this."""
        chunks = [
            (b"IHDR", _HEADER.pack(*self.header)),
            (b"PLTE", self.palette),
            (b"tRNS", self.transparency),
            (b"acTL", self.control),
        ]
        chunks = [(name, data) for name, data in chunks if data]
        return _SIGNATURE + b"".join(starmap(_chunk, [*chunks, *self._pictures(), (b"IEND", b"")]))

    def still(self, picture: Picture) -> bytes:
        """A PNG of that picture."""
        header = self.header._replace(width=picture.size[0], height=picture.size[1])
        return replace(
            self, header=header, control=b"", pictures=[Picture(picture.size, None, picture.data)]
        ).to_bytes()

    def _pictures(self) -> Iterator[tuple[bytes, bytes]]:
        """The first one's pixels are in IDAT chunks; only fcTL and fdAT have numbers."""
        sequence = 0
        name = b"IDAT"
        for picture in self.pictures:
            if picture.control:
                yield b"fcTL", _CONTROL.pack(sequence, *picture.control[1:])
                sequence += 1
            for data in picture.data:
                number = b"" if name == b"IDAT" else struct.pack(">I", sequence)
                sequence += name == b"fdAT"
                yield name, number + data
            name = b"fdAT"


def read(data: bytes) -> Apng:
    """Raises ValueError where the file is damaged."""
    others: dict[bytes, bytes] = {}
    pictures: list[Picture] = []
    current: Picture | None = None
    sequence = 0
    previous = b""
    for name, content in _chunks(data):
        if name == b"IDAT" and current and current.data and previous != b"IDAT":
            raise ValueError("another chunk stands among its pixels")
        previous = name
        if name in (b"fcTL", b"fdAT"):
            if content[:4] != struct.pack(">I", sequence):
                raise ValueError("the frames are out of sequence")
            sequence += 1
        if name == b"fcTL":
            if current and not current.data:
                raise ValueError("a frame has no pixels")
            current = _frame(content, _header(others))
        elif name in (b"IDAT", b"fdAT"):
            current = current or Picture(_header(others).size)
            if not current.data:
                pictures.append(current)
            current.data.append(content[4:] if name == b"fdAT" else content)
        elif not pictures or name not in (b"PLTE", b"tRNS"):  # behind pixels they mean nothing
            others.setdefault(name, content)
    palette, transparency, control = (others.get(n, b"") for n in (b"PLTE", b"tRNS", b"acTL"))
    return Apng(_header(others), palette, transparency, control, pictures)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each, up to IEND. Raises ValueError where the file ends before it."""
    position = len(_SIGNATURE)
    name = b""
    while name != b"IEND":
        if position + 12 > len(data):
            raise ValueError("the file ends before its last chunk")
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise ValueError("the file ends within a chunk")
        yield name, data[position + 8 : end]
        position = end + 4


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def _header(chunks: dict[bytes, bytes]) -> Header:
    return Header(*_HEADER.unpack(chunks.get(b"IHDR", b"").ljust(_HEADER.size, b"\0")))


def _frame(control: bytes, header: Header) -> Picture:
    if len(control) != _CONTROL.size:
        raise ValueError("the head of a frame is damaged")
    fields = _CONTROL.unpack(control)
    width, height, left, top = fields[1:5]
    if not (0 < width <= header.width - left and 0 < height <= header.height - top):
        raise ValueError("a frame is not within the canvas")
    return Picture((width, height), fields)
