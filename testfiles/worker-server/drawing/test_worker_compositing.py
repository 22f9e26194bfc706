"""The logo in an image's own mode and colours: it looks the same in every one of them."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from drawing import compositing
from support import images
from support.marks import distance
from support.profiles import ADOBE_RGB, DISPLAY_P3, LINEAR_GREY

SRGB, LAB = (ImageCms.ImageCmsProfile(ImageCms.createProfile(s)) for s in ("sRGB", "LAB"))
SIZE = (60, 40)
CORNER = (5, 7)
COLOURS = ((234, 67, 53), (66, 133, 244), (251, 188, 5), (52, 168, 83), (255, 255, 255))


@pytest.fixture(scope="module")
def logo() -> Image.Image:
    """Stripes of a well-known logo's colours, from opaque to faint."""
    image = Image.new("RGBA", (40, 20))
    for number, colour in enumerate(COLOURS):
        image.paste((*colour, 255), (8 * number, 0, 8 * number + 8, 12))
        image.paste((*colour, 128), (8 * number, 12, 8 * number + 8, 20))
    return image


def converted(
    image: Image.Image, source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile
) -> Image.Image:
    mode = "LAB" if target is LAB else "RGB"
    result = ImageCms.profileToProfile(image, source, target, outputMode=mode)
    assert result is not None
    return result


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    return converted(image, ImageCms.ImageCmsProfile(BytesIO(profile)), SRGB)


@pytest.mark.parametrize("profile", [DISPLAY_P3, ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_in_another_colour_space_the_logo_looks_as_in_srgb(
    logo: Image.Image, profile: bytes, mode: str
) -> None:
    image = Image.new(mode, SIZE, "white")
    compositing.composite(image, logo, CORNER, profile)
    opaque = (*CORNER, CORNER[0] + 40, CORNER[1] + 12)
    seen = in_srgb(image.convert("RGB"), profile).crop(opaque)
    assert distance(seen, logo.crop((0, 0, 40, 12)).convert("RGB")) < 1.5
    assert distance(image.convert("RGB").crop(opaque), seen) > 5, "its numbers are others"


def test_in_a_grey_of_another_gamma_it_is_as_light_as_elsewhere(logo: Image.Image) -> None:
    image = Image.new("L", SIZE, 255)
    compositing.composite(image, logo, CORNER, LINEAR_GREY)
    seen = in_srgb(image, LINEAR_GREY).convert("L")
    lightness = converted(logo.convert("RGB"), SRGB, LAB)
    for number in range(len(COLOURS)):
        at = (8 * number + 4, 5)
        grey = seen.getpixel((CORNER[0] + at[0], CORNER[1] + at[1]))
        assert isinstance(grey, int)
        as_lab = converted(Image.new("RGB", (1, 1), (grey, grey, grey)), SRGB, LAB)
        wanted = images.pixel(lightness, at)[0]
        assert images.pixel(as_lab, (0, 0))[0] == pytest.approx(wanted, abs=6)


@pytest.mark.parametrize("profile", [b"no profile", bytes(500), LINEAR_GREY, DISPLAY_P3[:200]])
def test_a_profile_that_does_not_fit_or_is_broken_is_ignored(
    logo: Image.Image, profile: bytes
) -> None:
    image, plain = Image.new("RGB", SIZE), Image.new("RGB", SIZE)
    compositing.composite(image, logo, CORNER, profile)
    compositing.composite(plain, logo, CORNER)
    assert image.tobytes() == plain.tobytes()
    assert image.getbbox() is not None


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "P", "PA"])
def test_in_every_mode_it_is_the_same_logo_and_the_rest_stays(logo: Image.Image, mode: str) -> None:
    ground = images.photo(1, SIZE)
    image = ground.quantize(64) if mode == "P" else None
    if mode == "PA":
        image = ground.quantize(64).convert("PA")
    elif mode == "LAB":
        image = converted(ground, SRGB, LAB)
    image = image or ground.convert(mode)
    before = image.copy()
    compositing.composite(image, logo, CORNER)
    assert image.mode == mode

    expected = shown(before).convert("RGBA")
    expected.alpha_composite(
        logo.convert("LA").convert("RGBA") if mode in ("L", "LA") else logo, CORNER
    )
    opaque, box = ((*CORNER, CORNER[0] + 40, CORNER[1] + height) for height in (12, 20))
    compared = opaque if mode == "LAB" else box  # it blends by lightness, not by sRGB's levels
    assert distance(shown(image).crop(compared), expected.convert("RGB").crop(compared)) < 2.5
    for each in (image, before):
        each.paste(0, box)
    assert image.tobytes() == before.tobytes()


def shown(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        return converted(image, LAB, SRGB)
    return image.convert("RGB")


@pytest.mark.parametrize(
    ("mode", "white"), [("I;16", 65535), ("I;16B", 65535), ("I", 65535), ("F", 1.0)]
)
def test_where_grey_has_more_than_8_bits_white_is_the_brightest_of_them(
    mode: str, white: float
) -> None:
    image = Image.new(mode, (4, 4))
    logo = Image.new("RGBA", (2, 2), "white")
    logo.putpixel((0, 0), (255, 255, 255, 51))
    compositing.composite(image, logo, (1, 1))
    assert image.getpixel((2, 2)) == white
    assert image.getpixel((1, 1)) == pytest.approx(white / 5, rel=1e-4)
    assert image.getpixel((0, 0)) == 0


def test_floating_point_pixels_beyond_one_set_their_own_white() -> None:
    image = Image.new("F", (4, 4), 2000.0)
    compositing.composite(image, Image.new("RGBA", (2, 2), "white"), (1, 1))
    assert image.getpixel((1, 1)) == 2000.0


def test_black_and_white_stays_that_without_dots(logo: Image.Image) -> None:
    image = Image.new("1", SIZE, 1)
    compositing.composite(image, logo, CORNER)
    assert image.mode == "1"
    ideal = Image.new("RGB", SIZE, "white")
    opaque = logo.getchannel("A").point(lambda alpha: 255 * (alpha >= 128))
    ideal.paste(logo.convert("RGB"), CORNER, opaque)
    nearest = ideal.convert("L").point(lambda level: 255 * (level >= 128))
    assert distance(image.convert("L"), nearest) < 1


def test_over_half_transparent_pixels_the_alphas_add_up() -> None:
    image = Image.new("RGBA", (2, 2), (0, 0, 255, 128))
    compositing.composite(image, Image.new("RGBA", (1, 1), (255, 0, 0, 128)), (0, 0))
    red, _, blue, alpha = images.pixel(image, (0, 0))
    assert alpha == pytest.approx(255 * (1 - 0.5 * 0.5), abs=2)
    assert (red, blue) == pytest.approx((170, 85), abs=3)


def test_less_opacity_is_less_alpha(tmp_path: Path) -> None:
    small = compositing.resized(Image.new("RGBA", (8, 8), "red"), (4, 4), 0.5)
    assert small.getchannel("A").getextrema() == (128, 128)
