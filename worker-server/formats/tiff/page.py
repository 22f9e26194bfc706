"""One picture of a TIFF: its geometry, and its pixels by strips or tiles (TIFF 6.0, 8 and 15)."""

import math
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from PIL import UnidentifiedImageError
from PIL.ExifTags import Base as Tag

from errors import ImageRejected
from formats.tiff.codec import codec
from formats.tiff.codec.layout import CCITT_G4, LZW, NONE, UNSIGNED, Layout, damaged
from formats.tiff.file import Directory, Range, TiffFile

_SEPARATE = 2  # PlanarConfiguration: each sample has strips of its own
_BATCH_BYTES = 8_000_000
_MAX_SAMPLES = 64
_MAX_TILE_PIXELS = 16_000_000  # beyond the picture's own: tiles may be larger than it


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
        self.width, self.height = self.number(Tag.ImageWidth), self.number(Tag.ImageLength)
        self.photometric = self.number(Tag.PhotometricInterpretation, 0)
        self.samples = self.number(Tag.SamplesPerPixel, 1)
        bits = self.values(Tag.BitsPerSample, (1,))
        bits = (bits if len(bits) > 1 else bits * self.samples)[: self.samples]
        if not (self.width and self.height and 0 < self.samples <= _MAX_SAMPLES):
            raise damaged("it has no size")
        if len(bits) != self.samples or len(set(bits)) != 1:
            detail = f"TIFFs with samples of {bits} bits cannot be watermarked."
            raise ImageRejected("unsupported_mode", detail)
        self.bits = bits[0]
        self.is_separate = self.number(Tag.PlanarConfiguration, 1) == _SEPARATE and self.samples > 1
        self.extras = self.values(Tag.ExtraSamples)
        self.is_tiled = not directory.entries.keys().isdisjoint((Tag.TileOffsets, Tag.TileWidth))
        self.layout = self._layout()

    def number(self, tag: int, default: int = 0) -> int:
        return self.values(tag, (default,))[0]

    def values(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return self.file.values(self.directory.entries.get(tag), default)

    def raw(self, tag: int) -> bytes | None:
        entry = self.directory.entries.get(tag)
        return self.file.raw(entry) if entry else None

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height

    @cached_property
    def planes(self) -> list[list[Segment]]:
        """The strips or tiles of each plane, row by row. Only separate samples have many planes."""
        across, down = -(-self.width // self.layout.width), -(-self.height // self.layout.height)
        each = across * down
        count = self.samples if self.is_separate else 1
        if each * count > len(self.offsets):
            raise damaged(f"it has {len(self.offsets)} of {each * count} strips or tiles")
        return [
            [self._segment(plane * each + place, place, across) for place in range(each)]
            for plane in range(count)
        ]

    def _segment(self, number: int, place: int, across: int) -> Segment:
        layout = self.layout
        top = place // across * layout.height
        rows = layout.height if self.is_tiled else min(layout.height, self.height - top)
        return Segment(number, place % across * layout.width, top, rows)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        tiles = self.values(Tag.TileOffsets) if self.is_tiled else ()
        return tiles or self.values(Tag.StripOffsets)

    @cached_property
    def ranges(self) -> list[Range]:
        """Where in the file each strip or tile starts and ends."""
        counts = self.values(Tag.TileByteCounts) if self.is_tiled else ()
        counts = counts or self.values(Tag.StripByteCounts)
        end = len(self.file.data)
        if self.layout.compression == NONE:  # some files have wrong counts: their sizes are known
            segments = [segment for plane in self.planes for segment in plane]
            counts = tuple(math.prod(self.layout.packed_size(each.rows)) for each in segments)
        elif len(counts) < len(self.offsets):
            counts += (end,) * (len(self.offsets) - len(counts))
        return [
            (start, min(start + count, end))
            for start, count in zip(self.offsets, counts, strict=False)
        ]

    def coded(self, segment: Segment) -> bytes:
        start, end = self.ranges[segment.number]
        return bytes(self.file.data[start:end])

    @cached_property
    def is_old_lzw(self) -> bool:
        """Whether its LZW is older than TIFF 6.0. No file may mix the two kinds."""
        if self.layout.compression != LZW:
            return False
        start, end = self.ranges[0]
        return end > start + 1 and self.file.data[start] == 0 and self.file.data[start + 1] % 2 == 1

    def batches(self, segments: list[Segment]) -> Iterator[list[Segment]]:
        """Consecutive segments, as many at a time as memory should hold."""
        each = max(1, _BATCH_BYTES // (self.layout.stride * self.layout.height))
        for start in range(0, len(segments), each):
            yield segments[start : start + each]

    def decode(self, segments: list[Segment]) -> bytearray:
        coded = [self.coded(segment) for segment in segments]
        try:
            return codec.decode(coded, self.layout, rows_of(segments))
        except UnidentifiedImageError:
            raise damaged("a strip or tile cannot be decoded") from None

    def _layout(self) -> Layout:
        width = self.number(Tag.TileWidth) if self.is_tiled else self.width
        rows = self.number(Tag.RowsPerStrip, self.height) or self.height
        height = self.number(Tag.TileLength) if self.is_tiled else min(rows, self.height)
        if not (width and height) or width * height > _MAX_TILE_PIXELS + self.width * self.height:
            raise damaged("it has no size")
        compression = self.number(Tag.Compression, 1)
        return Layout(
            width=width,
            height=height,
            samples=1 if self.is_separate else self.samples,
            bits=self.bits,
            sample_format=self.number(Tag.SampleFormat, UNSIGNED),
            order=self.file.order,
            compression=compression,
            predictor=self.number(Tag.Predictor, 1),
            fill_order=self.number(Tag.FillOrder, 1),
            photometric=self.photometric,
            fax_options=self.number(Tag.T6Options if compression == CCITT_G4 else Tag.T4Options),
            subsampling=self.values(Tag.YCbCrSubSampling, (2, 2)),
            jpeg_tables=self.raw(Tag.JPEGTables) or b"",
        )


def rows_of(segments: list[Segment]) -> int:
    return sum(segment.rows for segment in segments)
