"""A logo becomes an upright RGBA PNG in sRGB. What cannot be one is refused with a reason."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from drawing.logo_file import normalise_logo
from support import images
from support.profiles import ADOBE_RGB


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    own = ImageCms.ImageCmsProfile(BytesIO(profile))
    result = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"))
    assert result is not None
    return result


def test_a_logo_with_a_profile_of_its_own_is_brought_to_srgb(tmp_path: Path) -> None:
    source, target = tmp_path / "logo", tmp_path / "logo.png"
    green = Image.new("RGBA", (4, 4), (0, 200, 0, 90))
    source.write_bytes(images.encode(green, "PNG", icc_profile=ADOBE_RGB))
    normalise_logo(source, target)
    with Image.open(target) as normalised:
        expected = images.pixel(in_srgb(Image.new("RGB", (1, 1), (0, 200, 0)), ADOBE_RGB), (0, 0))
        assert normalised.getpixel((0, 0)) == (*expected, 90)


def normalised(folder: Path, content: bytes) -> Image.Image:
    source, target = folder / "logo", folder / "logo.png"
    source.write_bytes(content)
    normalise_logo(source, target)
    with Image.open(target) as image:
        return image.copy()


def test_a_logo_of_16_bits_keeps_its_shades(tmp_path: Path) -> None:
    ramp = Image.linear_gradient("L").convert("I").point(lambda level: level * 257)
    logo = normalised(tmp_path, images.encode(ramp.convert("I;16"), "PNG"))
    assert logo.convert("L").tobytes() == Image.linear_gradient("L").tobytes()


def test_a_turned_logo_is_upright(tmp_path: Path) -> None:
    logo = normalised(tmp_path, images.jpeg(1, (40, 20), orientation=6))
    assert logo.size == (20, 40)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG logos are not taken: export it"),
        (b"BM no", "not an image of the kinds that are taken: PNG, JPEG, WebP or GIF"),
        (images.png(1, (80, 80))[:3000], "not an image: it is damaged"),
        (images.encode(Image.new("RGBA", (9, 9)), "PNG"), "transparent everywhere"),
    ],
)
def test_what_is_no_logo_is_told_without_riddles(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said) as told:
        normalised(tmp_path, content)
    assert str(tmp_path) not in str(told.value)
