"""A region of a TIFF picture's samples, read from its strips or tiles and written back to them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from PIL.ExifTags import Base as Tag

from formats.tiff.codec import codec
from formats.tiff.codec.layout import ARRAY_CODES, FLOAT, JPEG, NONE
from formats.tiff.page import Page, Segment, rows_of

_UNSIGNED_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}  # of array, by bytes
_MAX_STRIPS = 16
_MIN_STRIP_BYTES, _MIN_STRIP_BYTES_WITH_TABLES = 150, 4000  # coded; smaller strips do not pay


class Region(NamedTuple):
    """A rectangle of pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top

    def aligned(self, page: Page) -> Region:
        """The region made wider, so that each row of its samples is whole bytes."""
        if page.bits % 8 == 0:
            return self
        right = min(page.width, -(-self.right // 8) * 8)
        return self._replace(left=self.left // 8 * 8, right=right)

    def touches(self, page: Page, segment: Segment) -> bool:
        across = segment.left < self.right and self.left < segment.left + page.layout.width
        return across and segment.top < self.bottom and self.top < segment.top + segment.rows


class Plane:
    """The strips or tiles of one plane that a region touches, decoded."""

    def __init__(self, page: Page, region: Region, segments: list[Segment]) -> None:
        every = page.is_old_lzw
        self.segments = [each for each in segments if every or region.touches(page, each)]
        self._page, self._region = page, region
        self._decoded = page.decode(self.segments) if self.segments else bytearray()

    def read(self) -> bytearray:
        """The rows of the region."""
        width, height = self._region.size
        rows = bytearray(self._bytes(width) * height)
        for start, end, at in self._pieces():
            rows[at : at + end - start] = self._decoded[start:end]
        return rows

    def write(self, rows: bytes) -> None:
        """Replace the rows of the region, in memory."""
        for start, end, at in self._pieces():
            self._decoded[start:end] = rows[at : at + end - start]

    def encoded(self) -> list[bytes]:
        """The strips or tiles."""
        like = [self._page.coded(segment) for segment in self.segments]
        return codec.encode(self._decoded, self._page.layout, rows_of(self.segments), like)

    def encoded_in_strips(self, height: int) -> list[bytes]:
        """The only strip, as several of that height."""
        layout = replace(self._page.layout, height=height)
        [like] = [self._page.coded(segment) for segment in self.segments]
        coded, each = [], height * layout.stride
        for start in range(0, len(self._decoded), each):
            part = self._decoded[start : start + each]
            coded += codec.encode(part, layout, len(part) // layout.stride, [like])
        return coded

    def _pieces(self) -> Iterator[tuple[int, int, int]]:
        """Start and end of each part of a row in the decoded bytes, and its start in the region."""
        page, region, first = self._page, self._region, 0
        width = self._bytes(region.size[0])
        for segment in self.segments:
            left = max(region.left, segment.left)
            right = min(region.right, segment.left + page.layout.width)
            begin = self._bytes(left - segment.left)
            end = self._bytes(right - segment.left)
            at = self._bytes(left - region.left)
            top = max(region.top, segment.top)
            bottom = min(region.bottom, segment.top + segment.rows)
            for y in range(top, bottom if left < right else top):
                row = first + (y - segment.top) * page.layout.stride
                yield row + begin, row + end, (y - region.top) * width + at
            first += segment.rows * page.layout.stride

    def _bytes(self, pixels: int) -> int:
        return (pixels * self._page.layout.samples * self._page.bits + 7) // 8


def interleaved(planes: list[bytearray], sample_bytes: int) -> bytes:
    """The samples of all planes, pixel by pixel."""
    if len(planes) == 1:
        return bytes(planes[0])
    code = _UNSIGNED_CODES[sample_bytes]
    mixed = array(code, bytes(sum(map(len, planes))))
    for number, plane in enumerate(planes):
        mixed[number :: len(planes)] = array(code, plane)
    return mixed.tobytes()


def _separated(mixed: bytes, planes: int, sample_bytes: int) -> list[bytes]:
    """The planes of interleaved samples."""
    if planes == 1:
        return [mixed]
    samples = array(_UNSIGNED_CODES[sample_bytes], mixed)
    return [samples[number::planes].tobytes() for number in range(planes)]


def check_rest(page: Page, region: Region | None) -> tuple[float, float]:
    """Decode what the region does not touch: a decoder raises where it is damaged.

    Returns the levels of black and white: the usual ones, or the extremes where pixels exceed them.
    """
    code = ARRAY_CODES.get((page.bits, page.layout.sample_format))
    code = None if code == "H" else code  # its range is known
    is_float = page.layout.sample_format == FLOAT
    low, high = 0.0, 1.0 if is_float else 32767.0 if code == "h" else 65535.0
    for segments in page.planes:
        if region and not code:
            segments = [each for each in segments if not region.touches(page, each)]
        for batch in page.batches(segments):
            samples = page.decode(batch)
            if code:
                numbers = array(code, samples)
                low, high = min(low, min(numbers)), max(high, max(numbers))
    return low, high


def rewritten(page: Page, planes: list[Plane], samples: bytes) -> dict[int, tuple[int, ...]]:
    """Write the samples of the region into the file. Returns the tags whose values change."""
    for plane, part in zip(planes, _separated(samples, len(planes), page.bits // 8), strict=True):
        plane.write(part)
    if (strips := _worthwhile_strips(page)) > 1:
        return _in_strips(page, planes[0], strips)
    coded = [chunk for plane in planes for chunk in plane.encoded()]
    numbers = [segment.number for plane in planes for segment in plane.segments]
    offsets, sizes = list(page.offsets), [end - start for start, end in page.ranges]
    before = offsets[:], sizes[:]
    for number in numbers:
        page.file.free(*page.ranges[number])
    for number, offset, chunk in zip(numbers, page.file.store(coded), coded, strict=True):
        offsets[number], sizes[number] = offset, len(chunk)
    if (offsets, sizes) == before:
        return {}
    if page.is_tiled and Tag.TileOffsets in page.directory.entries:
        return {Tag.TileOffsets: tuple(offsets), Tag.TileByteCounts: tuple(sizes)}
    return {Tag.StripOffsets: tuple(offsets), Tag.StripByteCounts: tuple(sizes)}


def _worthwhile_strips(page: Page) -> int:
    """Into how many strips to split a picture of one strip.

    The one strip often becomes a little longer and would be appended to the file. Most of several
    strips fit into the space of the old one.
    """
    layout = page.layout
    if len(page.offsets) > 1 or page.is_tiled or layout.compression == NONE:
        return 1
    has_tables = layout.compression == JPEG and not layout.jpeg_tables
    [(start, end)] = page.ranges
    least = _MIN_STRIP_BYTES_WITH_TABLES if has_tables else _MIN_STRIP_BYTES
    return min(_MAX_STRIPS, (end - start) // least)


def _in_strips(page: Page, plane: Plane, strips: int) -> dict[int, tuple[int, ...]]:
    """Write a picture of one strip as several."""
    height = -(-page.height // strips // 16) * 16
    coded = plane.encoded_in_strips(height)
    page.file.free(*page.ranges[0])
    offsets, sizes = tuple(page.file.store(coded)), tuple(map(len, coded))
    return {Tag.StripOffsets: offsets, Tag.StripByteCounts: sizes, Tag.RowsPerStrip: (height,)}
