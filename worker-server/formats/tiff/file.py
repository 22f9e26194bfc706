"""TIFF as a container (TIFF 6.0 section 2; BigTIFF as libtiff describes it): what lies where.

A TIFF is marked where it stands: directories, tags, maker notes, whatever the file holds and
whoever knows what it means, keep their places and their bytes. What is new goes into the room
that its predecessor leaves, or to the end.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from errors import ImageRejected
from formats.tiff.codec.layout import damaged

_TYPE_CODES = {
    1: "B", 2: "B", 3: "H", 4: "I", 5: "8s", 6: "b", 7: "B", 8: "h", 9: "i", 10: "8s",
    11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_SHORT, _LONG, _LONG8 = 3, 4, 16
SUB_IFDS, EXIF, GPS, INTEROPERABILITY, GLOBAL_PARAMETERS = 330, 34665, 34853, 40965, 400
_PICTURES = (SUB_IFDS,)
_TABLES = (EXIF, GPS, INTEROPERABILITY, GLOBAL_PARAMETERS)

# What honest files stay below: pages of a long scan or a microscope's stack; strips of one row.
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_VALUES = 10_000, 4096, 2_000_000


class Entry(NamedTuple):
    tag: int
    kind: int
    number: int  # of values
    at: int  # of the entry itself
    start: int  # of its value, in the entry or elsewhere
    end: int


@dataclass
class Directory:
    """kind: what led to it. A page, a picture beside one (SubIFDs), a table of tags (EXIF)."""

    offset: int
    pointer: int  # where its offset stands
    tag: int | None  # the one that led here, None for the chain of pages
    entries: dict[int, Entry] = field(default_factory=dict)
    end: int = 0  # of the entries; the offset of the next directory follows

    @property
    def is_picture(self) -> bool:
        return self.tag is None or self.tag in _PICTURES


class TiffFile:
    """Raises ImageRejected where the structure is damaged."""

    def __init__(self, content: bytes) -> None:
        self.data = bytearray(content)
        self.order = {b"II": "<", b"MM": ">"}.get(content[:2], "")
        self.is_big = 43 in content[2:4]
        self._offset = "Q" if self.is_big else "I"
        self._number = "Q" if self.is_big else "H"
        self._inline = 8 if self.is_big else 4
        self._entry_size = 12 + self._inline - 4 + (4 if self.is_big else 0)
        if not self.order:
            raise damaged("no TIFF header")
        self._taken: list[tuple[int, int]] = []
        self._alone: set[tuple[int, int]] = set()  # what nothing else overlaps
        self._room: list[tuple[int, int]] = []
        self.directories = self._read_directories()

    def unpack(self, code: str, at: int) -> int:
        try:
            number: int = struct.unpack_from(self.order + code, self.data, at)[0]
        except struct.error:
            raise damaged(f"nothing at {at}") from None
        return number

    def raw(self, entry: Entry) -> bytes:
        return bytes(self.data[entry.start : entry.end])

    def values(self, entry: Entry | None, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A tag's integers; default where it is missing or holds something else."""
        code = _TYPE_CODES.get(entry.kind, "") if entry else ""
        if entry is None or code not in ("B", "H", "I", "Q"):
            return default
        count = min(entry.number, (entry.end - entry.start) // struct.calcsize(code))
        if entry.number > _MAX_VALUES or count < entry.number:
            raise damaged(f"tag {entry.tag} says it has {entry.number} values")
        found = struct.unpack_from(f"{self.order}{count}{code}", self.data, entry.start)
        return found or default

    def free(self, start: int, end: int) -> None:
        """Overwrite what is no longer wanted, and give its room away; not if another uses it."""
        if (start, end) in self._alone and 0 < start < end <= len(self.data):
            self.data[start:end] = bytes(end - start)
            self._room.append((start, end))

    def settle(self, chunks: list[bytes]) -> list[int]:
        """Where each chunk lies from now on: in free room, or at the end."""
        self._room = _joined(self._room)
        return [self._place(chunk) for chunk in chunks]

    def rewrite(
        self, directory: Directory, dropped: set[int], new: dict[int, tuple[int, ...]]
    ) -> None:
        """Drop tags, and set others to these integers."""
        kept = {
            tag: bytes(self.data[entry.at : entry.at + self._entry_size])
            for tag, entry in directory.entries.items()
            if tag not in dropped and tag not in new
        }
        for tag in dropped & directory.entries.keys():
            entry = directory.entries[tag]
            if entry.start != entry.at + self._entry_size - self._inline:
                self.free(entry.start, entry.end)
        for tag, values in new.items():
            kept[tag] = self._entry(tag, values)
        following = bytes(self.data[directory.end : directory.end + struct.calcsize(self._offset)])
        content = struct.pack(self.order + self._number, len(kept))
        content += b"".join(kept[tag] for tag in sorted(kept)) + following.ljust(
            self._inline, b"\0"
        )
        room = directory.end + self._inline - directory.offset
        if len(content) <= room:
            self.data[directory.offset : directory.offset + room] = content.ljust(room, b"\0")
        else:
            offset = self._append(content)
            struct.pack_into(self.order + self._offset, self.data, directory.pointer, offset)

    def blank(self, directory: Directory) -> None:
        """Overwrite a directory that nothing leads to, and what it holds."""
        for entry in directory.entries.values():
            self.free(entry.start, entry.end)
        self.free(directory.offset, directory.end + self._inline)

    def _entry(self, tag: int, values: tuple[int, ...]) -> bytes:
        kind = _SHORT if max(values) < 2**16 else _LONG8 if self.is_big else _LONG
        value = struct.pack(f"{self.order}{len(values)}{_TYPE_CODES[kind]}", *values)
        if len(value) > self._inline:
            value = struct.pack(self.order + self._offset, self._place(value))
        head = struct.pack(f"{self.order}HH{self._offset}", tag, kind, len(values))
        return head + value.ljust(self._inline, b"\0")

    def _place(self, chunk: bytes) -> int:
        for number, (start, end) in enumerate(self._room):
            if end - start >= len(chunk):
                self.data[start : start + len(chunk)] = chunk
                # Offsets are even (TIFF 6.0 section 2).
                self._room[number] = (min(end, start + len(chunk) + len(chunk) % 2), end)
                return start
        return self._append(chunk)

    def _append(self, chunk: bytes) -> int:
        offset = len(self.data) + len(self.data) % 2
        if not self.is_big and offset + len(chunk) >= 2**32:
            raise ImageRejected("not_encodable", "The TIFF would become larger than 4 GB.")
        self.data.extend(bytes(offset - len(self.data)) + chunk)
        return offset

    def take(self, ranges: list[tuple[int, int]]) -> None:
        """Say what the pictures' strips and tiles use, before any of it is freed."""
        self._taken += ranges
        self._taken.sort()
        reached = 0
        for number, (start, end) in enumerate(self._taken):
            following = self._taken[number + 1][0] if number + 1 < len(self._taken) else end
            if reached <= start and end <= following:
                self._alone.add((start, end))
            reached = max(reached, end)

    def _read_directories(self) -> list[Directory]:
        """The pages in order, each followed by what its tags lead to. A chain that loops ends."""
        found: list[Directory] = []
        seen: set[int] = set()
        waiting: list[tuple[int, int | None]] = [(8 if self.is_big else 4, None)]
        while waiting:
            pointer, tag = waiting.pop()
            offset = self.unpack(self._offset, pointer)
            if offset in seen and tag is None:
                struct.pack_into(self.order + self._offset, self.data, pointer, 0)
            if offset == 0 or offset in seen:
                continue
            if len(found) == _MAX_DIRECTORIES:
                detail = f"A TIFF with more than {_MAX_DIRECTORIES} directories is not taken."
                raise ImageRejected("too_many_pages", detail)
            seen.add(offset)
            directory = Directory(offset, pointer, tag)
            try:
                self._read(directory)
            except ImageRejected:
                if directory.is_picture:
                    raise
                continue  # a table of tags that is damaged stays as it is
            found.append(directory)
            if directory.is_picture:
                waiting.append((directory.end, tag))
            waiting += reversed(list(self._led_to(directory)))
        return found

    def _led_to(self, directory: Directory) -> Iterator[tuple[int, int | None]]:
        """Where the offsets of directories stand that directory's tags lead to."""
        for tag in (*_PICTURES, *_TABLES):
            entry = directory.entries.get(tag)
            if entry is None or entry.kind not in (_LONG, 13, _LONG8, 18):
                continue
            size = struct.calcsize(_TYPE_CODES[entry.kind])
            if size != self._inline:  # offsets of the other TIFF's size: nobody reads these
                continue
            stop = entry.end if tag in _PICTURES else entry.start + size
            for at in range(entry.start, min(stop, entry.end) - size + 1, size):
                yield at, tag

    def _read(self, directory: Directory) -> None:
        number = self.unpack(self._number, directory.offset)
        first = directory.offset + struct.calcsize(self._number)
        directory.end = first + number * self._entry_size
        if number > _MAX_ENTRIES or directory.end > len(self.data):
            raise damaged(f"a directory says it has {number} entries")
        # The file may end in the offset of the next one. What is appended must not become that.
        self.data.extend(bytes(max(0, directory.end + self._inline - len(self.data))))
        self._taken.append((directory.offset, directory.end + self._inline))
        for at in range(first, directory.end, self._entry_size):
            tag, kind, count = struct.unpack_from(f"{self.order}HH{self._offset}", self.data, at)
            size = count * struct.calcsize("=" + _TYPE_CODES.get(kind, "B"))
            start = at + self._entry_size - self._inline
            if size > self._inline:
                start = self.unpack(self._offset, start)
                self._taken.append((start, start + size))
            end = min(start + size, len(self.data))
            directory.entries.setdefault(tag, Entry(tag, kind, count, at, start, max(start, end)))


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that touch made one, in order."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
