"""Format and size from an image's first bytes: right for real images, bounded for hostile ones."""

import struct
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image

from ingest import image_header
from support import images
from upload_api import signatures, unsupported

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
    with path.open("rb") as file:
        return image_header.read_size(file)


@FORMATS
def test_an_image_shows_its_format_and_size(
    tmp_path: Path, media_type: str, make: Callable[[], bytes]
) -> None:
    content = make()
    assert signatures.sniff(content[: signatures.HEAD_BYTES]) == media_type
    assert size_of(tmp_path, content, "lies.txt") == SIZE


@pytest.mark.parametrize(
    ("media_type", "make"),
    [image for image in IMAGES.values() if image[0] != "image/avif"],
    ids=[name for name in IMAGES if name != "avif"],
)
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


def test_a_heic_shows_its_size_where_that_is_not_cropped(tmp_path: Path) -> None:
    content = images.heic(size=(320, 124))
    assert signatures.sniff(content[: signatures.HEAD_BYTES]) == "image/heic"
    assert size_of(tmp_path, content) == (320, 124)
    assert size_of(tmp_path, images.heic(size=(321, 123))) is None


TURNED: dict[str, Callable[[Image.Exif], bytes]] = {
    "AVIF": lambda exif: encoded("AVIF", exif=exif)(),
    "HEIC": lambda exif: images.heic(size=SIZE, exif=exif),
}


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("image_format", TURNED)
def test_a_turned_avif_or_heic_is_not_refused(tmp_path: Path, image_format: str, turn: int) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = turn
    content = TURNED[image_format](exif)
    assert size_of(tmp_path, content) in (None, SIZE)


@pytest.mark.parametrize(
    ("brands", "media_type"),
    [
        (b"avif mif1 miaf", "image/avif"),
        (b"avis avif msf1", "image/avif"),
        (b"mif1 avif miaf", "image/avif"),
        (b"heic mif1 heic", "image/heic"),
        (b"heix mif1", "image/heic"),
        (b"heic mif1 avif", "image/heic"),
        (b"mif1 heic", "image/heic"),
        (b"mif1 miaf MiHB heic", "image/heic"),
        (b"msf1 hevc mif1 heic", "image/heic"),
        (b"mif1 miaf", "image/heif"),
        (b"msf1 hevc", None),
        (b"hevc msf1", None),
        (b"mif3 heic", "image/heic"),
        (b"mp42 isom", None),
        (b"qt  ", None),
    ],
)
def test_an_iso_media_file_is_what_its_brands_say(brands: bytes, media_type: str | None) -> None:
    major, *compatible = (brand.ljust(4) for brand in brands.split())
    ftyp = box(b"ftyp", major + bytes(4) + b"".join(compatible))
    assert signatures.sniff(ftyp) == media_type
    behind_it = box(b"free", b"avifheicmif1" * 20)
    assert signatures.sniff(ftyp + behind_it) == media_type


def test_a_brand_list_that_lies_about_its_length_is_read_to_the_end_of_the_head() -> None:
    assert signatures.sniff(b"\xff\xff\xff\xffftypmif1\0\0\0\0miafheicxx") == "image/heic"
    assert signatures.sniff(b"\0\0\0\0ftyp") is None


def test_a_text_that_begins_like_a_bmp_is_none() -> None:
    assert signatures.sniff(b"BMW is a maker of motorcycles and of cars.") is None
    assert signatures.sniff(b"BM") is None


def tiff_head(*entries: tuple[int, int], order: str = "<") -> bytes:
    """The first directory of a TIFF, of tags with one LONG each."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries)
    return mark + struct.pack(f"{order}IH", 8, len(entries)) + body + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_cameras_raw_file_is_no_tiff_we_take(order: str) -> None:
    preview = [(254, 1), (256, 160), (330, 9000)]
    dng = [(254, 0), (256, 4000), (50706, 0x01040000)]
    pyramid = [(254, 0), (256, 4000), (330, 9000)]
    assert signatures.sniff(tiff_head(*preview, order=order)) is None
    assert signatures.sniff(tiff_head(*dng, order=order)) is None
    assert signatures.sniff(b"II*\0\x10\0\0\0CR\2\0" + bytes(40)) is None
    assert signatures.sniff(tiff_head(*pyramid, order=order)) == "image/tiff"
    assert signatures.sniff(tiff_head((254, 1), (256, 160), order=order)) == "image/tiff"


@pytest.mark.parametrize("where", [b"\xff\xff\xff\xff", b"\xf0\x03\0\0", bytes(4)])
def test_a_tiff_whose_directory_is_elsewhere_is_left_to_the_worker(where: bytes) -> None:
    head = b"II*\0" + where + b"\xff" * 1016
    assert signatures.sniff(head) == "image/tiff"


NOT_TAKEN = {
    b"a note": "x holds none of JPEG, PNG, GIF, WebP, TIFF, BMP, JPEG 2000, AVIF and HEIC",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>": "x is an SVG. Convert it to JPEG or PNG",
    b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg/>": "x is an SVG",
    b"<html>": "x holds none of",
    b"%PDF-1.7": "x is a PDF",
    b"GIF88a": "x holds none of",
    b"\xff\xd8": "x holds none of",
    b"\x89PNG\n": "x holds none of",
    b"RIFF\0\0\0\0WAVE": "x holds none of",
    b"P6 1 1 255 ": "x is a Netpbm image",
    b"P7": "x holds none of",
    b"8BPS\0\1": "x is a Photoshop file",
    b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI\x50\0\x20\6": "x is a PNG of an iPhone app (CgBI), which",
    b"\0\0\1\0\1\0": "x is an icon",
    b"\xff\x0a\0\0": "x is a JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "x is a JPEG XL",
    b"II*\0\x10\0\0\0CR\2\0": "x is a camera's RAW file",
    b"\0\0\0\x18ftypcrx \0\0\0\1crx isom": "x is a camera's RAW file",
    b"\0\0\0\x18ftyphevc\0\0\0\0msf1hevc": "x is a HEIF image sequence",
    b"\0\0\0\x10ftypmif3\0\0\0\0": "x is a HEIF of the minimized kind",
    b"\0\0\0\x10ftypisom\0\0\0\0": "x is a video",
}


@pytest.mark.parametrize(("head", "sentence"), NOT_TAKEN.items())
def test_anything_else_is_no_image_we_take_and_named_where_it_is_known(
    head: bytes, sentence: str
) -> None:
    assert signatures.sniff(head) is None
    assert unsupported.why_unsupported(head, "x").startswith(sentence)


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

    def counted(file: image_header._BoundedFile, size: int = -1) -> bytes:
        chunk = read(file, size)
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
        assert size_of(tmp_path, avif(EXTENTS)) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MIB
