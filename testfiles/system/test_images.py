"""The generated images, and what the smoke client, which knows no settings, sees in results."""

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image, ImageOps

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


def answered(content: bytes) -> httpx.Response:
    kind = Image.MIME[Image.open(BytesIO(content)).format or ""]
    return httpx.Response(200, content=content, headers={"Content-Type": kind})


def trial(content: bytes) -> smoke.Trial:
    return smoke.Trial("photo", "", 0, content)


def complaint(original: bytes, marked: bytes) -> str:
    return smoke.watermark_complaint(trial(original), answered(marked))


@pytest.mark.parametrize("generate", [images.jpeg, *LOSSLESS.values()])
def test_the_smoke_client_wants_the_same_image_with_something_on_it(
    generate: Callable[..., bytes],
) -> None:
    original = generate()
    for place in (IN_THE_BOX, (300, 300), (0, 460)):
        assert complaint(original, dotted(original, place)) == ""
    assert complaint(original, original) == "no watermark to be seen"
    for seed in range(1, 9):
        assert "it is another image" in complaint(original, generate(seed))


def test_the_smoke_client_takes_no_mark_where_a_note_says_that_there_is_none() -> None:
    original = images.png()
    found = smoke.watermark_complaint(trial(original), answered(original), passes_unmarked=True)
    assert found == ""


@pytest.mark.parametrize("generate", [images.jpeg, *LOSSLESS.values()])
def test_the_smoke_client_notices_a_change_where_the_others_have_none(
    generate: Callable[[], bytes],
) -> None:
    trials = [trial(images.png()), trial(images.webp()), trial(generate())]
    for one, places in zip(trials, ([], [], [(300, 300)]), strict=True):
        marked = dotted(one.content, IN_THE_BOX, *places)
        assert smoke.watermark_complaint(one, answered(marked)) == ""
    smoke.complain_of_strays(trials)
    complaints = [one.complaint for one in trials]
    assert complaints[:2] == ["", ""]
    assert "where no other is" in complaints[2]


@pytest.mark.parametrize("generate", [images.jpeg, images.webp, images.gif])
@pytest.mark.parametrize("target", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("size", smoke.SIZES[:2])
def test_the_smoke_client_knows_an_image_of_the_lowest_quality_again(
    generate: Callable[..., bytes], target: str, size: images.Size
) -> None:
    original, other = generate(1, size), generate(2, size)
    picture = Image.open(BytesIO(original)).convert("RGB")
    picture.paste((255, 255, 255), (0, 0, size[0], size[1] // 3))  # LOGO_SCALE=1
    assert complaint(original, images.encode(picture, target, quality=1)) == ""
    assert "another image" in complaint(original, other)


def test_the_smoke_client_takes_white_for_what_was_transparent() -> None:
    original = images.png(alpha=True)
    picture = Image.open(BytesIO(original))
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    white.paste((255, 0, 0), (600, 30, 620, 50))
    assert complaint(original, images.encode(white, "JPEG", quality=90)) == ""


def test_the_smoke_client_notices_another_size_and_a_wrong_content_type() -> None:
    original = images.png()
    assert " became " in complaint(original, images.png(size=(480, 640)))
    mistaken = httpx.Response(200, content=original, headers={"Content-Type": "image/jpeg"})
    found = smoke.watermark_complaint(trial(original), mistaken)
    assert found == "what is sent as image/jpeg is PNG"


def test_the_smoke_client_looks_at_a_turned_photo_as_a_person_does() -> None:
    turned = partial(images.jpeg, size=(480, 640), orientation=6)
    original = turned()
    marked = Image.open(BytesIO(original)).convert("RGB")
    marked.paste((255, 0, 0), (40, 20, 80, 60))  # stored left, seen top right
    upright = images.encode(ImageOps.exif_transpose(marked), "JPEG", quality=90)
    exif = Image.open(BytesIO(original)).getexif()
    for answer in (images.encode(marked, "JPEG", quality=90, exif=exif), upright):
        assert complaint(original, answer) == ""
