"""Animations of any frames: each shows the logo over what it showed, and nothing else differs."""

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies
from PIL import Image, ImageChops, ImageStat

from drawing.stamp import Stamp
from options import Options
from support import films
from support.films import CLEAR, KEEP, SIZE, Shot
from support.marks import bundled_logo, mark


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("animations")
    bundled_logo(folder)
    return folder


def marked(folder: Path, content: bytes) -> bytes:
    return mark(folder, folder / "logo.png", content).content


def assert_marked(
    folder: Path, before: list[Shot], after: list[Shot], *, halves: bool, most: float
) -> None:
    """halves: pixels are opaque or transparent. most: mean difference under the logo, of 255."""
    assert [shot.duration_ms for shot in after] == [shot.duration_ms for shot in before]
    overlay = Stamp(folder / "logo.png", Options()).overlay(SIZE)
    assert overlay is not None
    pairs = zip(films.shown(SIZE, before), films.shown(SIZE, after), strict=True)
    for number, (was, now) in enumerate(pairs):
        wanted = was.copy()
        wanted.alpha_composite(overlay.logo, overlay.box[:2])
        if halves:
            wanted.putalpha(wanted.getchannel("A").point(lambda alpha: 255 * (alpha >= 128)))
        different = ImageChops.difference(premultiplied(wanted), premultiplied(now))
        inside = ImageStat.Stat(different.crop(overlay.box)).mean
        assert max(inside) <= most, number
        different.paste(0, overlay.box)
        assert different.getbbox(alpha_only=False) is None, number


def premultiplied(image: Image.Image) -> Image.Image:
    """What colour an invisible pixel has does not count."""
    return image.convert("RGBa").convert("RGBA") if image.mode == "RGBA" else image


SEEDS = strategies.integers(0, 100_000)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_gif(folder: Path, seed: int) -> None:
    shots = films.any_shots(seed, [0, 255, 255], over=True)
    before = films.gif(shots)
    after = films.gif_shots(marked(folder, before), folder / "after.gif")
    assert_marked(
        folder, films.gif_shots(before, folder / "before.gif"), after, halves=True, most=3
    )


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_apng(folder: Path, seed: int) -> None:
    shots = films.any_shots(seed, [0, 255, 255, 100])
    after = marked(folder, films.apng(shots))
    assert_marked(folder, shots, films.apng_shots(after), halves=False, most=1)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_webp(folder: Path, seed: int) -> None:
    shots = films.any_shots(seed, [0, 255, 255, 100], grid=2)
    shots = [
        Shot(
            s.picture, s.left, s.top, CLEAR if s.disposal == CLEAR else KEEP, s.over, s.duration_ms
        )
        for s in shots
    ]
    after = marked(folder, films.webp(shots))
    assert_marked(folder, shots, films.webp_shots(after), halves=False, most=1)
