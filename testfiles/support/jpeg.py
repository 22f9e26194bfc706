"""What the tests of JPEG share: marking one file, and comparing it."""

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageStat
from PIL.JpegImagePlugin import JpegImageFile

from drawing.stamp import Stamp
from formats.jpeg import segments
from formats.jpeg.mark import mark_jpeg
from options import Metadata, Options
from support import images

SIZE = (250, 183)  # no multiple of a block in either direction
PHOTO = images.photo(3, SIZE)


def marked(
    folder: Path, logo: Path, content: bytes, policy: Metadata = Metadata.KEEP
) -> tuple[bytes, Stamp]:
    """The file, and the stamp with its notes."""
    path = folder / "photo.jpg"
    path.write_bytes(content)
    stamp = Stamp(logo, Options(metadata=policy))
    with Image.open(path) as image:
        return mark_jpeg(path, image, stamp), stamp


def opened(content: bytes) -> JpegImageFile:
    image = Image.open(BytesIO(content))
    assert isinstance(image, JpegImageFile)
    image.load()
    return image


def difference(before: bytes, after: bytes) -> tuple[float, float]:
    """Mean differences in the upper right corner, and in everything below it."""
    both = ImageChops.difference(opened(before), opened(after))
    width, height = both.size
    corner = ImageStat.Stat(both.crop((width // 2, 0, width, height // 3))).mean
    rest = ImageStat.Stat(both.crop((0, height // 2, width, height))).mean
    return max(corner), max(rest)


def with_segments(content: bytes, *added: tuple[int, bytes]) -> bytes:
    """The file with these segments first."""
    made = [segments.Segment(marker, payload) for marker, payload in added]
    return segments.assemble(made)[:-2] + content[2:]


def segments_of(content: bytes) -> list[tuple[int, bytes]]:
    parsed = segments.parse(content).segments
    return [(s.marker, s.payload) for s in parsed if s.marker in (*segments.APP, 0xFE)]
