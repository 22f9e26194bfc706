"""What the tests of the pixels share: a logo, marking one file, and where the logo belongs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageFile, ImageStat

import watermark
from drawing.logo_file import normalise_logo
from drawing.stamp import Stamp
from options import Options
from support.worker import FOLDER

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Marked:
    """A file before and after, both opened."""

    before: Image.Image
    after: Image.Image
    content: bytes
    notes: list[str]


def bundled_logo(folder: Path) -> Path:
    """The logo that is used when none can be fetched, normalised."""
    path = folder / "logo.png"
    normalise_logo(FOLDER / "bundled_logo.png", path)
    return path


def mark(folder: Path, logo: Path, content: bytes, **settings: Any) -> Marked:
    """Watermark an image; settings are those of options.Options."""
    source, target = folder / "image", folder / "watermarked_image"
    source.write_bytes(content)
    file, notes = watermark.watermark_file(source, logo, target, Options(**settings))
    written = target.read_bytes()
    assert (file["name"], file["size"]) == (target.name, len(written))
    return Marked(Image.open(BytesIO(content)), Image.open(BytesIO(written)), written, notes)


def logo_box(logo: Path, size: tuple[int, int], **settings: Any) -> Box:
    """Where the logo belongs in an upright image: left, top, right, bottom."""
    overlay = Stamp(logo, Options(**settings)).overlay(size)
    assert overlay is not None
    return overlay.box


def without(box: Box, image: Image.Image) -> Image.Image:
    """The image with nothing inside the box."""
    rest = image.convert("RGBA") if image.mode in ("P", "PA") else image.copy()
    rest.paste(0, box)
    return rest


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean difference, of 255, of the band that differs most."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


@contextmanager
def damage_overlooked() -> Iterator[None]:
    """Pillow shows what viewers do: everything before an error."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
