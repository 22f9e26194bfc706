"""The blocks a GIF file is made of (GIF89a specification, 31 July 1990; sections in brackets)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from drawing.animation import Disposal, Frame, size_of
from drawing.placement import PixelBox

_HEADER_BYTES = 13  # signature and logical screen descriptor [17, 18]
_EXTENSION, _IMAGE, _TRAILER = b"!,;"
_INTRODUCER = re.compile(rb"[!,;]")
_HAS_TABLE, _INTERLACED, _TABLE_SIZE = 0x80, 0x40, 0x07
GRAPHIC_CONTROL, COMMENT, APPLICATION = 0xF9, 0xFE, 0xFF
# Only 2 and 3 are in the specification. Browsers take 4 for 3, and Pillow 5 to 7, too.
_DISPOSALS = {2: Disposal.CLEAR, **dict.fromkeys(range(3, 8), Disposal.RESTORE)}


@dataclass(frozen=True)
class Extension:
    """A block that is not an image; without a label, meaningless bytes between blocks."""

    label: int | None
    raw: bytes


@dataclass(frozen=True)
class Control:
    """A graphic control extension [23]: how the next frame is shown."""

    flags: int = 0
    delay: bytes = b"\0\0"
    transparent: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> "Control":
        """raw is the whole extension. One that is cut off counts as zeros."""
        fields = raw[3:7].ljust(4, b"\0")
        return cls(fields[0], fields[1:3], fields[3] if fields[0] & 1 else None)

    @property
    def disposal(self) -> Disposal:
        return _DISPOSALS.get(self.flags >> 2 & 7, Disposal.KEEP)

    def to_bytes(self) -> bytes:
        flags = self.flags & ~1 | (self.transparent is not None)
        return b"!\xf9\x04" + bytes([flags]) + self.delay + bytes([self.transparent or 0, 0])


@dataclass(frozen=True)
class GifFrame:
    """An image [20 to 22] and its graphic control."""

    control: Control
    box: PixelBox
    flags: int
    table: bytes  # its own colours; empty where it uses the global ones
    code_size: int
    data: bytes  # sub-blocks and their terminator

    @property
    def size(self) -> tuple[int, int]:
        return size_of(self.box)

    @property
    def is_interlaced(self) -> bool:
        return bool(self.flags & _INTERLACED)

    @property
    def on_canvas(self) -> Frame:
        return Frame(self.box, self.control.disposal)

    def indices(self) -> Image.Image:
        """The pixels, of mode P without a palette. Raises ValueError."""
        if not all(self.size):
            return Image.new("P", self.size)
        coding = self.code_size, int(self.is_interlaced), -1
        return Image.frombytes("P", self.size, self.data, "gif", *coding)

    def redrawn(self, indices: Image.Image, table: bytes) -> "GifFrame":
        """The same frame with other pixels, and another table or none."""
        code_size = max(2, int(indices.getextrema()[1]).bit_length())  # type: ignore[arg-type]
        data = indices.tobytes("gif", indices.mode, code_size, int(self.is_interlaced)) + b"\0"
        flags = self.flags & ~(_HAS_TABLE | _TABLE_SIZE)
        if table:
            flags |= _HAS_TABLE | (len(table) // 3 - 1).bit_length() - 1
        return replace(self, flags=flags, table=table, code_size=code_size, data=data)

    def to_bytes(self) -> bytes:
        place = struct.pack("<4H", *self.box[:2], *self.size)
        return b"," + place + bytes([self.flags]) + self.table + bytes([self.code_size]) + self.data


@dataclass(frozen=True)
class Gif:
    header: bytes  # up to the first block
    blocks: list[Extension | GifFrame]
    rest: bytes  # the trailer and all bytes after it

    @property
    def screen(self) -> tuple[int, int]:
        """The canvas's size: large enough for the first frame, as in browsers and Pillow."""
        width, height = struct.unpack_from("<2H", self.header, 6)
        first = next((frame.box for frame in self.frames), (0, 0, 0, 0))
        return max(width, first[2]), max(height, first[3])

    @property
    def frames(self) -> Iterator[GifFrame]:
        return (block for block in self.blocks if isinstance(block, GifFrame))

    @property
    def table(self) -> bytes:
        """The global colours."""
        return self.header[_HEADER_BYTES:]


def read(path: Path) -> Gif:
    """Raises ValueError where the file ends too soon; only the trailer may be missing."""
    data = path.read_bytes()
    start = end = _start(data)
    blocks: list[Extension | GifFrame] = []
    control = Control()
    for kind, begin, end in _spans(data, start):
        if kind == _IMAGE:
            blocks.append(_frame(data[begin:end], control))
            control = Control()
        else:
            label = data[begin + 1] if kind == _EXTENSION and begin + 1 < end else None
            blocks.append(Extension(label, data[begin:end]))
            if label == GRAPHIC_CONTROL:
                control = Control.parse(data[begin:end])
    ending = b";" if data.endswith(b"\0") else b"\0;"
    return Gif(data[:start], blocks, data[end:] or ending)


def _start(data: bytes) -> int:
    """Where the first block is."""
    start = _HEADER_BYTES + _table_bytes(data[10]) if len(data) >= _HEADER_BYTES else len(data)
    if start >= len(data):
        raise ValueError("the file ends in its header")
    return start


def _spans(data: bytes, position: int) -> Iterator[tuple[int | None, int, int]]:
    """Each block before the trailer: its kind, start and end. Bytes between blocks have no kind.

    A block that is cut off ends with the file.
    """
    while found := _INTRODUCER.search(data, position):
        if found.start() > position:
            yield None, position, found.start()
        position = found.start()
        kind = data[position]
        if kind == _TRAILER:
            return
        blocks = position + 2 if kind == _EXTENSION else position + _head_bytes(data, position)
        end = _sub_blocks_end(data, blocks)
        yield kind, position, end
        position = end


def _head_bytes(data: bytes, position: int) -> int:
    """The length of an image's descriptor, table and code size, before its sub-blocks."""
    flags = data[position + 9] if position + 9 < len(data) else 0
    return 10 + _table_bytes(flags) + 1


def _sub_blocks_end(data: bytes, position: int) -> int:
    """The end of these sub-blocks [15]."""
    length = len(data)
    while position < length and (size := data[position]):
        position += size + 1
    return min(position + 1, length)


def _table_bytes(flags: int) -> int:
    return 3 << (flags & _TABLE_SIZE) + 1 if flags & _HAS_TABLE else 0


def _frame(raw: bytes, control: Control) -> GifFrame:
    head = _head_bytes(raw, 0)
    if len(raw) < head:
        raise ValueError("the file ends before the pixels of a frame")
    left, top, width, height, flags = struct.unpack_from("<4HB", raw, 1)
    box = (left, top, left + width, top + height)
    return GifFrame(control, box, flags, raw[10 : head - 1], raw[head - 1], raw[head:])
