"""TIFF: the logo on every page; every other sample, tag and byte that counts stays as it was."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin

import errors
from options import Metadata
from support import images
from support.marks import bundled_logo, distance, logo_box, mark, without

SIZE = (240, 180)
PHOTO = images.photo(1, SIZE)
WITH_ALPHA = images.photo_with_alpha(1, SIZE)
DEEP = PHOTO.convert("I").point(lambda level: level * 257).convert("I;16")
MODES = {
    "1": PHOTO.convert("1"),
    "L": PHOTO.convert("L"),
    "LA": WITH_ALPHA.convert("LA"),
    "P": PHOTO.quantize(100),
    "RGB": PHOTO,
    "RGBA": WITH_ALPHA,
    "CMYK": PHOTO.convert("CMYK"),
    "LAB": Image.merge("LAB", PHOTO.split()),
    "I;16": DEEP,
    "I": PHOTO.convert("I"),
    "F": PHOTO.convert("L").convert("F").point(lambda level: level / 255 + 0),
}
BYTEWISE = ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "lzma", "zstd"]
TILE_OFFSETS, PREDICTOR, ROWS = 324, 317, 278


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def tiff(image: Image.Image, compression: str = "raw", **more: Any) -> bytes:
    return images.encode(image, "TIFF", compression=compression, **more)


def comparable(image: Image.Image) -> Image.Image:
    return image.convert("F") if image.mode.startswith("I") else image


def assert_changed_in_the_box_only(
    before: Image.Image, after: Image.Image, box: tuple[int, int, int, int]
) -> None:
    assert (after.mode, after.size) == (before.mode, before.size)
    assert after.info.get("compression") == before.info.get("compression")
    one, other = comparable(before), comparable(after)
    assert without(box, other).tobytes() == without(box, one).tobytes()
    assert other.crop(box).tobytes() != one.crop(box).tobytes()


@pytest.mark.parametrize("compression", BYTEWISE)
@pytest.mark.parametrize("mode", MODES)
def test_only_the_box_changes_in_every_mode_and_compression(
    tmp_path: Path, logo: Path, mode: str, compression: str
) -> None:
    result = mark(tmp_path, logo, tiff(MODES[mode], compression, tiffinfo={ROWS: 16}))
    assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, SIZE))
    assert result.notes == []


@pytest.mark.parametrize("compression", ["tiff_ccitt", "group3", "group4"])
@pytest.mark.parametrize("white_is_zero", [True, False])
def test_fax_stays_fax(tmp_path: Path, logo: Path, compression: str, white_is_zero: bool) -> None:
    content = tiff(MODES["1"], compression, tiffinfo={262: 1 - white_is_zero})
    result = mark(tmp_path, logo, content)
    assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, SIZE))


@pytest.mark.parametrize("rows", [1, 16, 180])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "I;16"])
def test_a_predictor_is_applied_again(tmp_path: Path, logo: Path, mode: str, rows: int) -> None:
    content = tiff(MODES[mode], "tiff_lzw", tiffinfo={PREDICTOR: 2, ROWS: rows})
    result = mark(tmp_path, logo, content)
    assert result.after.tag_v2[PREDICTOR] == 2  # type: ignore[attr-defined]
    assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, SIZE))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("rows", [16, 180])
def test_jpeg_is_coded_anew_only_in_the_strips_the_logo_touches(
    tmp_path: Path, logo: Path, mode: str, rows: int
) -> None:
    content = tiff(MODES[mode], "jpeg", quality=90, tiffinfo={ROWS: rows})
    result = mark(tmp_path, logo, content)
    left, _, right, bottom = logo_box(logo, SIZE)
    below = (0, -(-bottom // rows) * rows, *SIZE)
    assert result.after.crop(below).tobytes() == result.before.crop(below).tobytes()
    around = (left // 16 * 16, 0, SIZE[0], -(-bottom // 16) * 16)
    assert distance(without(around, result.after), without(around, result.before)) < 0.25
    assert (
        distance(
            result.after.crop((left, 10, right, bottom)),
            result.before.crop((left, 10, right, bottom)),
        )
        > 5
    )
    assert abs(len(result.content) / len(content) - 1) < 0.12 or rows == 16


def test_shared_huffman_tables_of_any_kind_serve_the_strips_below(
    tmp_path: Path, logo: Path
) -> None:
    content = bytearray(tiff(PHOTO, "jpeg", quality=90, tiffinfo={ROWS: 16}))
    first = content.index(b"\xff\xc4\0\xb5\x10") + 5 + 16  # symbol of the brightness' AC codes
    content[first : first + 2] = content[first + 1], content[first]
    result = mark(tmp_path, logo, bytes(content))
    below = (0, -(-logo_box(logo, SIZE)[3] // 16) * 16, *SIZE)
    assert distance(result.before, PHOTO) > 20
    assert result.after.crop(below).tobytes() == result.before.crop(below).tobytes()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("cut", [1, 4])
def test_a_file_may_end_before_the_offset_of_the_next_directory(
    tmp_path: Path, logo: Path, cut: int
) -> None:
    content = tiff(MODES["1"], "group4")
    assert content.endswith(bytes(4))
    result = mark(tmp_path, logo, content[:-cut])
    assert result.after.n_frames == 1  # type: ignore[attr-defined]
    assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, SIZE))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_stored_orientation_stays_and_the_logo_is_upright(
    tmp_path: Path, logo: Path, orientation: int
) -> None:
    content = tiff(PHOTO, "tiff_lzw", tiffinfo={274: orientation})
    result = mark(tmp_path, logo, content)
    assert result.after.tag_v2[274] == orientation  # type: ignore[attr-defined]
    result.before.load()  # both upright now
    result.after.load()
    assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, result.after.size))


def test_every_page_is_marked_with_its_own_size_mode_and_compression(
    tmp_path: Path, logo: Path
) -> None:
    pages = [PHOTO.resize((300, 200)), MODES["1"], MODES["P"], MODES["CMYK"], DEEP]
    file = BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file) as writer:
        for page, compression in zip(pages, [*BYTEWISE[1:5], "raw"], strict=True):
            page.save(writer, "TIFF", compression=compression)
            writer.newFrame()
    result = mark(tmp_path, logo, file.getvalue())
    assert result.after.n_frames == len(pages)  # type: ignore[attr-defined]
    for number, page in enumerate(pages):
        result.before.seek(number)
        result.after.seek(number)
        assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, page.size))


@pytest.mark.parametrize("big", [True, False])
def test_every_tag_stays_byte_for_byte(tmp_path: Path, logo: Path, big: bool) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[305], tags[315], tags[306] = "text", "writer", "artist", "2026:01:15 14:30:45"
    tags[700], tags[33723], tags[34377] = (
        b"<x:xmpmeta/>",
        b"\x1c\x02\x05\0\1t",
        b"8BIM\4\4\0\0\0\0\0\0",
    )
    tags[34675], tags[65000] = b"no real profile", b"private"
    tags[282], tags[283], tags[296] = 300, 150, 2
    content = tiff(PHOTO, tiffinfo=tags, big_tiff=big)
    result = mark(tmp_path, logo, content)
    assert result.content[:4] == content[:4]
    before = dict(result.before.tag_v2)  # type: ignore[attr-defined]
    assert dict(result.after.tag_v2) == before  # type: ignore[attr-defined]
    assert before[65000] == b"private"


def with_exif() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270], tags[271], tags[34675] = "a text", "a camera", b"no real profile"
    tags[282], tags[283], tags[296] = 300, 300, 2
    tags[0x8769] = {0x927C: b"a maker note"}
    tags[0x8825] = {2: (52.0, 31.0, 12.5)}
    return tiff(PHOTO, tiffinfo=tags)


def test_exif_and_gps_stay(tmp_path: Path, logo: Path) -> None:
    exif = mark(tmp_path, logo, with_exif()).after.getexif()
    assert exif.get_ifd(0x8769)[0x927C] == b"a maker note"
    assert exif.get_ifd(0x8825)[2] == (52.0, 31.0, 12.5)


def test_nogps_takes_the_place_and_leaves_the_rest(tmp_path: Path, logo: Path) -> None:
    result = mark(tmp_path, logo, with_exif(), metadata=Metadata.NOGPS)
    exif = result.after.getexif()
    assert 0x8825 not in exif
    assert struct.pack("<6I", 52, 1, 31, 1, 25, 2) in with_exif()
    assert struct.pack("<6I", 52, 1, 31, 1, 25, 2) not in result.content
    assert exif[271] == "a camera"
    assert exif.get_ifd(0x8769)[0x927C] == b"a maker note"


def test_strip_leaves_what_shows_the_picture(tmp_path: Path, logo: Path) -> None:
    result = mark(tmp_path, logo, with_exif(), metadata=Metadata.STRIP)
    for gone in (b"a camera", b"a text", b"a maker note"):
        assert gone in with_exif()
        assert gone not in result.content
    assert result.after.info["icc_profile"] == b"no real profile"
    assert "dpi" not in result.after.info or result.after.info["dpi"] == (1, 1)
    assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, SIZE))


def test_nothing_of_the_unmarked_pixels_is_left_in_the_file(tmp_path: Path, logo: Path) -> None:
    content = tiff(PHOTO, "tiff_adobe_deflate", tiffinfo={ROWS: 16})
    with Image.open(BytesIO(content)) as image:
        start, size = image.tag_v2[273][1], image.tag_v2[279][1]  # type: ignore[attr-defined]
    result = mark(tmp_path, logo, content)
    assert content[start : start + size] not in result.content
    assert len(result.content) < 1.1 * len(content)


def test_a_loop_of_pages_ends_where_it_closes(tmp_path: Path, logo: Path) -> None:
    content = bytearray(tiff(PHOTO))
    first = struct.unpack_from("<I", content, 4)[0]
    entries = struct.unpack_from("<H", content, first)[0]
    struct.pack_into("<I", content, first + 2 + 12 * entries, first)
    result = mark(tmp_path, logo, bytes(content))
    assert_changed_in_the_box_only(result.before, result.after, logo_box(logo, SIZE))


def test_more_pages_than_anybody_scans_are_refused(tmp_path: Path, logo: Path) -> None:
    entries = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: 1, 279: 1}
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    step = len(directory) + 4
    pages = (directory + struct.pack("<I", 8 + step * number) for number in range(1, 20_001))
    content = b"II*\0\x08\0\0\0" + b"".join(pages)
    with pytest.raises(errors.ImageRejected):
        mark(tmp_path, logo, content)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_a_truncated_file_is_refused(
    tmp_path: Path, logo: Path, compression: str, part: float
) -> None:
    content = tiff(PHOTO, compression, tiffinfo={ROWS: 16})
    with pytest.raises(errors.ImageRejected):
        mark(tmp_path, logo, content[: int(part * len(content))])


@pytest.mark.parametrize("tag", [273, 279, 258, 320])
def test_a_tag_that_claims_billions_of_values_is_refused(
    tmp_path: Path, logo: Path, tag: int
) -> None:
    content = bytearray(tiff(MODES["P"]))
    first = struct.unpack_from("<I", content, 4)[0]
    for number in range(struct.unpack_from("<H", content, first)[0]):
        at = first + 2 + 12 * number
        if struct.unpack_from("<H", content, at)[0] == tag:
            struct.pack_into("<I", content, at + 4, 2**32 - 1)
    with pytest.raises(errors.ImageRejected):
        mark(tmp_path, logo, bytes(content))


def test_old_style_jpeg_is_refused_with_what_to_do(tmp_path: Path, logo: Path) -> None:
    content = bytearray(tiff(PHOTO, "jpeg"))
    entry = content.index(struct.pack("<HHI", 259, 3, 1))
    struct.pack_into("<H", content, entry + 8, 6)
    with pytest.raises(errors.ImageRejected, match=r"old-style JPEG, .* Save it as JPEG") as raised:
        mark(tmp_path, logo, bytes(content))
    assert raised.value.code == "not_encodable"
