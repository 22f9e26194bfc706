"""Whatever the size, the mode, the orientation and the options: the promise of the pixels."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies
from PIL import Image

from drawing.stamp import Stamp
from options import Options, Padding, Position
from support import images
from support.marks import bundled_logo, distance, mark, without

# What each lossless kind is made from: Pillow's format, mode, options
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "PNG RGB": ("PNG", "RGB", {}),
    "PNG RGBA": ("PNG", "RGBA", {}),
    "PNG L": ("PNG", "L", {}),
    "PNG LA": ("PNG", "LA", {}),
    "PNG P": ("PNG", "P", {}),
    "PNG 1": ("PNG", "1", {}),
    "PNG I;16": ("PNG", "I;16", {}),
    "WebP RGB": ("WEBP", "RGB", {"lossless": True}),
    "WebP RGBA": ("WEBP", "RGBA", {"lossless": True, "exact": True}),
    "GIF P": ("GIF", "P", {}),
    "BMP RGB": ("BMP", "RGB", {}),
    "BMP L": ("BMP", "L", {}),
    "BMP P": ("BMP", "P", {}),
    "TIFF RGB": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "TIFF CMYK": ("TIFF", "CMYK", {"compression": "tiff_adobe_deflate"}),
    "TIFF 1": ("TIFF", "1", {"compression": "group4"}),
    "TIFF I;16": ("TIFF", "I;16", {}),
    "JPEG 2000 RGB": ("JPEG2000", "RGB", {}),
}
TURNED = ("PNG", "WEBP", "TIFF")

sizes = strategies.tuples(strategies.integers(1, 150), strategies.integers(1, 150))
choices = strategies.builds(
    Options,
    position=strategies.sampled_from(list(Position)),
    scale=strategies.floats(0.05, 1),
    padding=strategies.builds(Padding, strategies.integers(0, 60), strategies.booleans()),
    opacity=strategies.sampled_from([1.0, 0.5]),
    min_image=strategies.sampled_from([0, 0, 40]),
)


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def picture(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    photo = images.photo(seed, size)
    if mode in ("RGBA", "LA"):
        return images.photo_with_alpha(seed, size).convert(mode)
    if mode == "P":
        return photo.quantize(100)
    if mode == "I;16":
        return photo.convert("I").point(lambda level: level * 257).convert("I;16")
    return photo.convert(mode)


def encoded(kind: str, size: tuple[int, int], seed: int, orientation: int) -> bytes:
    image_format, mode, given_options = KINDS[kind]
    saving = dict(given_options)
    if image_format in TURNED:
        exif = Image.Exif()
        exif[images.ORIENTATION_TAG] = orientation
        saving["exif"] = exif
    return images.encode(picture(mode, size, seed), image_format, **saving)


UNSEEN = "The logo does not show: it has the colours of what lies under it, or is too faint."


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    strategies.sampled_from(list(KINDS)),
    sizes,
    strategies.integers(0, 5),
    strategies.integers(1, 8),
    choices,
)
def test_a_lossless_image_changes_in_the_logos_box_and_nowhere_else(
    tmp_path_factory: pytest.TempPathFactory,
    logo: Path,
    kind: str,
    size: tuple[int, int],
    seed: int,
    orientation: int,
    chosen: Options,
) -> None:
    content = encoded(kind, size, seed, orientation)
    done = mark(tmp_path_factory.getbasetemp(), logo, content, **vars(chosen))
    before, after = done.before, done.after
    assert (after.format, after.size, after.mode) == (before.format, before.size, before.mode)
    if before.format == "TIFF":  # Pillow turns it upright as it loads
        orientation = 1
        before.load()
        after.load()
    turned = orientation if before.format in TURNED else 1
    overlay = Stamp(logo, chosen).overlay(before.size, turned)
    if overlay is None:
        assert done.notes
        assert shown(after).tobytes() == shown(before).tobytes()
        return
    is_unchanged = shown(after).tobytes() == shown(before).tobytes()
    assert done.notes == ([UNSEEN] if is_unchanged else [])
    assert without(overlay.box, after).tobytes() == without(overlay.box, before).tobytes()

    if before.mode in ("RGB", "RGBA"):
        expected = before.convert("RGBA")
        expected.alpha_composite(overlay.logo, (overlay.left, overlay.top))
        drawn = after.convert("RGBA").crop(overlay.box)
        assert distance(drawn, expected.crop(overlay.box)) < 1


def shown(image: Image.Image) -> Image.Image:
    return image.convert("RGBA") if image.mode == "P" else image


@settings(max_examples=60, deadline=None)
@given(
    strategies.tuples(strategies.integers(64, 200), strategies.integers(64, 200)),
    strategies.integers(0, 5),
    strategies.integers(1, 8),
    strategies.sampled_from([0, 1, 2]),
    strategies.sampled_from([60, 85, 92]),
    strategies.booleans(),
    choices,
)
def test_a_jpeg_keeps_its_tables_and_barely_changes_outside_the_logos_blocks(
    tmp_path_factory: pytest.TempPathFactory,
    logo: Path,
    size: tuple[int, int],
    seed: int,
    orientation: int,
    subsampling: int,
    quality: int,
    progressive: bool,
    chosen: Options,
) -> None:
    content = images.jpeg(
        seed, size, quality, orientation, subsampling=subsampling, progressive=progressive
    )
    done = mark(tmp_path_factory.getbasetemp(), logo, content, **vars(chosen))
    before, after = done.before, done.after
    assert (after.size, after.mode) == (before.size, before.mode)
    assert after.quantization == before.quantization  # type: ignore[attr-defined]
    assert after.layer == before.layer  # type: ignore[attr-defined]
    assert after.info["exif"] == before.info["exif"]
    overlay = Stamp(logo, chosen).overlay(size, orientation)
    blocks = (0, 0, 0, 0) if overlay is None else grown(overlay.box, size)
    rest = Image.open(BytesIO(content)), Image.open(BytesIO(done.content))
    area = 1 - (blocks[2] - blocks[0]) * (blocks[3] - blocks[1]) / (size[0] * size[1])
    if area > 0.2:
        assert distance(*(without(blocks, image) for image in rest)) < 0.5 * area


def grown(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box and one more of the blocks of 16 pixels around it, which share its colours."""
    left, top, right, bottom = (edge // 16 * 16 for edge in box)
    return max(0, left - 16), max(0, top - 16), min(size[0], right + 32), min(size[1], bottom + 32)
