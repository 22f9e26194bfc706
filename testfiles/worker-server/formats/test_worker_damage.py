"""Whatever happens to a file: what is stored shows what viewers show of it, or it fails."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from errors import ImageRejected
from support import images
from support.marks import bundled_logo, damage_overlooked, distance, logo_box, mark, without

SIZE = (397, 301)  # whole blocks in neither direction


def _png(image: Image.Image) -> bytes:
    return images.encode(image, "PNG")


def _frames() -> list[Image.Image]:
    """An animation of which some frames change what is not under the logo only."""
    first = images.photo(1, SIZE)
    frames = [first]
    for number in range(3):
        frames.append(frames[-1].copy())
        frames[-1].paste(images.photo(number, (60, 40)), (20 + 60 * number, 200))
    return frames


def _animation(image_format: str, **options: Any) -> bytes:
    first, *others = _frames()
    if image_format == "GIF":
        first, *others = (frame.quantize(64) for frame in _frames())
    return images.encode(first, image_format, save_all=True, append_images=others, **options)


def _tiff(compression: str, mode: str = "RGB", **options: Any) -> bytes:
    pages = [images.photo(seed, SIZE).convert(mode) for seed in (1, 2)]
    return images.encode(
        pages[0],
        "TIFF",
        compression=compression,
        save_all=True,
        append_images=pages[1:],
        strip_size=20_000,
        **options,
    )


SOURCES: dict[str, Callable[[], bytes]] = {
    "PNG RGB": lambda: _png(images.photo(1, SIZE)),
    "PNG RGBA": lambda: _png(images.photo_with_alpha(1, SIZE)),
    "PNG L": lambda: _png(images.photo(1, SIZE).convert("L")),
    "PNG P": lambda: _png(images.photo(1, SIZE).quantize(200)),
    "PNG 1": lambda: _png(images.photo(1, SIZE).convert("1")),
    "PNG I;16": lambda: _png(
        images.photo(1, SIZE).convert("I").point(lambda level: level * 257).convert("I;16")
    ),
    "APNG": lambda: _animation("PNG", duration=100),
    "GIF": lambda: images.gif(1, SIZE),
    "GIF interlaced": lambda: images.encode(
        images.photo(1, SIZE).quantize(250), "GIF", interlace=True
    ),
    "GIF animated": lambda: _animation("GIF", duration=100),
    "GIF animated, cleared": lambda: _animation("GIF", duration=100, disposal=2),
    "WebP": lambda: images.webp(1, SIZE, lossless=False),
    "WebP lossless": lambda: images.webp(1, SIZE),
    "WebP with alpha": lambda: images.encode(images.photo_with_alpha(1, SIZE), "WEBP"),
    "WebP animated": lambda: _animation("WEBP", duration=100),
    "WebP animated, lossless": lambda: _animation("WEBP", duration=100, lossless=True),
    "BMP": lambda: images.bmp(1, SIZE),
    "BMP P": lambda: images.encode(images.photo(1, SIZE).quantize(100), "BMP"),
    "BMP L": lambda: images.encode(images.photo(1, SIZE).convert("L"), "BMP"),
    "BMP 1": lambda: images.encode(images.photo(1, SIZE).convert("1"), "BMP"),
    "TIFF": lambda: _tiff("raw"),
    "TIFF LZW": lambda: _tiff("tiff_lzw"),
    "TIFF deflate": lambda: _tiff("tiff_adobe_deflate"),
    "TIFF PackBits": lambda: _tiff("packbits", "L"),
    "TIFF JPEG": lambda: _tiff("jpeg"),
    "TIFF fax": lambda: _tiff("group4", "1"),
    "TIFF P": lambda: _tiff("tiff_lzw", "P"),
}
# Of what is encoded anew with loss: how much, of 255, and how many pixels around the logo
LOSSY = dict.fromkeys(("WebP", "WebP with alpha", "WebP animated", "TIFF JPEG"), (8, 32))


@cache
def source(kind: str) -> bytes:
    return SOURCES[kind]()


pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of damage


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def frames(content: bytes) -> list[Image.Image]:
    """What a viewer shows: all frames or pages up to the first that it cannot show."""
    found: list[Image.Image] = []
    with suppress(Exception), damage_overlooked(), Image.open(BytesIO(content)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            if image.mode.startswith("I"):
                found.append(image.convert("I").point(lambda level: level / 257).convert("L"))
            else:
                found.append(image.convert("RGBA"))
    return found


def check(folder: Path, logo: Path, kind: str, seed: int) -> None:
    """What is stored shows beside the logo what was shown before, or the file fails."""
    content = images.damaged(source(kind), seed)
    try:
        done = mark(folder, logo, content)
    except ImageRejected:
        return
    before, after = frames(content), frames(done.content)
    assert len(after) >= len(before), f"seed {seed}"
    most, margin = LOSSY.get(kind, (0, 0))
    for was, now in zip(before, after, strict=False):
        assert now.size == was.size
        left, top, right, bottom = logo_box(logo, was.size)
        box = left - margin, top - margin, right + margin, bottom + margin
        assert distance(without(box, was), without(box, now)) <= most, f"seed {seed}"


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_stored_is_what_viewers_show(tmp_path: Path, logo: Path, kind: str) -> None:
    for seed in range(12):
        check(tmp_path, logo, kind, seed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_whatever_happens_to_it(tmp_path: Path, logo: Path, kind: str) -> None:
    for seed in range(100, 220):
        check(tmp_path, logo, kind, seed)
