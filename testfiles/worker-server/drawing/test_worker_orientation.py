"""The logo is top right as a person sees the picture, however it is stored."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageOps

from drawing import placement
from options import Options
from support import images
from support.marks import mark

SEEN = (320, 200)
LOGO_SIZE = (60, 30)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    """Red left, green right, blue below: its own way up can be told."""
    image = Image.new("RGBA", LOGO_SIZE, (220, 0, 0, 255))
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 0, 59, 29), fill=(0, 200, 0))
    draw.rectangle((0, 15, 59, 29), fill=(0, 0, 220))
    path = tmp_path / "logo.png"
    image.save(path)
    return path


def stored(orientation: int, image_format: str) -> bytes:
    """A plain picture that is SEEN large once it is turned upright."""
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = orientation
    exif[0x010F] = "a camera"
    image = Image.new("RGB", placement.upright_size(SEEN, orientation), (230, 230, 230))
    return images.encode(image, image_format, exif=exif, icc_profile=ICC)


def marked(folder: Path, logo: Path, content: bytes) -> Image.Image:
    return mark(folder, logo, content).after


def assert_logo_top_right_the_right_way_up(upright: Image.Image) -> None:
    assert upright.size == SEEN
    size = placement.fit(LOGO_SIZE, SEEN, Options())
    assert size is not None
    width, height = size
    left, top = SEEN[0] - 10 - width, 10
    plain = Image.new("RGB", SEEN, (230, 230, 230))
    difference = ImageChops.difference(upright.convert("RGB"), plain).convert("L")
    drawn = difference.point(lambda level: 255 if level > 64 else 0).getbbox()
    assert drawn == pytest.approx((left, top, left + width, top + height), abs=2)
    quarter, half = width // 4, height // 2
    for colour, at in (
        ("red", (left + quarter, top + half // 2)),
        ("green", (left + 3 * quarter, top + half // 2)),
        ("blue", (left + quarter, top + half + half // 2)),
    ):
        levels = images.pixel(upright.convert("RGB"), at)
        assert max(levels) == levels[("red", "green", "blue").index(colour)], colour


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_the_logo_is_top_right_as_seen(
    tmp_path: Path, logo: Path, image_format: str, orientation: int
) -> None:
    before = stored(orientation, image_format)
    after = marked(tmp_path, logo, before)
    assert after.size == Image.open(BytesIO(before)).size
    assert after.getexif()[images.ORIENTATION_TAG] == orientation
    assert after.getexif()[0x010F] == "a camera"
    assert after.info["icc_profile"] == ICC
    assert_logo_top_right_the_right_way_up(ImageOps.exif_transpose(after))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_or_an_avif_that_its_decoder_turns_is_not_turned_twice(
    tmp_path: Path, logo: Path, orientation: int
) -> None:
    for image_format in ("TIFF", "AVIF"):
        after = marked(tmp_path, logo, stored(orientation, image_format))
        after.load()
        assert_logo_top_right_the_right_way_up(ImageOps.exif_transpose(after))


def test_an_orientation_that_does_not_exist_counts_as_upright(tmp_path: Path, logo: Path) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = 77
    plain = Image.new("RGB", SEEN, (230, 230, 230))
    after = marked(tmp_path, logo, images.encode(plain, "JPEG", exif=exif))
    assert_logo_top_right_the_right_way_up(after)
