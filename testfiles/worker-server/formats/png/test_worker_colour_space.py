"""Which of its chunks tells a PNG's colours, and the logo in them, in every kind of PNG."""

from array import array
from pathlib import Path
from struct import pack

import pytest
import pyvips
from PIL import Image

import formats.codecs.libvips  # noqa: F401 - it takes all but two decoders from libvips
from drawing.logo_file import normalise_logo
from formats.png import chunks as png_chunks
from support import images
from support.marks import logo_box, mark
from support.profiles import rgb_profile

SIZE = (200, 150)
BLACK = Image.new("RGB", SIZE)
PQ, SRGB = bytes([9, 16, 0, 1]), bytes([1, 13, 0, 1])  # cICP: primaries, transfer, matrix, range
WHITE_ON_PQ = 0.58069  # 203 cd/m2 (Report ITU-R BT.2408, table 1)
PRIMARIES = (
    (0.4361, 0.2225, 0.0139),
    (0.3851, 0.7169, 0.0971),
    (0.1431, 0.0606, 0.7141),
)
LINEAR = rgb_profile(1.0, *PRIMARIES)  # of sRGB
SRGB_XY = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_XY = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
GREY = 188  # half of white's light


def cicp(numbers: bytes) -> tuple[bytes, bytes]:
    return b"cICP", numbers


def gamma(units: int) -> tuple[bytes, bytes]:
    return b"gAMA", pack(">I", units)


def chromaticities(units: tuple[int, ...]) -> tuple[bytes, bytes]:
    return b"cHRM", pack(">8I", *units)


def logo_of(folder: Path, colour: str | tuple[int, int, int]) -> Path:
    Image.new("RGB", (60, 40), colour).save(folder / "colour.png")
    normalise_logo(folder / "colour.png", folder / "logo.png")
    return folder / "logo.png"


def with_chunks(content: bytes, *added: tuple[bytes, bytes]) -> bytes:
    """Behind IHDR."""
    first, *rest = png_chunks.read(content)
    return png_chunks.assemble([first, *(png_chunks.chunk(*one) for one in added), *rest])


def png(picture: Image.Image, *added: tuple[bytes, bytes], **options: object) -> bytes:
    return with_chunks(images.encode(picture, "PNG", **options), *added)


def drawn(folder: Path, content: bytes, colour: str | tuple[int, int, int]) -> tuple[int, ...]:
    """What the logo of one colour became."""
    logo = logo_of(folder, colour)
    after = mark(folder, logo, content).after
    left, top, right, bottom = logo_box(logo, SIZE)
    level = after.convert("RGB" if after.mode == "P" else after.mode).getpixel(
        ((left + right) // 2, (top + bottom) // 2)
    )
    return level if isinstance(level, tuple) else (round(level or 0),)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_the_logo_has_the_colours_that_cicp_signals(tmp_path: Path, mode: str) -> None:
    content = png(BLACK.convert(mode), cicp(PQ))
    white = 65535 if mode == "I;16" else 255
    level, *_ = drawn(tmp_path, content, "white")
    assert level / white == pytest.approx(WHITE_ON_PQ, abs=1 / white)


def test_sixteen_bits_are_as_exact_as_that(tmp_path: Path) -> None:
    deep = pyvips.Image.black(*SIZE, bands=3).cast("ushort").copy(interpretation="rgb16")
    source = with_chunks(bytes(deep.pngsave_buffer(bitdepth=16)), cicp(PQ))
    logo = logo_of(tmp_path, "white")
    after = pyvips.Image.pngload_buffer(mark(tmp_path, logo, source).content)
    left, top, *_ = logo_box(logo, SIZE)
    samples = array("H", bytes(after.crop(left + 5, top + 5, 1, 1).write_to_memory()))
    assert list(samples) == pytest.approx([WHITE_ON_PQ * 65535] * 3, abs=1)


def test_each_frame_of_an_animation_has_them(tmp_path: Path) -> None:
    frames = [Image.new("RGB", SIZE, (shade, 0, 0)) for shade in (0, 90)]
    content = png(frames[0], cicp(PQ), save_all=True, append_images=frames[1:], duration=100)
    logo = logo_of(tmp_path, "white")
    after = mark(tmp_path, logo, content).after
    left, top, *_ = logo_box(logo, SIZE)
    for number in range(2):
        after.seek(number)
        assert images.pixel(after.convert("RGB"), (left + 5, top + 5)) == (148, 148, 148)


@pytest.mark.parametrize(
    ("added", "options", "level"),
    [
        ([], {}, GREY),
        ([gamma(100_000)], {}, 128),  # linear
        ([gamma(55_556)], {}, 174),  # of 1.8, as old Macintoshes had it
        ([gamma(100_000), (b"sRGB", b"\0")], {}, GREY),
        ([gamma(45_455)], {"icc_profile": LINEAR}, 128),
        ([cicp(SRGB), gamma(100_000)], {"icc_profile": LINEAR}, GREY),
        ([cicp(bytes([1, 8, 0, 1]))], {}, 128),
        ([cicp(bytes([1, 13, 0, 0]))], {}, 177),  # of video's range, 16 to 235
        ([cicp(b"short")], {}, GREY),
        ([gamma(0)], {}, GREY),
        ([(b"gAMA", b"short")], {}, GREY),
        ([chromaticities((0,) * 8)], {}, GREY),
    ],
)
def test_cicp_wins_over_a_profile_over_srgb_over_gamma(
    tmp_path: Path, added: list[tuple[bytes, bytes]], options: dict[str, object], level: int
) -> None:
    shown = drawn(tmp_path, png(BLACK, *added, **options), (GREY, GREY, GREY))
    assert shown == pytest.approx((level,) * 3, abs=1)


def test_chromaticities_say_how_red_red_is(tmp_path: Path) -> None:
    """sRGB's red on Display P3 is 234, 51, 35 (CSS Color 4, section 10.4)."""
    content = png(BLACK, gamma(45_455), chromaticities(P3_XY))
    assert drawn(tmp_path, content, "red") == (234, 51, 35)


@pytest.mark.parametrize(
    "added",
    [
        [gamma(45_455)],
        [gamma(45_455), chromaticities(SRGB_XY)],
        [gamma(45_000), chromaticities(SRGB_XY)],
        [chromaticities(SRGB_XY)],
        [cicp(SRGB)],
    ],
)
def test_what_is_as_good_as_srgb_changes_no_pixel(
    tmp_path: Path, added: list[tuple[bytes, bytes]]
) -> None:
    picture = images.photo(1, SIZE)
    logo = logo_of(tmp_path, (201, 99, 7))
    plain, said = (mark(tmp_path, logo, png(picture, *with_)) for with_ in ([], added))
    assert said.after.tobytes() == plain.after.tobytes()
    assert all(png_chunks.chunk(*one).raw in said.content for one in added)
