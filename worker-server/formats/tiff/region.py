"""A box of a TIFF picture's samples, put together from its strips or tiles and dealt out again."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import NamedTuple

from formats.tiff.codec import codec
from formats.tiff.codec.layout import JPEG, NONE
from formats.tiff.page import (
    ROWS_PER_STRIP,
    STRIP_BYTES,
    STRIP_OFFSETS,
    TILE_BYTES,
    TILE_OFFSETS,
    Page,
    Segment,
    rows_of,
)

_FLOATS = {32: "f", 64: "d"}
_WHOLE = {(16, 2): "h", (32, 1): "I", (32, 2): "i"}
_MOST_STRIPS = 16
_STRIP_BYTES, _STRIP_BYTES_WITH_TABLES = 150, 4000  # coded; less is not worth a strip of its own


class Box(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top

    def aligned(self, page: Page) -> Box:
        """As much more of the picture as it takes for each row of samples to be whole bytes."""
        if page.bits % 8 == 0:
            return self
        return self._replace(
            left=self.left // 8 * 8, right=min(page.width, -(-self.right // 8) * 8)
        )

    def touches(self, page: Page, segment: Segment) -> bool:
        across = segment.left < self.right and self.left < segment.left + page.layout.width
        return across and segment.top < self.bottom and self.top < segment.top + segment.rows


def whole(page: Page) -> Box:
    return Box(0, 0, page.width, page.height)


class Plane:
    """What the strips or tiles of one plane have in common with a box."""

    def __init__(self, page: Page, box: Box, segments: list[Segment]) -> None:
        every = page.is_all_or_nothing
        self.segments = [each for each in segments if every or box.touches(page, each)]
        self._page, self._box = page, box
        self._decoded = page.decode(self.segments) if self.segments else bytearray()

    def gather(self) -> bytearray:
        """The rows of the box."""
        width = self._bytes(self._box.size[0])
        rows = bytearray(width * self._box.size[1])
        for start, end, at in self._pieces(width):
            rows[at : at + end - start] = self._decoded[start:end]
        return rows

    def deal(self, rows: bytes) -> list[bytes]:
        """The strips or tiles, coded anew, with these rows of the box in them."""
        for start, end, at in self._pieces(self._bytes(self._box.size[0])):
            self._decoded[start:end] = rows[at : at + end - start]
        like = [self._page.coded(segment) for segment in self.segments]
        return codec.encode(self._decoded, self._page.layout, rows_of(self.segments), like)

    def deal_in_strips(self, rows: bytes, height: int) -> list[bytes]:
        """deal, for a picture that is one strip and becomes several."""
        for start, end, at in self._pieces(self._bytes(self._box.size[0])):
            self._decoded[start:end] = rows[at : at + end - start]
        layout = replace(self._page.layout, height=height)
        [like] = [self._page.coded(segment) for segment in self.segments]
        coded, each = [], height * layout.stride
        for start in range(0, len(self._decoded), each):
            part = self._decoded[start : start + each]
            coded += codec.encode(part, layout, len(part) // layout.stride, [like])
        return coded

    def _pieces(self, width: int) -> list[tuple[int, int, int]]:
        """From where to where in what is decoded, and where in the box, each part of a row is."""
        page, box, found, first = self._page, self._box, [], 0
        for segment in self.segments:
            left = max(box.left, segment.left)
            right = min(box.right, segment.left + page.layout.width)
            begin = self._bytes(left - segment.left)
            end = self._bytes(right - segment.left)
            at = self._bytes(left - box.left)
            top, bottom = max(box.top, segment.top), min(box.bottom, segment.top + segment.rows)
            for y in range(top, bottom if left < right else top):
                row = first + (y - segment.top) * page.layout.stride
                found.append((row + begin, row + end, (y - box.top) * width + at))
            first += segment.rows * page.layout.stride
        return found

    def _bytes(self, pixels: int) -> int:
        return (pixels * self._page.layout.samples * self._page.bits + 7) // 8


def together(planes: list[bytearray], sample_bytes: int) -> bytes:
    """The samples of each pixel beside each other."""
    if len(planes) == 1:
        return bytes(planes[0])
    mixed = bytearray(sum(map(len, planes)))
    step = len(planes) * sample_bytes
    for number, plane in enumerate(planes):
        for byte in range(sample_bytes):
            mixed[number * sample_bytes + byte :: step] = plane[byte::sample_bytes]
    return bytes(mixed)


def apart(mixed: bytes, planes: int, sample_bytes: int) -> list[bytes]:
    """together, undone."""
    if planes == 1:
        return [mixed]
    step, found = planes * sample_bytes, []
    for number in range(planes):
        plane = bytearray(len(mixed) // planes)
        for byte in range(sample_bytes):
            plane[byte::sample_bytes] = mixed[number * sample_bytes + byte :: step]
        found.append(bytes(plane))
    return found


def read_through(page: Page, box: Box | None) -> tuple[float, float]:
    """Decode what is not to be changed as well: what is damaged is not passed on as if it were not.

    Returns the levels of black and white: the usual, or the extremes where pixels go beyond it.
    """
    is_float = page.layout.sample_format == 3
    code = (
        _FLOATS.get(page.bits) if is_float else _WHOLE.get((page.bits, page.layout.sample_format))
    )
    low, high = 0.0, 1.0 if is_float else 32767.0 if code == "h" else 65535.0
    for segments in page.planes:
        left = (
            segments if box is None or code else [s for s in segments if not box.touches(page, s)]
        )
        for batch in page.batches(left):
            samples = page.decode(batch)
            if code:
                numbers = array(code, samples)
                low, high = min(low, min(numbers)), max(high, max(numbers))
    return low, high


def rewritten(page: Page, planes: list[Plane], samples: bytes) -> dict[int, tuple[int, ...]]:
    """Put the samples of the box back into the file. Returns the tags with other values now."""
    parts = apart(samples, len(planes), page.bits // 8)
    numbers = [segment.number for plane in planes for segment in plane.segments]
    if (strips := _worth(page)) > 1:
        return _in_strips(page, planes[0], parts[0], strips)
    coded = [chunk for plane, part in zip(planes, parts, strict=True) for chunk in plane.deal(part)]
    offsets, sizes = list(page.offsets), [end - start for start, end in page.ranges]
    for number in numbers:
        page.file.free(*page.ranges[number])
    for number, offset, chunk in zip(numbers, page.file.settle(coded), coded, strict=True):
        offsets[number], sizes[number] = offset, len(chunk)
    if tuple(offsets) == page.offsets[: len(offsets)] and sizes == [
        end - start for start, end in page.ranges
    ]:
        return {}
    if page.is_tiled and TILE_OFFSETS in page.directory.entries:
        return {TILE_OFFSETS: tuple(offsets), TILE_BYTES: tuple(sizes)}
    return {STRIP_OFFSETS: tuple(offsets), STRIP_BYTES: tuple(sizes)}


def _worth(page: Page) -> int:
    """How many strips a picture of one strip is worth, whose room may just not be enough."""
    layout = page.layout
    if len(page.offsets) > 1 or page.is_tiled or layout.compression == NONE:
        return 1
    has_tables = layout.compression == JPEG and not layout.jpeg_tables
    [(start, end)] = page.ranges
    least = _STRIP_BYTES_WITH_TABLES if has_tables else _STRIP_BYTES
    return min(_MOST_STRIPS, (end - start) // least)


def _in_strips(page: Page, plane: Plane, rows: bytes, strips: int) -> dict[int, tuple[int, ...]]:
    """Deal out a picture that was one strip as several, most of which its room can take."""
    height = -(-page.height // strips // 16) * 16
    coded = plane.deal_in_strips(rows, height)
    page.file.free(*page.ranges[0])
    offsets = page.file.settle(coded)
    sizes = tuple(map(len, coded))
    return {STRIP_OFFSETS: tuple(offsets), STRIP_BYTES: sizes, ROWS_PER_STRIP: (height,)}
