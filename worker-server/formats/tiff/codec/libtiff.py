"""TIFF files of one page, with which libtiff (by way of Pillow) decodes and encodes strips."""

from io import BytesIO
from itertools import accumulate
from typing import NamedTuple

from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import LONG

from formats.tiff.codec.layout import BLACK_IS_ZERO, CCITT_G4

_ROWS = 256


class StripShape(NamedTuple):
    width: int
    bits: int  # 1 or 8
    height: int
    compression: int
    fax_options: int = 0

    @property
    def fax(self) -> dict[int, int]:
        tag = Tag.T6Options if self.compression == CCITT_G4 else Tag.T4Options
        return {tag: self.fax_options} if self.fax_options else {}


def decoded(coded: list[bytes], shape: StripShape, rows: int) -> bytearray:
    tags: dict[int, int] = {
        Tag.BitsPerSample: shape.bits,
        Tag.Compression: shape.compression,
        Tag.PhotometricInterpretation: BLACK_IS_ZERO,
        Tag.SamplesPerPixel: 1,
        **shape.fax,
    }
    content = page_of(coded, "<", (shape.width, rows), shape.height, tags)
    with Image.open(BytesIO(content), formats=["TIFF"]) as image:
        return pixels(image)


def pixels(image: Image.Image) -> bytearray:
    """What tobytes returns, in less memory: tobytes holds all of it twice for a while."""
    row = len(image.crop((0, 0, image.width, 1)).tobytes())
    samples = bytearray(row * image.height)
    for top in range(0, image.height, _ROWS):
        part = image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes()
        samples[top * row : top * row + len(part)] = part
    return samples


def encoded(
    packed: bytes | bytearray, shape: StripShape, rows: int, compression: str
) -> list[bytes]:
    """compression is Pillow's name for it."""
    mode = "1" if shape.bits == 1 else "L"
    image = Image.frombytes(mode, (shape.width, rows), packed)
    written = BytesIO()
    info = {Tag.RowsPerStrip: shape.height, **shape.fax}
    image.save(written, "TIFF", compression=compression, tiffinfo=info)
    return strips(written.getvalue())


def strips(content: bytes) -> list[bytes]:
    """The strips of the first page."""
    file, tags = BytesIO(content), ImageFileDirectory_v2(content[:8])
    file.seek(tags.next)
    tags.load(file)  # Image.open would refuse rare samples
    places = zip(tags[Tag.StripOffsets], tags[Tag.StripByteCounts], strict=True)
    return [content[start : start + size] for start, size in places]


def page_of(
    coded: list[bytes], order: str, size: tuple[int, int], height: int, tags: dict[int, int]
) -> bytes:
    """A TIFF of these strips; height is that of all but the last.

    A tag of which each sample has a value gets the same value for all of them.
    """
    samples = tags[Tag.SamplesPerPixel]
    counts: dict[int, int] = {
        Tag.BitsPerSample: samples,
        Tag.SampleFormat: samples,
        Tag.ExtraSamples: samples - 1,
    }
    directory = ImageFileDirectory_v2(prefix=b"II" if order == "<" else b"MM")
    directory[Tag.ImageWidth], directory[Tag.ImageLength] = size
    directory[Tag.RowsPerStrip] = height
    for tag, value in tags.items():
        if count := counts.get(tag, 1):
            directory[tag] = (value,) * count
    sizes = [len(strip) for strip in coded]
    directory[Tag.StripByteCounts] = tuple(sizes)
    directory[Tag.StripOffsets] = tuple(accumulate(sizes[:-1], initial=0))  # behind the directory
    directory.tagtype[Tag.StripByteCounts] = directory.tagtype[Tag.StripOffsets] = LONG
    file = BytesIO()
    directory.save(file)
    return b"".join([file.getvalue(), *coded])
