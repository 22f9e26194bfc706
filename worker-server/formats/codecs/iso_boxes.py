"""The boxes of AVIF and JPEG 2000 files (ISO/IEC 14496-12 section 4.2, 15444-1 annex I.4)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Box(NamedTuple):
    kind: bytes
    content: bytes
    is_whole: bool = True  # as long as its length says

    def to_bytes(self) -> bytes:
        return struct.pack(">I4s", 8 + len(self.content), self.kind) + self.content


def read(data: bytes) -> Iterator[Box]:
    """The boxes that follow each other in data."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + max(size, head) if size else len(data)
        yield Box(kind, data[at + head : end], is_whole=end <= len(data))
        at = end
