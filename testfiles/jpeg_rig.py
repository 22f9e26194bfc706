"""What the tests of JPEG share: one file marked, and what came of it."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat

import images
from worker_rig import worker_module

format_jpeg = worker_module("format_jpeg")
jpeg_stream = worker_module("jpeg_stream")
options = worker_module("options")
stamp = worker_module("stamp")
KEEP, NOGPS, STRIP = options.Metadata

SIZE = (250, 183)  # whole blocks in neither direction
PHOTO = images.photo(3, SIZE)


def marked(folder: Path, logo: Path, content: bytes, policy: Any = KEEP) -> tuple[bytes, Any]:
    """The file, and the stamp with its notes."""
    path = folder / "photo.jpg"
    path.write_bytes(content)
    mark = stamp.Stamp(logo, options.Options(metadata=policy))
    with Image.open(path) as image:
        return format_jpeg.marked(path, image, mark), mark


def opened(content: bytes) -> Any:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def difference(before: bytes, after: bytes) -> tuple[float, float]:
    """Mean differences in the right upper corner, and in all that is below it."""
    both = ImageChops.difference(opened(before), opened(after))
    width, height = both.size
    corner = ImageStat.Stat(both.crop((width // 2, 0, width, height // 3))).mean
    rest = ImageStat.Stat(both.crop((0, height // 2, width, height))).mean
    return max(corner), max(rest)


def with_segments(content: bytes, *segments: tuple[int, bytes]) -> bytes:
    """The file with those segments first."""
    made = [jpeg_stream.Segment(marker, payload) for marker, payload in segments]
    return bytes(jpeg_stream.assemble(made)[:-2] + content[2:])


def segments_of(content: bytes) -> list[tuple[int, bytes]]:
    parsed = jpeg_stream.parse(content).segments
    return [(s.marker, s.payload) for s in parsed if s.marker in (*jpeg_stream.APP, 0xFE)]
