"""python watermark.py SOURCE LOGO TARGET: one file, without any service."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from support import images
from support.worker import FOLDER

LOGO = FOLDER / "bundled_logo.png"


def run(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FOLDER / "watermark.py", *map(str, arguments)],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(images.png(1, (320, 200)))
    return path


def changed(before: Path, after: Path) -> tuple[int, int, int, int]:
    with Image.open(before) as one, Image.open(after) as other:
        return ImageChops.difference(one, other).getbbox() or (0, 0, 0, 0)


def test_it_writes_the_file_and_says_how_large_it_is(photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "marked.png"
    done = run(photo, LOGO, target)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{target}: {target.stat().st_size} bytes\n"
    left, top, right, bottom = changed(photo, target)
    assert left >= 320 - 64 - 10
    assert (top, right) == pytest.approx((10, 310), abs=3)
    assert bottom <= 10 + 40


def test_the_settings_count(photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "marked.png"
    assert run(photo, LOGO, target, LOGO_POSITION="bottom-left").returncode == 0
    left, top, _, bottom = changed(photo, target)
    assert (left, bottom) == pytest.approx((10, 190), abs=3)
    assert top > 100


def test_notes_are_printed(photo: Path, tmp_path: Path) -> None:
    done = run(photo, LOGO, tmp_path / "marked.png", LOGO_MIN_IMAGE="1000")
    assert done.stdout.splitlines()[1] == "Not marked: its short side is below LOGO_MIN_IMAGE=1000."


@pytest.mark.slow
def test_what_is_wrong_is_one_line_and_the_target_is_not_made(photo: Path, tmp_path: Path) -> None:
    target, broken = tmp_path / "marked", tmp_path / "broken.jpg"
    broken.write_bytes(images.jpeg()[:3000])
    for arguments, settings, said in (
        ((), {}, "usage: python watermark.py SOURCE LOGO TARGET"),
        ((tmp_path / "missing", LOGO, target), {}, "No such file"),
        ((broken, LOGO, target), {}, "broken.jpg: The image is damaged"),
        ((photo, broken, target), {}, "it is not an image"),
        ((photo, LOGO, target), {"LOGO_SCALE": "7"}, "LOGO_SCALE"),
    ):
        done = run(*arguments, **settings)
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert not target.exists()
