"""The pictures of an animated PNG (PNG specification, third edition; sections in brackets)."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import png_chunks
from animation import Box, Disposal, Frame, size_of
from png_chunks import Chunk, Header

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

    def replacing(self) -> "Picture":
        """The same, but instead of all that was shown in its place before."""
        if self.control is None:
            return self
        return replace(self, control=(*self.control[:7], _KEEP, _SOURCE))


@dataclass(frozen=True)
class Apng:
    chunks: list[Chunk | Picture]

    @property
    def others(self) -> list[Chunk]:
        """The chunks that hold no picture."""
        return [chunk for chunk in self.chunks if isinstance(chunk, Chunk)]

    @property
    def pictures(self) -> list[Picture]:
        return [chunk for chunk in self.chunks if isinstance(chunk, Picture)]

    @property
    def header(self) -> Header:
        return Header.of(self.others)

    def content_of(self, kind: bytes) -> bytes:
        return png_chunks.content_of(self.others, kind)

    def with_pictures(self, pictures: Iterable[Picture]) -> "Apng":
        following = iter(pictures)
        return Apng([next(following) if isinstance(c, Picture) else c for c in self.chunks])

    def all_chunks(self) -> Iterator[Chunk]:
        """The first picture's pixels are in IDAT chunks; only fcTL and fdAT have numbers."""
        sequence = 0
        kind = b"IDAT"
        for chunk in self.chunks:
            if isinstance(chunk, Chunk):
                yield chunk
                continue
            if chunk.control:
                yield Chunk(b"fcTL", _CONTROL.pack(sequence, *chunk.control[1:]))
                sequence += 1
            for data in chunk.data:
                number = b"" if kind == b"IDAT" else struct.pack(">I", sequence)
                sequence += kind == b"fdAT"
                yield Chunk(kind, number + data)
            kind = b"fdAT"


def read(path: Path) -> Apng:
    """Raises ValueError where the file is damaged."""
    chunks: list[Chunk | Picture] = []
    current: Picture | None = None
    sequence = 0
    in_file = png_chunks.split(path.read_bytes())
    if not in_file or in_file[-1].type != b"IEND":
        raise ValueError("the file ends before its last chunk")
    header = Header.of(in_file)
    for chunk in in_file:
        if chunk.type in (b"fcTL", b"fdAT"):
            if chunk.content[:4] != struct.pack(">I", sequence):
                raise ValueError("the frames are out of sequence")
            sequence += 1
        if chunk.type == b"fcTL":
            if current and not current.data:
                raise ValueError("a frame has no pixels")
            current = _frame(chunk.content, header)
        elif chunk.type in (b"IDAT", b"fdAT"):
            if current is None:
                current = Picture((header.width, header.height))
            if not current.data:
                chunks.append(current)
            current.data.append(chunk.content[4:] if chunk.type == b"fdAT" else chunk.content)
        else:
            chunks.append(chunk)
    return Apng(chunks)


def _frame(control: bytes, header: Header) -> Picture:
    if len(control) != _CONTROL.size:
        raise ValueError("the head of a frame is damaged")
    fields = _CONTROL.unpack(control)
    width, height, left, top = fields[1:5]
    if not (0 < width <= header.width - left and 0 < height <= header.height - top):
        raise ValueError("a frame is not within the canvas")
    return Picture((width, height), fields)
