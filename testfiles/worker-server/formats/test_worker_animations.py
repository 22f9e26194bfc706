"""Images of several frames or pages: each is marked, and they play as before."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageSequence, ImageStat

import errors
from support import images
from support.marks import bundled_logo, logo_box, mark

SIZE = (240, 180)
FRAMES = [images.photo(seed, SIZE) for seed in range(4)]
DURATIONS = [40, 120, 80, 200]  # GIF counts in hundredths of a second


def animation(image_format: str, frames: list[Image.Image] = FRAMES, **options: Any) -> bytes:
    return images.encode(
        frames[0], image_format, save_all=True, append_images=frames[1:], **options
    )


INDEXED = [frame.quantize(64) for frame in FRAMES]
FILMS = {
    "GIF": animation("GIF", INDEXED, duration=DURATIONS, loop=3),
    "WebP": animation("WEBP", duration=DURATIONS, loop=3, lossless=True),
    "APNG": animation("PNG", duration=DURATIONS, loop=3),
    "TIFF": animation("TIFF", compression="tiff_lzw"),
    "TIFF grey": animation("TIFF", [frame.convert("L") for frame in FRAMES]),
}


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def marked(folder: Path, logo: Path, content: bytes) -> Image.Image:
    return mark(folder, logo, content).after


def played(image: Image.Image) -> list[Image.Image]:
    return [frame.convert("RGBA") for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("name", FILMS)
def test_every_frame_is_marked_and_the_rest_of_it_is_as_before(
    tmp_path: Path, logo: Path, name: str
) -> None:
    before = Image.open(BytesIO(FILMS[name]))
    after = marked(tmp_path, logo, FILMS[name])
    assert (after.format, after.size) == (before.format, before.size)
    assert after.mode == before.mode
    assert after.n_frames == before.n_frames == len(FRAMES)  # type: ignore[attr-defined]
    box = logo_box(logo, SIZE)
    for old, new in zip(played(before), played(after), strict=True):
        assert ImageChops.difference(old.crop(box), new.crop(box)).getbbox(alpha_only=False)
        old.paste(0, box)
        new.paste(0, box)
        difference = ImageStat.Stat(ImageChops.difference(old, new)).extrema
        assert max(high for _, high in difference) == 0


@pytest.mark.parametrize("name", ["GIF", "WebP", "APNG"])
def test_frames_are_shown_as_long_as_before_and_as_often(
    tmp_path: Path, logo: Path, name: str
) -> None:
    before = Image.open(BytesIO(FILMS[name]))
    after = marked(tmp_path, logo, FILMS[name])
    durations = []
    for frame in ImageSequence.Iterator(after):
        frame.load()
        durations.append(frame.info["duration"])
    assert durations == DURATIONS
    assert after.info["loop"] == before.info["loop"] == 3


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_an_animation_that_does_not_say_how_often_still_does_not(
    tmp_path: Path, logo: Path, image_format: str
) -> None:
    content = animation(image_format, INDEXED if image_format == "GIF" else FRAMES)
    before, after = Image.open(BytesIO(content)), marked(tmp_path, logo, content)
    assert after.info.get("loop") == before.info.get("loop")


def test_an_animation_keeps_its_transparency(tmp_path: Path, logo: Path) -> None:
    frames = [images.photo_with_alpha(seed, SIZE) for seed in range(3)]
    content = animation("WEBP", frames, lossless=True, duration=50)
    before, after = Image.open(BytesIO(content)), marked(tmp_path, logo, content)
    for old, new in zip(played(before), played(after), strict=True):
        assert images.pixel(new, (0, 0))[3] == images.pixel(old, (0, 0))[3] < 255
        assert new.getpixel((120, 90)) == old.getpixel((120, 90))


def test_pages_of_several_sizes_are_each_marked_in_their_own_corner(
    tmp_path: Path, logo: Path
) -> None:
    sizes = [(240, 180), (120, 300), (400, 100)]
    pages = [Image.new("RGB", size, (200, 220, 240)) for size in sizes]
    after = marked(tmp_path, logo, animation("TIFF", pages))
    assert [page.size for page in ImageSequence.Iterator(after)] == sizes
    for page, size in zip(ImageSequence.Iterator(after), sizes, strict=True):
        ground = Image.new("RGB", size, (200, 220, 240))
        changed, box = ImageChops.difference(page, ground).getbbox(), logo_box(logo, size)
        assert changed is not None
        assert changed[:2] == pytest.approx(box[:2], abs=2)
        assert changed[2:] == pytest.approx(box[2:], abs=2)


def test_the_pixels_of_all_frames_together_are_limited(tmp_path: Path, logo: Path) -> None:
    pixels = SIZE[0] * SIZE[1]
    mark(tmp_path, logo, FILMS["WebP"], max_pixels=pixels, max_total_pixels=4 * pixels)
    with pytest.raises(errors.ImageRejected, match="MAX_TOTAL_MEGAPIXELS") as raised:
        mark(tmp_path, logo, FILMS["WebP"], max_pixels=pixels, max_total_pixels=4 * pixels - 1)
    assert raised.value.code == "too_many_pixels"
