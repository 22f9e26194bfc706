"""BMP: the file itself with a few rows written over."""

import struct
from pathlib import Path

import pytest
from PIL import Image

from support import images, profiles
from support.marks import bundled_logo, distance, logo_box, mark, without

SIZE = (121, 80)  # rows padded to whole words
PHOTO = images.photo(1, SIZE)
WAYS = {
    "24 bits": images.encode(PHOTO, "BMP"),
    "8 bits": images.encode(PHOTO.quantize(100), "BMP"),
    "4 bits": images.encode(PHOTO.quantize(16), "BMP", bits=4),
    "grey": images.encode(PHOTO.convert("L"), "BMP"),
    "black and white": images.encode(PHOTO.convert("1"), "BMP"),
}


def bitmap(
    pixels: bytes,
    bits: int,
    *,
    height: int = SIZE[1],
    masks: tuple[int, ...] = (),
    icc: bytes = b"",
) -> bytes:
    """A BITMAPV5HEADER, the pixels, and a profile behind them."""
    start = 14 + 124
    header = struct.pack(
        "<IiiHHI5I", 124, SIZE[0], height, 1, bits, 3 if masks else 0, 0, 0, 0, 0, 0
    )
    header += struct.pack("<4I", *(masks or (0,) * 4))
    header += struct.pack("<I", 0x4D424544 if icc else 0x73524742)
    header = (
        header.ljust(112, b"\0") + struct.pack("<II", start - 14 + len(pixels), len(icc)) + bytes(4)
    )
    size = start + len(pixels) + len(icc)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, start) + header + pixels + icc


def rows(image: Image.Image, order: str) -> bytes:
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", order)


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


@pytest.mark.parametrize("way", WAYS)
def test_nothing_changes_but_the_rows_of_the_logo(tmp_path: Path, logo: Path, way: str) -> None:
    content = WAYS[way]
    done = mark(tmp_path, logo, content)
    assert (done.after.mode, done.notes) == (done.before.mode, [])
    box = logo_box(logo, SIZE)
    assert without(box, done.after).tobytes() == without(box, done.before).tobytes()
    assert distance(done.before.convert("L").crop(box), done.after.convert("L").crop(box)) > 5
    start, new_start = (struct.unpack_from("<I", file, 10)[0] for file in (content, done.content))
    assert len(done.content) - new_start == len(content) - start
    if done.before.mode != "P":
        assert done.content[:new_start] == content[:start]
    below = (SIZE[1] - box[3]) * ((len(content) - start) // SIZE[1])
    assert done.content[new_start : new_start + below] == content[start : start + below]


@pytest.mark.parametrize(
    ("order", "masks"),
    [
        ("BGRA", (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        ("ABGR", (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
        ("RGBA", (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    ],
)
def test_an_alpha_channel_is_one_afterwards(
    tmp_path: Path, logo: Path, order: str, masks: tuple[int, ...]
) -> None:
    picture = images.photo_with_alpha(1, SIZE)
    done = mark(tmp_path, logo, bitmap(rows(picture, order), 32, masks=masks))
    assert done.before.convert("RGBA").tobytes() == picture.tobytes()
    assert (done.after.mode, done.notes) == ("RGBA", [])
    box = logo_box(logo, SIZE)
    assert without(box, done.after).tobytes() == without(box, done.before).tobytes()


def test_the_fourth_byte_of_pixels_without_alpha_is_left_alone(tmp_path: Path, logo: Path) -> None:
    picture = PHOTO.convert("RGBA")
    picture.putalpha(77)
    content = bitmap(rows(picture, "BGRA"), 32)
    done = mark(tmp_path, logo, content)
    assert done.after.mode == "RGB"
    assert done.content != content
    assert set(done.content[14 + 124 + 3 :: 4]) == {77}


def test_one_stored_from_the_top_down_stays_so(tmp_path: Path, logo: Path) -> None:
    picture = PHOTO.convert("RGBA")
    content = bitmap(picture.tobytes("raw", "BGRA"), 32, height=-SIZE[1])
    done = mark(tmp_path, logo, content)
    assert done.content[:138] == content[:138]
    box = logo_box(logo, SIZE)
    assert without(box, done.after).tobytes() == without(box, done.before).tobytes()


def test_the_logo_is_in_the_colours_of_its_profile(tmp_path: Path, logo: Path) -> None:
    white = Image.new("RGBA", (64, 64), (0, 90, 200, 255))
    path = tmp_path / "blue.png"
    white.save(path)
    plain = rows(Image.new("RGBA", SIZE), "BGRA")
    with_profile = mark(tmp_path, path, bitmap(plain, 32, icc=profiles.ADOBE_RGB))
    without_it = mark(tmp_path, path, bitmap(plain, 32))
    middle = (SIZE[0] - 18, 18)
    assert without_it.after.getpixel(middle) == (0, 90, 200)
    assert with_profile.after.getpixel(middle) != (0, 90, 200)
    assert with_profile.content.endswith(profiles.ADOBE_RGB)


def os2_bitmap(colours: int, bits: int) -> bytes:
    """A BITMAPCOREHEADER with a palette of fewer entries than its bits can number."""
    palette = b"".join(bytes([7 * i % 256, 120, 255 - i]) for i in range(colours))
    picture = Image.new("P", SIZE)
    picture.putdata([(x * y) % colours for y in range(SIZE[1]) for x in range(SIZE[0])])
    packed = picture.tobytes("raw", "P" if bits == 8 else f"P;{bits}")
    stride = -(-SIZE[0] * bits // 8)
    padding = bytes(-stride % 4)
    starts = range((SIZE[1] - 1) * stride, -1, -stride)
    pixels = b"".join(packed[at : at + stride] + padding for at in starts)
    start = 14 + 12 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    return header + struct.pack("<IHHHH", 12, *SIZE, 1, bits) + palette + pixels


@pytest.mark.parametrize(("colours", "bits"), [(10, 8), (1, 8), (255, 8), (256, 8), (5, 4), (2, 1)])
def test_a_palette_of_os2_may_be_short(tmp_path: Path, logo: Path, colours: int, bits: int) -> None:
    content = os2_bitmap(min(colours, 1 << bits), bits)
    done = mark(tmp_path, logo, content)
    box = logo_box(logo, SIZE)
    before, after = done.before.convert("RGB"), done.after.convert("RGB")
    assert without(box, after).tobytes() == without(box, before).tobytes()
    assert after.crop(box).tobytes() != before.crop(box).tobytes()
    (size, offset), (width, height) = struct.unpack_from("<I4xI", done.content, 2), SIZE
    assert size == len(done.content)
    assert len(done.content) - offset == height * (-(-width * bits // 8) + 3 & ~3)


def test_what_cannot_be_packed_again_says_so(tmp_path: Path, logo: Path) -> None:
    five_bits = bytes(2 * 122 * SIZE[1])
    done = mark(tmp_path, logo, bitmap(five_bits, 16))
    assert done.after.mode == "RGB"
    assert done.notes == [
        "Its run-length coding or 16-bit pixels cannot be written: it is a plain BMP now."
    ]


def test_pixels_that_begin_in_the_header_are_written_elsewhere(tmp_path: Path, logo: Path) -> None:
    content = bytearray(WAYS["24 bits"])
    struct.pack_into("<I", content, 10, 48)
    done = mark(tmp_path, logo, bytes(content))
    assert done.notes == ["Its pixels lay over its header: it is a plain BMP now."]
    box = logo_box(logo, SIZE)
    assert without(box, done.after).tobytes() == without(box, done.before).tobytes()
