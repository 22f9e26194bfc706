"""Images with a palette: GIF, PNG, BMP."""

import math
from pathlib import Path

import pytest
from PIL import Image

from support import images
from support.marks import bundled_logo, distance, logo_box, mark

SIZE = (320, 240)
PHOTO = images.photo(3, SIZE)


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    return bundled_logo(tmp_path)


def marked(folder: Path, logo: Path, content: bytes) -> tuple[Image.Image, Image.Image]:
    done = mark(folder, logo, content)
    return done.before, done.after


def ideal(before: Image.Image, logo: Path) -> Image.Image:
    """The logo's box with the logo blended in full colour."""
    box = logo_box(logo, SIZE)
    with Image.open(logo) as image:
        ink = image.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS)
    blended = before.convert("RGBA").crop(box)
    blended.alpha_composite(ink)
    return blended.convert("RGB")


def in_nearest_colours(image: Image.Image, palette: list[int]) -> Image.Image:
    """Slow and right."""
    colours = list(zip(palette[::3], palette[1::3], palette[2::3], strict=True))

    def nearest(pixel: tuple[int, int, int]) -> tuple[int, int, int]:
        return min(colours, key=lambda colour: math.dist(colour, pixel))

    pixels = image.tobytes()
    each = zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True)
    return Image.frombytes("RGB", image.size, bytes(level for p in each for level in nearest(p)))


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "BMP"])
@pytest.mark.parametrize(("colours", "tolerance"), [(40, 3), (200, 3), (240, 8)])
def test_a_palette_with_room_gets_the_colours_of_the_logo(
    tmp_path: Path, logo: Path, image_format: str, colours: int, tolerance: float
) -> None:
    content = images.encode(PHOTO.quantize(colours), image_format)
    before, after = marked(tmp_path, logo, content)
    assert (after.format, after.mode) == (image_format, "P")
    drawn = after.convert("RGB").crop(logo_box(logo, SIZE))
    assert distance(drawn, ideal(before, logo)) < tolerance
    rest_before, rest_after = before.convert("RGB"), after.convert("RGB")
    for rest in (rest_before, rest_after):
        rest.paste(0, logo_box(logo, SIZE))
    assert rest_after.tobytes() == rest_before.tobytes()


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "BMP"])
def test_a_full_palette_lends_the_logo_its_nearest_colours(
    tmp_path: Path, logo: Path, image_format: str
) -> None:
    full = PHOTO.quantize(256)
    assert full.histogram().count(0) < 16
    before, after = marked(tmp_path, logo, images.encode(full, image_format))
    assert after.mode == "P"
    palette, new = before.getpalette() or [], after.getpalette() or []
    for index, pixels in enumerate(before.histogram()):
        if pixels:
            assert new[3 * index : 3 * index + 3] == palette[3 * index : 3 * index + 3]
    drawn, wanted = after.convert("RGB").crop(logo_box(logo, SIZE)), ideal(before, logo)
    assert drawn.tobytes() != before.convert("RGB").crop(logo_box(logo, SIZE)).tobytes()
    best = in_nearest_colours(wanted, palette)
    assert distance(drawn, wanted) < distance(best, wanted) + 2


@pytest.mark.parametrize("image_format", ["GIF", "PNG"])
@pytest.mark.parametrize("colours", [60, 250])
def test_what_was_transparent_stays_so_except_under_the_logo(
    tmp_path: Path, logo: Path, image_format: str, colours: int
) -> None:
    image = PHOTO.quantize(colours)
    image.paste(0, (0, 0, *SIZE))
    image.paste(PHOTO.quantize(colours), (0, 60))  # above it nothing but index 0
    content = images.encode(image, image_format, transparency=0)
    before, after = marked(tmp_path, logo, content)
    old, new = (one.convert("RGBA").getchannel("A") for one in (before, after))
    box = logo_box(logo, SIZE)
    assert new.crop(box).getextrema() == (0, 255), "the logo is there, and holes beside its letters"
    for alpha in (old, new):
        alpha.paste(0, box)
    assert new.tobytes() == old.tobytes()


def test_a_png_palette_keeps_every_degree_of_its_transparency(tmp_path: Path, logo: Path) -> None:
    content = images.encode(images.photo_with_alpha(3, SIZE).quantize(64), "PNG")
    before, after = marked(tmp_path, logo, content)
    old, new = before.convert("RGBA"), after.convert("RGBA")
    for image in (old, new):
        image.paste(0, logo_box(logo, SIZE))
    assert len(old.getchannel("A").getcolors() or []) > 10
    assert new.tobytes() == old.tobytes()
