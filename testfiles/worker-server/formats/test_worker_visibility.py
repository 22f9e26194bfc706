"""A logo is seen on whatever it is put, or a note says that it is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from support import images
from support.marks import logo_box, mark

SIZE = (200, 150)
UNSEEN = "The logo does not show: it has the colours of what lies under it, or is too faint."
Encoded = Callable[[int], bytes]  # of a page in one grey, 0 to 255


def plain(mode: str, image_format: str, **options: Any) -> Encoded:
    def encoded(level: int) -> bytes:
        page = Image.new("L", SIZE, level)
        return images.encode(page if mode == "L" else page.convert(mode), image_format, **options)

    return encoded


def palette(bits: int, image_format: str) -> Encoded:
    """All entries are used, so that none is free for the logo's colours."""

    def encoded(level: int) -> bytes:
        page = Image.new("P", SIZE, 255 * (level > 127) and (1 << bits) - 1)
        entries = range(1 << bits)
        page.putpalette([255 * n // entries[-1] for n in entries for _ in range(3)])
        for number in entries:
            page.putpixel((number % 128, 148 + number // 128), number)
        return images.encode(page, image_format, bits=bits)

    return encoded


FEW_LEVELS: dict[str, Encoded] = {
    "PNG of 1 bit": plain("1", "PNG"),
    "PNG of 2 bits": plain("L", "PNG", bits=2),
    "PNG of 4 bits": plain("L", "PNG", bits=4),
    "PNG of 2 colours": palette(1, "PNG"),
    "PNG of 4 colours": palette(2, "PNG"),
    "BMP of 1 bit": plain("1", "BMP"),
    "BMP of 16 colours": palette(4, "BMP"),
    "TIFF, a fax": plain("1", "TIFF", compression="group4"),
    "TIFF of 1 bit": plain("1", "TIFF"),
}
MANY_LEVELS: dict[str, Encoded] = {
    "JPEG": plain("RGB", "JPEG", quality=95),
    "JPEG, grey": plain("L", "JPEG"),
    "JPEG, CMYK": plain("CMYK", "JPEG"),
    "PNG": plain("RGB", "PNG"),
    "PNG of 16 bits": lambda level: images.encode(Image.new("I;16", SIZE, 257 * level), "PNG"),
    "WebP": plain("RGB", "WEBP", lossless=True),
    "GIF": plain("L", "GIF"),
    "TIFF": plain("RGB", "TIFF"),
    "TIFF, a palette": palette(8, "TIFF"),
    "BMP": plain("RGB", "BMP"),
    "JPEG 2000": plain("RGB", "JPEG2000"),
    "HEIC": lambda level: images.encode(Image.new("RGB", SIZE, (level,) * 3), "HEIF", quality=-1),
}


def logo_of(folder: Path, colour: tuple[int, int, int], alpha: int) -> Path:
    path = folder / f"{colour}-{alpha}.png"
    Image.new("RGBA", (40, 30), (*colour, alpha)).save(path)
    return path


def share_changed(
    folder: Path, logo: Path, content: bytes, **settings: Any
) -> tuple[float, list[str]]:
    """How much of the logo's box has changed, and the notes."""
    done = mark(folder, logo, content, **settings)
    box = logo_box(logo, SIZE)
    before, after = (each.convert("RGB").crop(box) for each in (done.before, done.after))
    difference = ImageChops.difference(before, after).convert("L").point(lambda v: 255 * (v > 0))
    return difference.histogram()[255] / (difference.width * difference.height), done.notes


@pytest.mark.parametrize("kind", FEW_LEVELS)
@pytest.mark.parametrize("paper", [0, 255])
@pytest.mark.parametrize(
    ("colour", "alpha", "least"),
    [
        ((110, 110, 110), 255, 0.3),  # opaque
        ((110, 110, 110), 128, 0.3),  # half: as if it were opaque
        ((128, 128, 128), 90, 0.05),  # fainter: in dots
    ],
)
def test_on_few_levels_the_logo_is_seen(
    tmp_path: Path, kind: str, paper: int, colour: tuple[int, int, int], alpha: int, least: float
) -> None:
    if alpha == 255 and paper == 0:
        colour = (160, 160, 160)
    logo = logo_of(tmp_path, colour, alpha)
    share, notes = share_changed(tmp_path, logo, FEW_LEVELS[kind](paper))
    assert share >= least
    assert notes == []


@pytest.mark.parametrize("kind", ["PNG of 1 bit", "TIFF, a fax", "PNG of 2 colours"])
def test_a_light_logo_on_white_paper_is_seen_in_dots(tmp_path: Path, kind: str) -> None:
    logo = logo_of(tmp_path, (251, 188, 5), 255)  # yellow, whose nearest is white
    share, notes = share_changed(tmp_path, logo, FEW_LEVELS[kind](255))
    assert 0.1 < share < 0.5
    assert notes == []


@pytest.mark.parametrize("kind", FEW_LEVELS | MANY_LEVELS)
def test_a_logo_in_the_papers_own_colour_has_a_note(tmp_path: Path, kind: str) -> None:
    logo = logo_of(tmp_path, (255, 255, 255), 255)
    share, notes = share_changed(tmp_path, logo, (FEW_LEVELS | MANY_LEVELS)[kind](255))
    assert share == 0
    assert UNSEEN in notes


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_whose_frames_do_not_show_the_logo_has_a_note(
    tmp_path: Path, kind: str
) -> None:
    frames = [Image.new("RGB", SIZE, "white") for _ in range(2)]
    frames[1].paste((0, 0, 0), (0, 149, 1, 150))
    content = images.encode(frames[0], kind, save_all=True, append_images=[frames[1]])
    logo = logo_of(tmp_path, (255, 255, 255), 255)
    assert mark(tmp_path, logo, content).notes == [UNSEEN]
    seen = logo_of(tmp_path, (200, 0, 0), 255)
    assert mark(tmp_path, seen, content).notes == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP", "TIFF"])
def test_a_logo_too_faint_to_change_a_pixel_has_a_note(tmp_path: Path, kind: str) -> None:
    logo = logo_of(tmp_path, (0, 0, 0), 255)
    encoded: Encoded = MANY_LEVELS[kind]
    content = encoded(200)
    faint, seen = (share_changed(tmp_path, logo, content, opacity=o)[1] for o in (0.001, 0.3))
    assert (UNSEEN in faint, UNSEEN in seen) == (True, False)


def test_a_logo_that_a_jpegs_tables_round_off_has_a_note(tmp_path: Path) -> None:
    logo = logo_of(tmp_path, (0, 0, 0), 255)
    content = images.encode(Image.new("RGB", SIZE, (200, 200, 200)), "JPEG", quality=20)
    seen = [
        share_changed(tmp_path, logo, content, opacity=opacity)
        for opacity in (0.004, 0.01, 0.02, 0.05, 0.2)
    ]
    assert [(share == 0) for share, _ in seen] == [UNSEEN in notes for _, notes in seen]
    assert seen[0][0] == 0 < seen[-1][0]


@pytest.mark.parametrize("kind", ["GIF", "PNG"])
def test_a_colour_that_only_a_transparent_entry_has_is_not_there(tmp_path: Path, kind: str) -> None:
    page = images.photo(1, SIZE).quantize(200)
    colours = page.getpalette() or []
    page.putpalette([*colours[:600], 255, 255, 255])
    content = images.encode(page, kind, transparency=200)
    logo = logo_of(tmp_path, (255, 255, 255), 255)
    after = mark(tmp_path, logo, content).after.convert("RGBA").crop(logo_box(logo, SIZE))
    assert after.getcolors() == [(after.width * after.height, (255, 255, 255, 255))]


def test_a_faint_logo_over_what_is_transparent_everywhere_has_a_note(tmp_path: Path) -> None:
    content = images.encode(Image.new("P", SIZE, 1), "GIF", transparency=1)
    assert mark(tmp_path, logo_of(tmp_path, (0, 0, 0), 20), content).notes == [UNSEEN]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_another_entry_of_the_same_colour_is_no_change(tmp_path: Path, kind: str) -> None:
    page = Image.new("P", SIZE, 3)
    page.putpalette([255, 255, 255, 0, 0, 0, 255, 0, 0, 255, 255, 255])
    logo = logo_of(tmp_path, (255, 255, 255), 255)
    assert mark(tmp_path, logo, images.encode(page, kind)).notes == [UNSEEN]
