"""The blocks a GIF file is made of (GIF89a specification, 31 July 1990; sections in brackets)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from drawing.animation import Box, Disposal, Frame

_HEADER_BYTES = 13  # signature and logical screen descriptor [17, 18]
_EXTENSION, _IMAGE, _TRAILER = b"!,;"
_INTRODUCER = re.compile(rb"[!,;]")
_HAS_TABLE, _INTERLACED, _TABLE_SIZE = 0x80, 0x40, 0x07
GRAPHIC_CONTROL, COMMENT, APPLICATION = 0xF9, 0xFE, 0xFF
# 4 never was in a specification, but browsers know it, and Pillow takes the rest for 3 as well.
_DISPOSALS = {2: Disposal.CLEAR, **dict.fromkeys(range(3, 8), Disposal.RESTORE)}


@dataclass(frozen=True)
class Extension:
    """What is no image; label None: bytes between the blocks, which mean nothing."""

    label: int | None
    raw: bytes


@dataclass(frozen=True)
class Control:
    """A graphic control extension [23]: how the next picture is shown."""

    flags: int = 0
    delay: bytes = b"\0\0"
    transparent: int | None = None

    @classmethod
    def parse(cls, raw: bytes) -> "Control":
        """raw is the whole extension; a short one says nothing."""
        fields = raw[3:7].ljust(4, b"\0")
        return cls(fields[0], fields[1:3], fields[3] if fields[0] & 1 else None)

    @property
    def disposal(self) -> Disposal:
        return _DISPOSALS.get(self.flags >> 2 & 7, Disposal.KEEP)

    def to_bytes(self) -> bytes:
        flags = self.flags & ~1 | (self.transparent is not None)
        return b"!\xf9\x04" + bytes([flags]) + self.delay + bytes([self.transparent or 0, 0])


@dataclass(frozen=True)
class Picture:
    """An image [20 to 22] and the control that is for it."""

    control: Control
    box: Box
    flags: int
    table: bytes  # its own colours; empty where it uses the global ones
    code_size: int
    data: bytes  # sub-blocks and their terminator

    @property
    def size(self) -> tuple[int, int]:
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    @property
    def frame(self) -> Frame:
        return Frame(self.box, self.control.disposal)

    def indices(self) -> Image.Image:
        """The pixels, mode P without their colours. Raises ValueError."""
        if not all(self.size):
            return Image.new("P", self.size)
        interlaced = int(self.flags & _INTERLACED > 0)
        return Image.frombytes("P", self.size, self.data, "gif", self.code_size, interlaced, -1)

    def redrawn(self, indices: Image.Image, table: bytes) -> "Picture":
        """The same with other pixels, and another table or none."""
        code_size = max(2, int(indices.getextrema()[1]).bit_length())  # type: ignore[arg-type]
        interlaced = int(self.flags & _INTERLACED > 0)
        data = indices.tobytes("gif", indices.mode, code_size, interlaced) + b"\0"
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
    blocks: list[Extension | Picture]
    rest: bytes  # the trailer and what follows it

    @property
    def screen(self) -> tuple[int, int]:
        """The canvas: as browsers and Pillow do, large enough for the first picture."""
        width, height = struct.unpack_from("<2H", self.header, 6)
        first = next((picture.box for picture in self.pictures), (0, 0, 0, 0))
        return max(width, first[2]), max(height, first[3])

    @property
    def pictures(self) -> Iterator[Picture]:
        return (block for block in self.blocks if isinstance(block, Picture))

    @property
    def table(self) -> bytes:
        """The global colours."""
        return self.header[_HEADER_BYTES:]


def read(path: Path) -> Gif:
    """Raises ValueError where the file ends too soon; that the trailer is missing is no harm."""
    data = path.read_bytes()
    start = end = _start(data)
    blocks: list[Extension | Picture] = []
    control = Control()
    for kind, begin, end in _spans(data, start):
        if kind == _IMAGE:
            blocks.append(_picture(data[begin:end], control))
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
    """Each block before the trailer: its kind, None for what is no block, where it begins and ends.

    One that the file ends in ends there too.
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
    """What is before a picture's sub-blocks: descriptor, table, code size."""
    flags = data[position + 9] if position + 9 < len(data) else 0
    return 10 + _table_bytes(flags) + 1


def _sub_blocks_end(data: bytes, position: int) -> int:
    """Where the first block after these sub-blocks [15] begins."""
    length = len(data)
    while position < length and (size := data[position]):
        position += size + 1
    return min(position + 1, length)


def _table_bytes(flags: int) -> int:
    return 3 << (flags & _TABLE_SIZE) + 1 if flags & _HAS_TABLE else 0


def _picture(raw: bytes, control: Control) -> Picture:
    head = _head_bytes(raw, 0)
    if len(raw) < head:
        raise ValueError("the file ends before the pixels of a picture")
    left, top, width, height, flags = struct.unpack_from("<4HB", raw, 1)
    box = (left, top, left + width, top + height)
    return Picture(control, box, flags, raw[10 : head - 1], raw[head - 1], raw[head:])
