"""The frames of an animated PNG (PNG specification, third edition; sections in brackets)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple

from drawing.animation import Disposal, Frame, size_of
from formats.png.chunks import Chunk, assemble, chunk

_HEADER = struct.Struct(">2I5B")
_CONTROL = struct.Struct(">4I2H2B")  # size, corner, delay, disposal, blending [11.3.6.2]
_DISPOSALS = [Disposal.KEEP, Disposal.CLEAR, Disposal.RESTORE]


@dataclass(frozen=True)
class ApngFrame(Frame):
    """A frame; or, without a delay, the static image, which only viewers of stills show."""

    delay: tuple[int, int] | None = None  # seconds, as a fraction
    data: list[bytes] = field(default_factory=list)  # a zlib stream, in pieces

    @property
    def size(self) -> tuple[int, int]:
        return size_of(self.box)


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
    control: bytes  # acTL: the number of frames and of plays
    frames: list[ApngFrame]

    def chunks(self) -> list[Chunk]:
        """The file without any metadata."""
        header = chunk(b"IHDR", _HEADER.pack(*self.header))
        others = {b"PLTE": self.palette, b"tRNS": self.transparency, b"acTL": self.control}
        present = [chunk(name, data) for name, data in others.items() if data]
        return [header, *present, *self._frame_chunks(), chunk(b"IEND", b"")]

    def still(self, frame: ApngFrame) -> bytes:
        """A PNG of this frame."""
        width, height = frame.size
        header = self.header._replace(width=width, height=height)
        still = replace(self, header=header, control=b"", frames=[replace(frame, delay=None)])
        return assemble(still.chunks())

    def _frame_chunks(self) -> Iterator[Chunk]:
        """The first frame's pixels are in IDAT chunks. fcTL and fdAT chunks are numbered."""
        numbers = (number.to_bytes(4, "big") for number in count())
        for place, frame in enumerate(self.frames):
            if frame.delay:
                disposal = _DISPOSALS.index(frame.disposal)
                fields = (*frame.size, *frame.box[:2], *frame.delay, disposal, frame.blended)
                yield chunk(b"fcTL", next(numbers) + _CONTROL.pack(*fields))
            for data in frame.data:
                yield chunk(b"fdAT", next(numbers) + data) if place else chunk(b"IDAT", data)


def read(chunks: list[Chunk]) -> Apng:
    """Raises ValueError where the file is damaged."""
    if chunks[-1].name != b"IEND":
        raise ValueError("the file ends before its last chunk")
    header = Header(*_HEADER.unpack(chunks[0].data.ljust(_HEADER.size, b"\0")))
    others: dict[bytes, bytes] = {}
    frames: list[ApngFrame] = []
    current: ApngFrame | None = None
    sequence = 0
    previous = b""
    for name, content, _ in chunks:
        if name == b"IDAT" and current and current.data and previous != b"IDAT":
            raise ValueError("another chunk stands among its pixels")
        previous = name
        if name in (b"fcTL", b"fdAT"):
            if content[:4] != sequence.to_bytes(4, "big"):
                raise ValueError("the frames are out of sequence")
            sequence += 1
            content = content[4:]
        if name == b"fcTL":
            if current and not current.data:
                raise ValueError("a frame has no pixels")
            current = _frame(content, header)
        elif name in (b"IDAT", b"fdAT"):
            current = current or ApngFrame((0, 0, *header.size))
            if not current.data:
                frames.append(current)
            current.data.append(content)
        elif not frames or name not in (b"PLTE", b"tRNS"):  # after pixels they have no effect
            others.setdefault(name, content)
    palette, transparency, control = (others.get(n, b"") for n in (b"PLTE", b"tRNS", b"acTL"))
    return Apng(header, palette, transparency, control, frames)


def _frame(control: bytes, header: Header) -> ApngFrame:
    if len(control) != _CONTROL.size:
        raise ValueError("the head of a frame is damaged")
    width, height, left, top, *delay, disposal, blending = _CONTROL.unpack(control)
    if not (0 < width <= header.width - left and 0 < height <= header.height - top):
        raise ValueError("a frame is not within the canvas")
    return ApngFrame(
        box=(left, top, left + width, top + height),
        disposal=_DISPOSALS[disposal] if disposal < len(_DISPOSALS) else Disposal.KEEP,
        blended=blending == 1,
        delay=(delay[0], delay[1]),
    )
