"""TIFF files of one page, with which libtiff (by way of Pillow) decodes and encodes strips."""

from io import BytesIO
from itertools import accumulate

from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import LONG

from formats.tiff.codec.layout import BLACK_IS_ZERO, CCITT, CCITT_G4, Layout

_ROWS = 256


def decoded(coded: list[bytes], layout: Layout, lines: int) -> bytearray:
    """The packed bytes of so many lines."""
    (width, height), bits, fax = _strip(layout)
    tags: dict[int, int] = {
        Tag.BitsPerSample: bits,
        Tag.Compression: layout.compression,
        Tag.PhotometricInterpretation: BLACK_IS_ZERO,
        Tag.SamplesPerPixel: 1,
        **fax,
    }
    content = page_of(coded, "<", (width, lines), height, tags)
    with Image.open(BytesIO(content), formats=["TIFF"]) as image:
        return pixels(image)


def encoded(packed: bytearray, layout: Layout, lines: int, compression: str) -> list[bytes]:
    """compression is Pillow's name for it."""
    (width, height), bits, fax = _strip(layout)
    image = Image.frombytes("1" if bits == 1 else "L", (width, lines), packed)
    written = BytesIO()
    info = {Tag.RowsPerStrip: height, **fax}
    image.save(written, "TIFF", compression=compression, tiffinfo=info)
    return strips(written.getvalue())


def _strip(layout: Layout) -> tuple[tuple[int, int], int, dict[int, int]]:
    """A strip's size, bits of a sample, tags for fax. Samples that are not fax pass as bytes."""
    size = layout.packed_size(layout.height)
    if layout.compression not in CCITT:
        return size, 8, {}
    tag = Tag.T6Options if layout.compression == CCITT_G4 else Tag.T4Options
    return (layout.width, size[1]), 1, {tag: layout.fax_options} if layout.fax_options else {}


def pixels(image: Image.Image) -> bytearray:
    """What tobytes returns, in less memory: tobytes holds all of it twice for a while."""
    row = len(image.crop((0, 0, image.width, 1)).tobytes())
    samples = bytearray(row * image.height)
    for top in range(0, image.height, _ROWS):
        part = image.crop((0, top, image.width, min(top + _ROWS, image.height))).tobytes()
        samples[top * row : top * row + len(part)] = part
    return samples


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

    A tag with a value for each sample gets the same value for all samples.
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
