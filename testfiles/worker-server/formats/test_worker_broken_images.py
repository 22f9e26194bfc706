"""Images that cannot be watermarked: a code and a sentence, and nothing else happens."""

import errno
import os
import random
import struct
import zlib
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings, strategies
from PIL import Image

import watermark
from errors import ImageRejected
from formats import registry
from formats.tiff.rare import RareTiff
from options import Options
from support import images
from support.marks import bundled_logo

SIZE = (240, 180)


def limits(pixels: int = 10**8, total: int = 5 * 10**8) -> Options:
    return Options(max_pixels=pixels, max_total_pixels=total)


def chunk(name: bytes, content: bytes) -> bytes:
    """One of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *chunks, chunk(b"IEND", b"")])


TEXT_BOMB = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))
JP2_BOX_OF_NEGATIVE_SIZE = images.encode(images.photo(1, SIZE), "JPEG2000").replace(
    struct.pack(">I", 22) + b"ihdr", struct.pack(">I", 2) + b"ihdr", 1
)
CODES = ("corrupt_image", "unreadable_image", "too_much_text")
BROKEN = {
    "a JPEG cut in half": images.jpeg(1, SIZE)[:-4000],
    "a JPEG cut in its header": images.jpeg(1, SIZE)[:50],
    "a progressive JPEG cut in half": images.jpeg(1, SIZE, progressive=True)[:-4000],
    "a PNG cut in half": images.png(1, SIZE)[:30_000],
    "a PNG without pixels": png_of(*SIZE),
    "a PNG that unpacks to 100 MB of text": png_of(*SIZE, TEXT_BOMB),
    "a GIF without a frame": b"GIF89a" + struct.pack("<HHBBB", 100, 100, 0, 0, 0) + b";",
    "a WebP cut in half": images.webp(1, SIZE)[:30_000],
    "a TIFF cut in half": images.tiff(1, SIZE)[:30_000],
    "a TIFF whose directory is beyond its end": b"II*\0\xff\xff\xff\xff" + bytes(100),
    "a TIFF whose directories form a ring": b"II*\0\x08\0\0\0" + b"\0\0\x08\0\0\0",
    "a BMP cut in half": images.bmp(1, SIZE)[:30_000],
    "a JPEG 2000 whose box ends before it begins": JP2_BOX_OF_NEGATIVE_SIZE,
    "an AVIF cut in half": images.encode(images.photo(1, SIZE), "AVIF", speed=10)[:2000],
    "garbage behind a JPEG's signature": b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(5000),
    "garbage": random.Random(2).randbytes(5000),
    "a text": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
    "nothing": b"",
}


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def refused(folder: Path, logo: Path, content: bytes, chosen: Options | None = None) -> str:
    """The code it is refused with."""
    source, target = folder / "image", folder / "watermarked_image"
    source.write_bytes(content)
    with pytest.raises(ImageRejected) as raised:
        watermark.watermark_file(source, logo, target, chosen or limits())
    assert source.read_bytes() == content
    assert not target.exists()
    assert raised.value.detail.endswith(".")
    assert len(raised.value.detail) > 20
    return raised.value.code


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_image_is_refused_for_good(tmp_path: Path, logo: Path, what: str) -> None:
    assert refused(tmp_path, logo, BROKEN[what]) in CODES


def test_what_no_decoder_knows_is_unreadable_and_what_one_gives_up_is_corrupt(
    tmp_path: Path, logo: Path
) -> None:
    assert refused(tmp_path, logo, BROKEN["a text"]) == "unreadable_image"
    assert refused(tmp_path, logo, BROKEN["a JPEG cut in half"]) == "corrupt_image"
    assert (
        refused(tmp_path, logo, BROKEN["a PNG that unpacks to 100 MB of text"]) == "too_much_text"
    )


WHOLE = [
    images.jpeg(1, (48, 32)),
    images.encode(images.photo(1, (48, 32)).quantize(32), "PNG"),
    images.gif(1, (48, 32), colours=16),
    images.webp(1, (48, 32)),
    images.tiff(1, (48, 32), "tiff_adobe_deflate"),
    images.encode(images.photo(1, (48, 32)), "JPEG2000"),
]
damages = strategies.lists(
    strategies.tuples(strategies.integers(0, 10**6), strategies.integers(0, 255)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(strategies.sampled_from(WHOLE), damages)
def test_a_damaged_image_is_watermarked_or_refused_and_never_the_disks_fault(
    tmp_path_factory: pytest.TempPathFactory,
    logo: Path,
    content: bytes,
    damage: list[tuple[int, int]],
) -> None:
    damaged = bytearray(content)
    for position, byte in damage:
        damaged[position % min(len(damaged), 400)] = byte
    folder = tmp_path_factory.getbasetemp()
    source, target = folder / "damaged", folder / "watermarked_damaged"
    source.write_bytes(damaged)
    target.unlink(missing_ok=True)
    try:
        watermark.watermark_file(source, logo, target, limits(10**6, 10**6))
    except ImageRejected:
        assert not target.exists()
    else:
        with registry.open_image(target) as image:
            if not isinstance(image, RareTiff):  # whose pixels Pillow cannot load
                image.load()


def test_a_frame_may_have_so_many_pixels_and_not_one_more(tmp_path: Path, logo: Path) -> None:
    content = images.png(1, SIZE)
    (tmp_path / "image").write_bytes(content)
    pixels = SIZE[0] * SIZE[1]
    watermark.watermark_file(tmp_path / "image", logo, tmp_path / "marked", limits(pixels, pixels))
    assert refused(tmp_path, logo, content, limits(pixels - 1)) == "too_many_pixels"


@pytest.mark.parametrize("side", [30_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, logo: Path, side: int) -> None:
    bomb = png_of(side, side, chunk(b"IDAT", zlib.compress(b"")))
    assert refused(tmp_path, logo, bomb) == "too_many_pixels"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is full")
def test_a_full_disk_is_not_the_images_fault(tmp_path: Path, logo: Path) -> None:
    (tmp_path / "image").write_bytes(images.jpeg(1, SIZE))
    with pytest.raises(OSError, match="No space left") as raised:
        watermark.watermark_file(tmp_path / "image", logo, Path("/dev/full"), limits())
    assert raised.value.errno == errno.ENOSPC


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_an_image_that_cannot_be_read_is_not_at_fault(
    tmp_path: Path, logo: Path, code: int
) -> None:
    (tmp_path / "image").write_bytes(images.jpeg(1, SIZE))
    fault = OSError(code, os.strerror(code))
    with patch.object(Image, "open", side_effect=fault), pytest.raises(OSError) as raised:  # noqa: PT011
        watermark.watermark_file(tmp_path / "image", logo, tmp_path / "marked", limits())
    assert raised.value is fault
