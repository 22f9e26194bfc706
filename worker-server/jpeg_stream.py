"""A JPEG file as its marker segments (ITU-T T.81 annex B), taken apart and put together again."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from typing import NamedTuple

from PIL import Image, JpegImagePlugin

from errors import ImageRejected

EOI, SOS, DQT, DHT, DRI, COM = 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xFE
APP = range(0xE0, 0xF0)
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length

# In entropy-coded data FF is followed by 00 or a restart marker; anything else ends it.
_NO_PADDING = re.compile(rb"[^\xff]")
_ENDS_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


Ratio = tuple[int, int]  # of the picture's width and height to a component's


class Segment(NamedTuple):
    """A marker with what its length covers, and the entropy-coded data after an SOS."""

    marker: int
    payload: bytes
    data: bytes = b""

    def to_bytes(self) -> bytes:
        length = (len(self.payload) + 2).to_bytes(2, "big")
        return b"\xff" + bytes([self.marker]) + length + self.payload + self.data


class Component(NamedTuple):
    identifier: int
    across: int  # sampling factors
    down: int
    table: int


class Frame(NamedTuple):
    """A frame header (T.81 B.2.2) for samples of 8 bits."""

    marker: int
    width: int
    height: int
    components: tuple[Component, ...]

    @property
    def progressive(self) -> bool:
        return self.marker in (0xC2, 0xCA)

    @property
    def most(self) -> tuple[int, int]:
        """The largest sampling factors."""
        return max(c.across for c in self.components), max(c.down for c in self.components)

    @property
    def ratios(self) -> list[Ratio]:
        """How many times smaller each component is; (0, 0) where that is no whole number."""
        across, down = self.most
        return [
            (0, 0) if across % c.across or down % c.down else (across // c.across, down // c.down)
            for c in self.components
        ]

    def segment(self) -> Segment:
        parts = [
            bytes([8]),
            self.height.to_bytes(2, "big"),
            self.width.to_bytes(2, "big"),
            bytes([len(self.components)]),
        ]
        parts += [bytes([c.identifier, c.across << 4 | c.down, c.table]) for c in self.components]
        return Segment(self.marker, b"".join(parts))


@dataclass(frozen=True)
class Jpeg:
    segments: list[Segment]  # all between SOI and EOI, in order
    complete: bool  # whether there was an EOI
    trailer: bytes  # what follows it

    @cached_property
    def frame(self) -> Frame:
        for marker, payload, _ in self.segments:
            if marker in FRAMES:
                return _frame(marker, payload)
        raise ImageRejected("corrupt_image", "The JPEG has no frame header.")

    @property
    def scans(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.marker == SOS]

    def quantisation(self) -> list[list[int]]:
        """Each component's table, in natural order: the one in force when its first scan begins."""
        frame = self.frame
        tables: dict[int, list[int]] = {}
        found: dict[int, list[int]] = {}
        for marker, payload, _ in self.segments:
            if marker == DQT:
                tables.update(_tables(payload))
            elif marker == SOS:
                for component in frame.components:
                    if component.identifier in payload[1 : 1 + 2 * payload[0] : 2]:
                        found.setdefault(component.identifier, tables[component.table])
        return [found[component.identifier] for component in frame.components]

    def restart_interval(self) -> int:
        """In MCUs, of the first scan."""
        interval = 0
        for marker, payload, _ in self.segments:
            if marker == DRI:
                interval = int.from_bytes(payload[:2], "big")
            elif marker == SOS:
                break
        return interval

    def has_own_huffman_tables(self) -> bool:
        """Whether any differs from those of T.81 annex K, as in an optimised file."""
        tables = [table for s in self.segments if s.marker == DHT for table in _huffman(s.payload)]
        return any(table not in _standard_huffman() for table in tables)


def parse(source: bytes) -> Jpeg:
    """Take a file apart, as far as it can be; a decoder will say what is wrong with the rest."""
    segments: list[Segment] = []
    at = 2
    while (at := source.find(b"\xff", at)) >= 0 and at + 2 <= len(source):
        marker = source[at + 1]
        if marker == EOI:
            return Jpeg(segments, True, source[at + 2 :])
        if at + 4 > len(source):
            break
        if marker == 0xFF:  # padding, maybe much
            following = _NO_PADDING.search(source, at)
            at = following.start() - 1 if following else len(source)
            continue
        if marker == 0x00 or marker in _ALONE:  # stuffing, or a stray one
            at += 2
            continue
        end = at + 2 + max(2, int.from_bytes(source[at + 2 : at + 4], "big"))
        payload, data_end = source[at + 4 : end], end
        if marker == SOS:
            following = _ENDS_SCAN.search(source, end)
            data_end = following.start() if following else len(source)
        segments.append(Segment(marker, payload, source[end:data_end]))
        at = data_end
    return Jpeg(segments, source.endswith(b"\xff\xd9"), b"")


def assemble(segments: Iterable[Segment], *, complete: bool = True) -> bytes:
    """The file that has these segments."""
    parts = [segment.to_bytes() for segment in segments]
    return b"".join([b"\xff\xd8", *parts, b"\xff\xd9" if complete else b""])


def renamed(scan: Segment, names: Mapping[int, Sequence[int]]) -> Segment:
    """A scan of other component identifiers: each has one or more in the place of its own."""
    count = scan.payload[0]
    pairs = [scan.payload[1 + 2 * n : 3 + 2 * n] for n in range(count)]
    chosen = [bytes([name, pair[1]]) for pair in pairs for name in names.get(pair[0], ())]
    rest = scan.payload[1 + 2 * count :]
    return scan._replace(payload=bytes([len(chosen)]) + b"".join(chosen) + rest)


def identifiers(scan: Segment) -> list[int]:
    return list(scan.payload[1 : 1 + 2 * scan.payload[0] : 2])


def up(number: int, multiple: int) -> int:
    """The next multiple."""
    return -(-number // multiple) * multiple


def _frame(marker: int, payload: bytes) -> Frame:
    count = payload[5]
    if len(payload) < 6 + 3 * count:
        raise ImageRejected("corrupt_image", "The JPEG's frame header is cut off.")
    components = tuple(
        Component(name, factors >> 4, factors & 15, table)
        for name, factors, table in zip(*[iter(payload[6 : 6 + 3 * count])] * 3, strict=True)
    )
    if not all(1 <= c.across <= 4 and 1 <= c.down <= 4 for c in components):
        raise ImageRejected("corrupt_image", "The JPEG's sampling factors are out of range.")
    height, width = payload[1] << 8 | payload[2], payload[3] << 8 | payload[4]
    return Frame(marker, width, height, components)


def _tables(payload: bytes) -> dict[int, list[int]]:
    tables: dict[int, list[int]] = {}
    at = 0
    while at < len(payload):
        wide, name = payload[at] >> 4, payload[at] & 15
        step = 2 if wide else 1
        values = payload[at + 1 : at + 1 + 64 * step]
        numbers = [int.from_bytes(values[n : n + step], "big") for n in range(0, len(values), step)]
        tables[name] = [numbers[place] for place in JpegImagePlugin.zigzag_index]
        at += 1 + 64 * step
    return tables


def _huffman(payload: bytes) -> list[bytes]:
    tables: list[bytes] = []
    while len(payload) > 17:
        size = 17 + sum(payload[1:17])
        tables.append(payload[:size])
        payload = payload[size:]
    return tables


@lru_cache(maxsize=1)
def _standard_huffman() -> frozenset[bytes]:
    """libjpeg's default tables are those of annex K."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    written = parse(file.getvalue()).segments
    return frozenset(table for s in written if s.marker == DHT for table in _huffman(s.payload))
