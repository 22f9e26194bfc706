"""TIFF as a container: directories, their tags, and where values and strips are.

TIFF 6.0 section 2; BigTIFF as libtiff describes it. A TIFF is changed in place: directories, tags
and maker notes keep their offsets and their bytes. New data goes where the data it replaces was,
or to the end.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from PIL.ExifTags import Base as Tag

from errors import ImageRejected
from formats.tiff.codec.layout import damaged

_TYPE_CODES = {
    1: "B", 2: "B", 3: "H", 4: "I", 5: "8s", 6: "b", 7: "B", 8: "h", 9: "i", 10: "8s",
    11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q",
}  # fmt: skip
_SHORT, _LONG, _IFD, _LONG8, _IFD8 = 3, 4, 13, 16, 18
_GLOBAL_PARAMETERS = 400  # TIFF-FX (RFC 2301)
TABLES = (Tag.ExifOffset, Tag.GPSInfo, Tag.ExifInteroperabilityOffset, _GLOBAL_PARAMETERS)

# Real files stay below: pages of a long scan or a microscope's stack; strips of one row.
_MAX_DIRECTORIES, _MAX_ENTRIES, _MAX_VALUES = 10_000, 4096, 2_000_000

Range = tuple[int, int]  # start and end of some bytes of the file


class Entry(NamedTuple):
    tag: int
    type: int
    number: int  # of values
    at: int  # where the entry is
    start: int  # where its value is: in the entry or elsewhere
    end: int


@dataclass
class Directory:
    """A page, a picture beside a page (SubIFDs), or a table of tags (EXIF, GPS)."""

    offset: int
    pointer: int  # where its offset is stored
    tag: int | None  # the tag that points to it; None in the chain of pages
    entries: dict[int, Entry] = field(default_factory=dict)
    end: int = 0  # of the entries; the offset of the next directory follows

    @property
    def is_picture(self) -> bool:
        return self.tag in (None, Tag.SubIFDs)


class TiffFile:
    """Raises ImageRejected where the structure is damaged."""

    def __init__(self, content: bytes) -> None:
        self.data = bytearray(content)
        self.order = {b"II": "<", b"MM": ">"}.get(content[:2], "")
        self.is_big = 43 in content[2:4]
        # struct's codes of an offset and of a count of entries, bytes of an offset and of an entry
        self._offset, self._count, self._inline, self._entry_size = (
            ("Q", "Q", 8, 20) if self.is_big else ("I", "H", 4, 12)
        )
        if not self.order:
            raise damaged("no TIFF header")
        self._used: list[Range] = []
        self._unshared: set[Range] = set()  # used ranges that overlap no other
        self._free: list[Range] = []
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
        """A tag's integers; default where the tag is missing or holds something else."""
        code = _TYPE_CODES.get(entry.type, "") if entry else ""
        if entry is None or code not in ("B", "H", "I", "Q"):
            return default
        present = (entry.end - entry.start) // struct.calcsize(code)
        if entry.number > min(present, _MAX_VALUES):
            raise damaged(f"tag {entry.tag} says it has {entry.number} values")
        found = struct.unpack_from(f"{self.order}{entry.number}{code}", self.data, entry.start)
        return found or default

    def reserve(self, ranges: list[Range]) -> None:
        """Register the bytes of the pictures' strips and tiles, before any are freed."""
        self._used += ranges
        self._used.sort()
        reached = 0
        following = [*(start for start, _ in self._used[1:]), math.inf]
        for (start, end), next_start in zip(self._used, following, strict=True):
            if reached <= start and end <= next_start:
                self._unshared.add((start, end))
            reached = max(reached, end)

    def free(self, start: int, end: int) -> None:
        """Overwrite bytes that are no longer needed, for new data; not if others overlap them."""
        if (start, end) in self._unshared and 0 < start < end <= len(self.data):
            self.data[start:end] = bytes(end - start)
            self._free.append((start, end))

    def store(self, chunks: list[bytes]) -> list[int]:
        """Put each chunk into free space or at the end. Returns their offsets."""
        self._free = _joined(self._free)
        return [self._store(chunk) for chunk in chunks]

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
        following = bytes(self.data[directory.end : directory.end + self._inline])
        content = struct.pack(self.order + self._count, len(kept))
        content += b"".join(kept[tag] for tag in sorted(kept)) + following
        size = directory.end + self._inline - directory.offset
        if len(content) <= size:
            self.data[directory.offset : directory.offset + size] = content.ljust(size, b"\0")
        else:
            offset = self._append(content)
            struct.pack_into(self.order + self._offset, self.data, directory.pointer, offset)

    def blank(self, directory: Directory) -> None:
        """Overwrite a directory that no tag points to any more, and its values."""
        for entry in directory.entries.values():
            self.free(entry.start, entry.end)
        self.free(directory.offset, directory.end + self._inline)

    def _entry(self, tag: int, values: tuple[int, ...]) -> bytes:
        kind = _SHORT if max(values) < 2**16 else _LONG8 if self.is_big else _LONG
        value = struct.pack(f"{self.order}{len(values)}{_TYPE_CODES[kind]}", *values)
        if len(value) > self._inline:
            value = struct.pack(self.order + self._offset, self._store(value))
        head = struct.pack(f"{self.order}HH{self._offset}", tag, kind, len(values))
        return head + value.ljust(self._inline, b"\0")

    def _store(self, chunk: bytes) -> int:
        for number, (start, end) in enumerate(self._free):
            if end - start >= len(chunk):
                self.data[start : start + len(chunk)] = chunk
                # Offsets are even (TIFF 6.0 section 2).
                self._free[number] = (min(end, start + len(chunk) + len(chunk) % 2), end)
                return start
        return self._append(chunk)

    def _append(self, chunk: bytes) -> int:
        offset = len(self.data) + len(self.data) % 2
        if not self.is_big and offset + len(chunk) >= 2**32:
            raise ImageRejected("not_encodable", "The TIFF would become larger than 4 GB.")
        self.data.extend(bytes(offset - len(self.data)) + chunk)
        return offset

    def _read_directories(self) -> list[Directory]:
        """The pages in order, each followed by the directories that its tags point to.

        A chain that loops is cut where it closes.
        """
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
                continue  # a damaged table of tags stays as it is
            found.append(directory)
            if directory.is_picture:
                waiting.append((directory.end, tag))
            waiting += reversed(list(self._pointers(directory)))
        return found

    def _pointers(self, directory: Directory) -> Iterator[tuple[int, int]]:
        """Where the directory's tags store the offsets of other directories, and these tags."""
        for tag in (Tag.SubIFDs, *TABLES):
            entry = directory.entries.get(tag)
            if entry is None or entry.type not in (_LONG, _IFD, _LONG8, _IFD8):
                continue
            size = struct.calcsize(_TYPE_CODES[entry.type])
            if size != self._inline:  # no reader takes BigTIFF's offsets in a TIFF, or TIFF's there
                continue
            stop = entry.end if tag is Tag.SubIFDs else entry.start + size
            for at in range(entry.start, min(stop, entry.end) - size + 1, size):
                yield at, tag

    def _read(self, directory: Directory) -> None:
        count = self.unpack(self._count, directory.offset)
        first = directory.offset + struct.calcsize(self._count)
        directory.end = first + count * self._entry_size
        if count > _MAX_ENTRIES or directory.end > len(self.data):
            raise damaged(f"a directory says it has {count} entries")
        # The file may lack the offset of the next directory. Data that is appended must not
        # become that offset.
        self.data.extend(bytes(max(0, directory.end + self._inline - len(self.data))))
        self._used.append((directory.offset, directory.end + self._inline))
        for at in range(first, directory.end, self._entry_size):
            tag, kind, number = struct.unpack_from(f"{self.order}HH{self._offset}", self.data, at)
            size = number * struct.calcsize("=" + _TYPE_CODES.get(kind, "B"))
            start = at + self._entry_size - self._inline
            if size > self._inline:
                start = self.unpack(self._offset, start)
                self._used.append((start, start + size))
            end = min(start + size, len(self.data))
            directory.entries.setdefault(tag, Entry(tag, kind, number, at, start, max(start, end)))


def _joined(ranges: list[Range]) -> list[Range]:
    """Ranges that touch made one, in order."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
