"""The marker segments of a JPEG file (ITU-T T.81 annex B), parsed and assembled."""

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, takewhile
from typing import NamedTuple

from drawing.placement import PixelBox
from errors import ImageRejected
from formats.jpeg.libjpeg.coefficients import BLOCK

EOI, SOS, DRI, COM = 0xD9, 0xDA, 0xDD, 0xFE
APP = range(0xE0, 0xF0)
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
SEQUENTIAL, ARITHMETIC = {0xC0, 0xC1}, {0xC9, 0xCA}  # SEQUENTIAL: with Huffman codes
_RESTARTS = bytes(range(0xD0, 0xD8))
_ALONE = {0x01, *_RESTARTS, 0xD8}  # markers without a length

_MARKER = re.compile(rb"\xff([^\xff])")  # any number of FF may precede it
# In entropy-coded data 00 or a restart marker follows FF. libjpeg skips a reserved marker
# (jdmarker.c, jpeg_resync_to_restart). Any other marker ends the scan.
_MARKER_IN_DATA = re.compile(rb"\xff([^\0\xff])")
_ENDS_DATA = {*range(0xC0, 0xFF)} - {*_RESTARTS}
_LIBJPEG_MAX = 65500  # pixels a side

Ratio = tuple[int, int]  # of the image's width and height to a component's


class Segment(NamedTuple):
    """A marker and its payload; after an SOS also the scan's entropy-coded data."""

    marker: int
    payload: bytes
    data: bytes = b""
    markers: bytes = b""  # in the data

    def parts(self) -> tuple[bytes, ...]:
        length = (len(self.payload) + 2).to_bytes(2)
        return b"\xff", bytes([self.marker]), length, self.payload, self.data


class Component(NamedTuple):
    identifier: int
    across: int  # sampling factors
    down: int
    table: int


class FrameHeader(NamedTuple):
    """T.81 B.2.2, for samples of 8 bits."""

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
    def mcu_size(self) -> tuple[int, int]:
        """In pixels, in a scan of all components."""
        across, down = self.most
        return BLOCK * across, BLOCK * down

    @property
    def mcus(self) -> int:
        """The number of MCUs in a scan of all components."""
        across, down = (BLOCK, BLOCK) if len(self.components) == 1 else self.mcu_size
        return -(-self.width // across) * -(-self.height // down)

    def mcus_under(self, box: PixelBox) -> tuple[int, int, int, int]:
        """The MCUs that a box touches: left, top, right, bottom, counted in MCUs."""
        across, down = self.mcu_size
        left, top, right, bottom = box
        return left // across, top // down, -(-right // across), -(-bottom // down)

    @property
    def ratios(self) -> list[Ratio]:
        """How many times smaller each component is; (0, 0) where it is not a whole number."""
        across, down = self.most
        return [
            (0, 0) if across % c.across or down % c.down else (across // c.across, down // c.down)
            for c in self.components
        ]

    def segment(self) -> Segment:
        payload = struct.pack(">B2HB", 8, self.height, self.width, len(self.components))
        for c in self.components:
            payload += bytes([c.identifier, c.across << 4 | c.down, c.table])
        return Segment(self.marker, payload)

    def put_into(self, segments: list[Segment]) -> list[Segment]:
        """The segments with this frame header instead of theirs."""
        return [self.segment() if s.marker in FRAMES else s for s in segments]


@dataclass(frozen=True)
class Jpeg:
    segments: list[Segment]  # all between SOI and EOI, in order
    ended: bool  # an EOI was found
    whole: bool  # and there are only segments between SOI and EOI
    trailer: bytes  # all bytes after EOI, or after the first SOS if not whole

    @cached_property
    def frame(self) -> FrameHeader:
        for marker, payload, *_ in self.segments:
            if marker in FRAMES:
                return _frame_header(marker, payload)
        raise ImageRejected("corrupt_image", "The JPEG has no frame header.")

    @property
    def scans(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.marker == SOS]

    @property
    def before_scans(self) -> list[Segment]:
        """The segments that damaged entropy-coded data cannot be mistaken for."""
        return list(takewhile(lambda segment: segment.marker != SOS, self.segments))

    @property
    def of_picture(self) -> list[Segment]:
        """The segments without metadata."""
        return [s for s in self.segments if s.marker not in APP and s.marker != COM]

    def has_markers_due(self) -> bool:
        """Whether its only scan has exactly the restart markers that are due."""
        interval = self.restart_interval()
        due = (self.frame.mcus - 1) // interval if interval else 0
        return self.scans[0].markers == (_RESTARTS * (due // 8 + 1))[:due]

    def restart_interval(self) -> int:
        """The first scan's, in MCUs; 0 for none."""
        intervals = [s.payload[:2] for s in self.before_scans if s.marker == DRI]
        return int.from_bytes(intervals[-1]) if intervals else 0

    def whole_blocks(self) -> FrameHeader:
        """The frame header enlarged to whole blocks, as far as every scan has them.

        So the pixels beyond the image's edge are part of the image, and are kept.
        """
        frame = self.frame
        across, down = frame.mcu_size
        if len(frame.components) == 1 or frame.progressive or len(self.scans) != 1:
            across = down = BLOCK  # a scan of one component ends with the image's last block
        width, height = frame.width + -frame.width % across, frame.height + -frame.height % down
        if max(width, height) > _LIBJPEG_MAX:
            return frame
        return frame._replace(width=width, height=height)


def parse(source: bytes) -> Jpeg:
    """Parse a file as far as possible; the decoder reports what is wrong with the rest."""
    segments: list[Segment] = []
    whole, ended = source.startswith(b"\xff\xd8"), False
    at, scan_data = 2, len(source)
    while not ended and (found := _MARKER.search(source, at)):
        marker, start = found[1][0], found.end()
        length = int.from_bytes(source[start : start + 2])
        ended = marker == EOI
        stray = marker == 0x00 or marker in _ALONE
        end = start if ended or stray else start + max(2, length)
        whole &= not stray and (ended or length >= 2) and end <= len(source)
        whole &= not source[at : found.start()].strip(b"\xff")
        at = end
        if ended or stray:
            continue
        markers = b""
        if marker == SOS:
            at, markers = _end_of_data(source, end)
            scan_data = min(scan_data, end)
        segments.append(Segment(marker, source[start + 2 : end], source[end:at], markers))
    whole &= ended
    return Jpeg(segments, ended, whole, source[at if whole else scan_data :])


def _end_of_data(source: bytes, at: int) -> tuple[int, bytes]:
    """The end of a scan's data that begins there, and the markers in it."""
    markers = bytearray()
    for found in _MARKER_IN_DATA.finditer(source, at):
        marker = source[found.start() + 1]
        if marker in _ENDS_DATA:
            return found.start(), bytes(markers)
        markers.append(marker)
    return len(source), bytes(markers)


def assemble(segments: Iterable[Segment]) -> bytes:
    """The file with these segments."""
    parts = chain.from_iterable(segment.parts() for segment in segments)
    return b"".join([b"\xff\xd8", *parts, b"\xff\xd9"])


def _frame_header(marker: int, payload: bytes) -> FrameHeader:
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
    return FrameHeader(marker, width, height, components)
