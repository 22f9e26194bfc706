"""The generated images, and the smoke client's eye for a watermark that is not where it belongs."""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

import test as smoke
from support import images

LOSSLESS: dict[str, Callable[..., bytes]] = {
    "PNG": images.png,
    "WEBP": images.webp,
    "GIF": images.gif,
}
FORMATS: dict[str, Callable[..., bytes]] = {
    **LOSSLESS,
    "JPEG": images.jpeg,
    "BMP": images.bmp,
    "TIFF": images.tiff,
}
IN_THE_BOX = (600, 30)


def dotted(original: bytes, *places: tuple[int, int]) -> bytes:
    """The image with a red square at each of these places, as a worker would write it."""
    image = Image.open(BytesIO(original))
    marked = image.convert("RGB")
    for left, top in places:
        marked.paste((255, 0, 0), (left, top, left + 20, top + 20))
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"qtables": getattr(image, "quantization", None), "subsampling": "4:2:0"},
        "WEBP": {"lossless": True},
    }
    assert image.format
    return images.encode(marked, image.format, **options.get(image.format, {}))


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_seed_gives_the_same_image_of_its_format_every_time(image_format: str) -> None:
    generate = FORMATS[image_format]
    assert generate(1) == generate(1) != generate(2)
    assert Image.open(BytesIO(generate(1))).format == image_format


def test_a_jpeg_says_which_way_is_up() -> None:
    turned = Image.open(BytesIO(images.jpeg(orientation=6)))
    assert turned.getexif()[images.ORIENTATION_TAG] == 6


def test_a_png_with_alpha_is_visible_in_the_middle_and_not_in_the_corners() -> None:
    alpha = Image.open(BytesIO(images.png(alpha=True))).getchannel("A")
    assert alpha.getpixel((320, 240)) == 255
    assert alpha.getpixel((0, 0)) == 0


@pytest.mark.parametrize("generate", [images.jpeg, *LOSSLESS.values()])
def test_the_smoke_client_takes_a_mark_in_the_box_and_no_other(
    generate: Callable[[], bytes],
) -> None:
    original = generate()
    assert smoke.watermark_complaint(original, dotted(original, IN_THE_BOX)) == ""
    assert "no watermark" in smoke.watermark_complaint(original, dotted(original))
    for place in ((300, 300), (600, 130), (460, 30), (0, 460)):
        marked = dotted(original, IN_THE_BOX, place)
        assert "outside the box" in smoke.watermark_complaint(original, marked)


def test_the_smoke_client_notices_another_format_and_another_size() -> None:
    original = images.png()
    for other in (images.bmp(), images.png(size=(480, 640))):
        assert " became " in smoke.watermark_complaint(original, other)


def test_the_smoke_client_looks_at_a_turned_photo_as_a_person_does() -> None:
    turned = partial(images.jpeg, size=(480, 640), orientation=6)
    original = turned()
    marked = Image.open(BytesIO(original)).convert("RGB")
    marked.paste((255, 0, 0), (40, 20, 80, 60))  # stored left, seen top right
    answer = images.encode(marked, "JPEG", quality=90, exif=Image.open(BytesIO(original)).getexif())
    assert smoke.watermark_complaint(original, answer) == ""
