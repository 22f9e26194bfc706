"""One picture of a TIFF: its geometry, and its pixels strip by strip (TIFF 6.0 sections 8, 15)."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from PIL import UnidentifiedImageError

from errors import ImageRejected
from formats.tiff.codec import codec, ycbcr
from formats.tiff.codec.layout import CCITT_G4, LZW, NONE, Layout, damaged
from formats.tiff.file import Directory, TiffFile

STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_BYTES = 273, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
_SEPARATE = 2
_RGB, _PALETTE, _CMYK, _YCBCR, _LAB, _ICC_LAB = 2, 3, 5, 6, 8, 9
_COLOURS = {_RGB: 3, _CMYK: 4, _YCBCR: 3, _LAB: 3, _ICC_LAB: 3}
_BATCH_BYTES = 8_000_000
_MOST_SAMPLES = 64
_MOST_IN_A_TILE = 16_000_000  # pixels; tiles reach beyond small pictures


class Segment(NamedTuple):
    """A strip or a tile."""

    number: int
    left: int
    top: int
    rows: int


class Page:
    """Raises ImageRejected where the tags make no sense."""

    def __init__(self, file: TiffFile, directory: Directory) -> None:
        self.file, self.directory = file, directory
        self.width, self.height = self.number(256), self.number(257)
        self.photometric = self.number(262, 0)
        self.samples = self.number(277, 1)
        bits = self.values(258, (1,))
        bits = (bits if len(bits) > 1 else bits * self.samples)[: self.samples]
        if not (self.width and self.height and 0 < self.samples <= _MOST_SAMPLES):
            raise damaged("it has no size")
        if len(bits) != self.samples or len(set(bits)) != 1:
            raise _unsupported(f"samples of {bits} bits")
        self.bits = bits[0]
        self.is_separate = self.number(284, 1) == _SEPARATE and self.samples > 1
        self.colours = _COLOURS.get(self.photometric, 1)
        self.extras = self.values(338)
        self.is_tiled = TILE_OFFSETS in directory.entries or TILE_WIDTH in directory.entries
        self.layout = self._layout()

    def number(self, tag: int, default: int = 0) -> int:
        return self.values(tag, (default,))[0]

    def values(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return self.file.values(self.directory.entries.get(tag), default)

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @cached_property
    def planes(self) -> list[list[Segment]]:
        """The strips or tiles of each plane, row by row; one plane unless samples are apart."""
        layout, found = self.layout, []
        across, down = -(-self.width // layout.width), -(-self.height // layout.height)
        each = across * down
        count = self.samples if self.is_separate else 1
        if each * count > len(self.offsets):
            raise damaged(f"it has {len(self.offsets)} of {each * count} strips or tiles")
        for plane in range(count):
            numbers = range(plane * each, (plane + 1) * each)
            found.append([self._segment(number, number % each, across) for number in numbers])
        return found

    def _segment(self, number: int, place: int, across: int) -> Segment:
        layout = self.layout
        top = place // across * layout.height
        rows = layout.height if self.is_tiled else min(layout.height, self.height - top)
        return Segment(number, place % across * layout.width, top, rows)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        return self.values(TILE_OFFSETS if self.is_tiled else STRIP_OFFSETS) or self.values(273)

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """From where to where each strip or tile lies in the file."""
        counts = self.values(TILE_BYTES if self.is_tiled else STRIP_BYTES) or self.values(279)
        if self.layout.compression == NONE:  # as long as they must be, whatever is said
            counts = tuple(self._plain_bytes(number) for number in range(len(self.offsets)))
        elif len(counts) < len(self.offsets):
            counts += (len(self.file.data),) * (len(self.offsets) - len(counts))
        end = len(self.file.data)
        return [
            (start, min(start + count, end))
            for start, count in zip(self.offsets, counts, strict=False)
        ]

    def coded(self, segment: Segment) -> bytes:
        start, end = self.ranges[segment.number]
        return bytes(self.file.data[start:end])

    @cached_property
    def is_all_or_nothing(self) -> bool:
        """Whether strips of old and of new make would not go together: LZW before TIFF 6.0."""
        if self.layout.compression != LZW:
            return False
        start, end = self.ranges[0]
        return end > start + 1 and self.file.data[start] == 0 and self.file.data[start + 1] % 2 == 1

    def batches(self, segments: list[Segment]) -> Iterator[list[Segment]]:
        """Segments one after the other, as many at a time as memory is to hold."""
        each = max(1, _BATCH_BYTES // (self.layout.stride * self.layout.height))
        for start in range(0, len(segments), each):
            yield segments[start : start + each]

    def decode(self, segments: list[Segment]) -> bytearray:
        coded = [self.coded(segment) for segment in segments]
        try:
            return codec.decode(coded, self.layout, rows_of(segments))
        except UnidentifiedImageError:
            raise damaged("a strip or tile cannot be decoded") from None

    def _plain_bytes(self, number: int) -> int:
        layout = self.layout
        down = -(-self.height // layout.height)
        rows = layout.height
        if not self.is_tiled:
            rows = min(rows, self.height - number % down * rows)
        stride, lines = layout.stride, rows
        if layout.unit != (1, 1):
            stride, lines = ycbcr.packed_size(layout, rows)
        return stride * lines

    def _layout(self) -> Layout:
        width = self.number(TILE_WIDTH) if self.is_tiled else self.width
        rows = self.number(ROWS_PER_STRIP, self.height) or self.height
        height = self.number(TILE_HEIGHT) if self.is_tiled else min(rows, self.height)
        if not (width and height) or width * height > _MOST_IN_A_TILE + self.width * self.height:
            raise damaged("it has no size")
        entry = self.directory.entries.get(347)
        fax = 293 if self.number(259, 1) == CCITT_G4 else 292
        return Layout(
            width=width,
            height=height,
            samples=1 if self.is_separate else self.samples,
            bits=self.bits,
            sample_format=self.number(339, 1),
            order=self.file.order,
            compression=self.number(259, 1),
            predictor=self.number(317, 1),
            fill_order=self.number(266, 1),
            photometric=self.photometric,
            fax_options=self.number(fax, 0),
            subsampling=self.values(530, (2, 2)),
            jpeg_tables=self.file.raw(entry) if entry else b"",
        )


def rows_of(segments: list[Segment]) -> int:
    return sum(segment.rows for segment in segments)


def _unsupported(what: str) -> ImageRejected:
    return ImageRejected("unsupported_mode", f"TIFFs with {what} cannot be watermarked.")
