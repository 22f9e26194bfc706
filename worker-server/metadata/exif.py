"""An EXIF block: a small TIFF file (CIPA DC-008 section 4.5, TIFF 6.0 section 2).

What is removed is overwritten in place. Nothing may move: the offsets in maker notes count from the
block's beginning.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from PIL.ExifTags import Base as Tag

from metadata import iptc, xmp

PREFIX = b"Exif\0\0"  # JPEG's; some writers put it into PNG and WebP chunks as well

_GLOBAL_PARAMETERS = 400  # TIFF-FX (RFC 2301)
_DIRECTORIES = {Tag.SubIFDs, Tag.ExifOffset, Tag.ExifInteroperabilityOffset, _GLOBAL_PARAMETERS}
# Real blocks stay far below.
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_BLOCKS = 64, 1024, 8
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I"}
_SHORT = 3

# Other metadata in the block: what filters it, and what fills the bytes that are removed.
_BLOCKS: dict[int, tuple[Callable[[bytes], bytes | None], bytes]] = {
    Tag.XMLPacket: (xmp.without_location, b" "),
    Tag.IPTCNAA: (iptc.iim_without_location, b"\0"),
    Tag.ImageResources: (iptc.without_location, b"\0"),
}


class _Entry(NamedTuple):
    tag: int
    kind: int
    at: int  # where its twelve bytes are
    start: int  # where its value is: in the entry or elsewhere
    end: int


class _Unreadable(Exception):
    """It is no TIFF structure, or exceeds a limit."""


def orientation(block: bytes) -> int:
    """1 to 8; 1 where there is none or it cannot be read."""
    try:
        tiff = _Tiff(block.removeprefix(PREFIX))
        for entry in tiff.entries(tiff.first()):
            if entry.tag == Tag.Orientation and (values := tiff.numbers(entry)):
                return values[0] if 1 <= values[0] <= 8 else 1
    except (_Unreadable, struct.error):
        pass
    return 1


def with_orientation(value: int) -> bytes:
    """A block that holds nothing else."""
    return struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, Tag.Orientation, _SHORT, 1, value, 0, 0)


def without_location(block: bytes) -> bytes | None:
    """The block without GPS directory and place names; None if it cannot be read."""
    prefix = PREFIX if block.startswith(PREFIX) else b""
    try:
        tiff = _Tiff(block.removeprefix(PREFIX))
        for directory in tiff.directories():
            tiff.keep(directory, [entry for entry in tiff.entries(directory) if tiff.stays(entry)])
    except (_Unreadable, struct.error):
        return None
    return prefix + bytes(tiff.data)


class _Tiff:
    def __init__(self, block: bytes) -> None:
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
        if order is None:
            raise _Unreadable
        self.data = bytearray(block)
        self._order = order
        self._blocks = 0

    def first(self) -> int:
        return self._unpack("I", 4)

    def directories(self) -> list[int]:
        """Where each directory starts, without those of GPS."""
        found: list[int] = []
        waiting = [self.first()]
        while waiting:
            directory = waiting.pop()
            if directory in found or not 8 <= directory <= len(self.data) - 2:
                continue  # a loop, or the end of a chain
            if len(found) == _MAX_DIRECTORIES:
                raise _Unreadable
            found.append(directory)
            end = directory + 2
            for entry in self.entries(directory):
                end = entry.at + 12
                if entry.tag in _DIRECTORIES:
                    waiting.extend(self.numbers(entry, _MAX_DIRECTORIES))
            if end + 4 <= len(self.data):
                waiting.append(self._unpack("I", end))
        if not found:
            raise _Unreadable
        return found

    def entries(self, directory: int) -> Iterator[_Entry]:
        """Those that are there in full: the count may be wrong."""
        if not 8 <= directory <= len(self.data) - 2:
            return
        count = self._unpack("H", directory)
        if count > _MAX_ENTRIES:
            raise _Unreadable
        for at in range(directory + 2, min(directory + 2 + 12 * count, len(self.data) - 11), 12):
            tag, kind, number = struct.unpack_from(f"{self._order}HHI", self.data, at)
            size = number * _TYPE_BYTES.get(kind, 8)
            start = at + 8 if size <= 4 else self._unpack("I", at + 8)
            start = min(start, len(self.data))
            yield _Entry(tag, kind, at, start, min(start + size, len(self.data)))

    def numbers(self, entry: _Entry, at_most: int = 1) -> list[int]:
        code = _INTEGERS.get(entry.kind)
        if code is None:
            return []
        size = struct.calcsize(code)
        stop = min(entry.end, entry.start + at_most * size) - size + 1
        return [self._unpack(code, at) for at in range(entry.start, stop, size)]

    def stays(self, entry: _Entry) -> bool:
        """Whether the entry may stay. Removes the places from its value first."""
        if entry.tag == Tag.GPSInfo:
            self._blank_directory(self._unpack("I", entry.at + 8))
            return False
        if entry.tag in _BLOCKS:
            self._blocks += 1
            if self._blocks > _MAX_BLOCKS:
                raise _Unreadable
            without, filling = _BLOCKS[entry.tag]
            value = without(bytes(self.data[entry.start : entry.end])) or b""
            self.data[entry.start : entry.end] = value.ljust(entry.end - entry.start, filling)
            return bool(value)
        return True

    def keep(self, directory: int, kept: list[_Entry]) -> None:
        """Reduce a directory to these entries and the offset behind them; zeros fill the rest."""
        every = list(self.entries(directory))
        if len(kept) == len(every):
            return
        if len(kept) > len(every):  # what was removed lay in the directory itself
            raise _Unreadable
        end = min(directory + 2 + 12 * len(every) + 4, len(self.data))
        following = self.data[directory + 2 + 12 * len(every) : end]
        entries = b"".join(self.data[entry.at : entry.at + 12] for entry in kept)
        shorter = struct.pack(f"{self._order}H", len(kept)) + entries + following
        self.data[directory:end] = shorter.ljust(end - directory, b"\0")

    def _blank_directory(self, directory: int) -> None:
        entries = list(self.entries(directory))
        blanks = [(entry.start, entry.end) for entry in entries]
        if entries:
            blanks.append((directory, entries[-1].at + 12))
        for start, end in blanks:
            self.data[start:end] = bytes(max(0, end - start))

    def _unpack(self, code: str, at: int) -> int:
        number: int = struct.unpack_from(self._order + code, self.data, at)[0]
        return number
