"""Format and size from an image's first bytes: right for real images, bounded for hostile ones."""

import struct
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image

import images
from service_loader import load

image_header = load("fast-server", "image_header")
signatures = load("fast-server", "signatures")
SIZE = (321, 123)
MIB = 1024 * 1024


def encoded(image_format: str, **options: object) -> Callable[[], bytes]:
    return lambda: images.encode(images.photo(size=SIZE), image_format, **options)


IMAGES = {
    "jpeg": ("image/jpeg", encoded("JPEG")),
    "jpeg, progressive": ("image/jpeg", encoded("JPEG", progressive=True)),
    "jpeg, CMYK": ("image/jpeg", lambda: images.encode(Image.new("CMYK", SIZE), "JPEG")),
    "jpeg behind a large profile": ("image/jpeg", encoded("JPEG", icc_profile=bytes(300_000))),
    "png": ("image/png", encoded("PNG")),
    "gif": ("image/gif", lambda: images.gif(size=SIZE)),
    "webp": ("image/webp", encoded("WEBP")),
    "webp, lossless": ("image/webp", encoded("WEBP", lossless=True)),
    "webp, extended": ("image/webp", encoded("WEBP", icc_profile=b"profile")),
    "tiff": ("image/tiff", encoded("TIFF")),
    "tiff, big-endian": ("image/tiff", lambda: images.encode(Image.new("I;16B", SIZE), "TIFF")),
    "bmp": ("image/bmp", encoded("BMP")),
    "jpeg 2000": ("image/jp2", encoded("JPEG2000")),
    "avif": ("image/avif", encoded("AVIF")),
}
FORMATS = pytest.mark.parametrize(("media_type", "make"), IMAGES.values(), ids=IMAGES.keys())


def size_of(tmp_path: Path, content: bytes, name: str = "image") -> tuple[int, int] | None:
    path = tmp_path / name
    path.write_bytes(content)
    size: tuple[int, int] | None = image_header.read_size(path)
    return size


@FORMATS
def test_an_image_shows_its_format_and_size(
    tmp_path: Path, media_type: str, make: Callable[[], bytes]
) -> None:
    content = make()
    assert signatures.sniff(content[: signatures.HEAD_BYTES]) == media_type
    assert size_of(tmp_path, content, "lies.txt") == SIZE


@FORMATS
def test_a_header_that_is_cut_off_is_unreadable(
    tmp_path: Path, media_type: str, make: Callable[[], bytes]
) -> None:
    shortest = {"image/gif": 8}.get(media_type, 16)
    with pytest.raises(image_header.UnreadableHeader, match="ends early or contradicts itself"):
        size_of(tmp_path, make()[:shortest])


@pytest.mark.parametrize("byte_order", ["II", "MM"])
def test_both_byte_orders_of_tiff_are_among_the_images(byte_order: str) -> None:
    makers = [make for media_type, make in IMAGES.values() if media_type == "image/tiff"]
    assert byte_order.encode() in {make()[:2] for make in makers}


@pytest.mark.parametrize(
    ("make", "media_type"),
    [
        (encoded("TIFF", big_tiff=True), "image/tiff"),
        (encoded("JPEG2000", no_jp2=True), "image/jp2"),
        (lambda: os2_bitmap(SIZE), "image/bmp"),
    ],
    ids=["BigTIFF", "JPEG 2000 without boxes", "BMP of OS/2"],
)
def test_what_only_a_decoder_knows_is_left_to_the_worker(
    tmp_path: Path, make: Callable[[], bytes], media_type: str
) -> None:
    content = make()
    with Image.open(BytesIO(content)) as image:
        assert image.size == SIZE
    assert signatures.sniff(content[: signatures.HEAD_BYTES]) == media_type
    assert size_of(tmp_path, content) is None


def os2_bitmap(size: tuple[int, int]) -> bytes:
    header = struct.pack("<IHHHH", 12, *size, 1, 24)
    return struct.pack("<2sIHHI", b"BM", 26, 0, 0, 26) + header


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"a note",
        b"<svg",
        b"%PDF-1.7",
        b"GIF88a",
        b"\xff\xd8",
        b"\x89PNG\n",
        b"RIFF\0\0\0\0WAVE",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"P6 1 1 255 ",
    ],
)
def test_anything_else_is_no_image_we_take(head: bytes) -> None:
    assert signatures.sniff(head.ljust(signatures.HEAD_BYTES, b"\0")) is None


def test_the_size_is_the_stored_one_whatever_the_orientation(tmp_path: Path) -> None:
    assert size_of(tmp_path, images.jpeg(size=SIZE, orientation=6)) == SIZE


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_a_side_of_no_pixels_is_unreadable(tmp_path: Path, size: tuple[int, int]) -> None:
    content = bytearray(images.png(size=(5, 5)))
    content[16:24] = struct.pack(">II", *size)
    with pytest.raises(image_header.UnreadableHeader, match="0 pixels"):
        size_of(tmp_path, bytes(content))


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def avif(*boxes: bytes) -> bytes:
    return box(b"ftyp", b"avif\0\0\0\0mif1avif") + box(b"meta", bytes(4) + b"".join(boxes))


# Both lists take their counts from the file. An extent of no bytes costs none; an entry without
# an association costs three.
EXTENTS = box(b"iloc", b"\0" * 6 + b"\0\x40" + (b"\0\0" * 2 + b"\xff\xff") * 64)
ASSOCIATIONS = box(b"iprp", box(b"ipma", b"\0" * 4 + struct.pack(">I", MIB) + bytes(3 * MIB)))
HOSTILE = {
    "a JPEG without a marker": b"\xff\xd8\xff\xe0\0\x10" + bytes(4 * MIB),
    "a JPEG of nothing but markers": b"\xff\xd8" + b"\xff\x01" * MIB,
    "a JPEG of empty segments": b"\xff\xd8" + b"\xff\xe2\0\x02" * MIB,
    "a JPEG 2000 of empty boxes": b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"free", b"") * (MIB // 2),
    "an AVIF of empty boxes": avif(box(b"free", b"") * (MIB // 2)),
    "an AVIF of associations": avif(ASSOCIATIONS),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_header_that_keeps_its_reader_busy_is_given_up(tmp_path: Path, content: bytes) -> None:
    """Counted, not timed: so many reads, of so many bytes together, and no more."""
    sizes: list[int] = []
    read = image_header._BoundedFile.read

    def counted(file: object, size: int = -1) -> bytes:
        chunk: bytes = read(file, size)
        sizes.append(len(chunk))
        return chunk

    with patch.object(image_header._BoundedFile, "read", counted):
        assert size_of(tmp_path, content) is None
    assert len(sizes) <= 20_000
    assert sum(sizes) <= 256 * 1024


def test_a_header_cannot_fill_the_memory(tmp_path: Path) -> None:
    """64 items that claim 65,535 extents each, in 400 bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(image_header.UnreadableHeader):
            size_of(tmp_path, avif(EXTENTS))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB
