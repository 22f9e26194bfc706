"""The chunks a WebP file is made of (RFC 9649, sections in brackets)."""

import struct
from typing import NamedTuple

from drawing.animation import Disposal, Frame
from drawing.placement import PixelBox

ALPHA, EXIF, XMP = 0x10, 0x08, 0x04  # flags of VP8X [2.7]
_CHUNK_HEAD_BYTES, _ANMF_HEAD_BYTES = 8, 16
_REPLACES, _CLEARS = 0x02, 0x01  # in ANMF [2.7.1.1]


class Chunk(NamedTuple):
    name: bytes
    data: bytes

    def to_bytes(self) -> bytes:
        padding = b"\0" * (len(self.data) % 2)
        return self.name + struct.pack("<I", len(self.data)) + self.data + padding


class Webp(NamedTuple):
    chunks: list[Chunk]
    rest: bytes  # behind the end that the RIFF header states

    def first(self, name: bytes) -> bytes | None:
        return next((chunk.data for chunk in self.chunks if chunk.name == name), None)

    def to_bytes(self) -> bytes:
        return assemble(self.chunks) + self.rest


class AnmfFrame(NamedTuple):
    """A frame of an animation and the chunks in it."""

    frame: Frame
    duration: bytes
    flags: int
    chunks: list[Chunk]

    def to_chunk(self) -> Chunk:
        left, top, right, bottom = self.frame.box
        place = (left // 2, top // 2, right - left - 1, bottom - top - 1)
        head = b"".join(number.to_bytes(3, "little") for number in place)
        content = b"".join(chunk.to_bytes() for chunk in self.chunks)
        return Chunk(b"ANMF", head + self.duration + bytes([self.flags]) + content)


def parsed(data: bytes) -> Webp:
    """Raises ValueError where the file ends too early."""
    size = int.from_bytes(data[4:8], "little")
    end = 8 + size + size % 2
    return Webp(_split(data[12 : 8 + size]), data[end:])


def assemble(chunks: list[Chunk]) -> bytes:
    return Chunk(b"RIFF", b"WEBP" + b"".join(chunk.to_bytes() for chunk in chunks)).to_bytes()


def canvas_size(webp: Webp) -> tuple[int, int]:
    """Width and height in VP8X, which each animation has."""
    fields = webp.first(b"VP8X") or b""
    return _u24(fields, 4) + 1, _u24(fields, 7) + 1


def anmf_frame(data: bytes) -> AnmfFrame:
    """The content of an ANMF chunk. Raises ValueError."""
    if len(data) < _ANMF_HEAD_BYTES:
        raise ValueError("a frame ends within its header")
    left, top = 2 * _u24(data, 0), 2 * _u24(data, 3)
    box: PixelBox = (left, top, left + _u24(data, 6) + 1, top + _u24(data, 9) + 1)
    flags = data[15]
    disposal = Disposal.CLEAR if flags & _CLEARS else Disposal.KEEP
    frame = Frame(box, disposal, blended=not flags & _REPLACES)
    return AnmfFrame(frame, data[12:15], flags, _split(data[_ANMF_HEAD_BYTES:]))


def replacing(flags: int, *, keeps: bool = False) -> int:
    """An ANMF's flags without blending; with keeps also without disposal."""
    return (flags & ~_CLEARS if keeps else flags) | _REPLACES


def _split(data: bytes) -> list[Chunk]:
    """The chunks that follow each other in these bytes."""
    chunks = []
    position = 0
    while position + _CHUNK_HEAD_BYTES <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += _CHUNK_HEAD_BYTES
        if position + size > len(data):
            raise ValueError("the file ends within a chunk")
        chunks.append(Chunk(name, data[position : position + size]))
        position += size + size % 2
    return chunks


def _u24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")
