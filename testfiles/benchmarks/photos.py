"""The images that the bench works on: generated, or somebody's own."""

import random
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from support import images

FORMATS = ("JPEG", "PNG", "WEBP")  # which Pillow alone, to compare with, can do as well
SIZES = ((3000, 2000), (3264, 2448), (4000, 3000))  # 6, 8 and 12 megapixels


def photos() -> list[bytes]:
    """Of 6, 8 and 12 megapixels: 1.3 to 2.7 MB, as cameras and phones make them."""
    return [_encode(images.photo(n, size, 0.07), 92) for n, size in enumerate(SIZES)]


def small_image() -> bytes:
    """320 x 240 pixels in 77 KB."""
    return _encode(images.photo(0, (320, 240), 0.7), 95)


def photos_in(folder: Path) -> list[bytes]:
    """One's own. Raises ValueError where there are none, or no such folder."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    found = [path.read_bytes() for path in _images_in(folder)]
    if not found:
        raise ValueError(f"There is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} in {folder}.")
    return found


def padded(image: bytes, size: int) -> bytes:
    """A file of that size which is still that image; noise, as compressed pixels are."""
    return image + random.Random(0).randbytes(size - len(image))


def _images_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file():
            try:
                with Image.open(path, formats=FORMATS) as image:
                    image.load()
                    yield path
            except UnidentifiedImageError:
                continue
            except (OSError, SyntaxError) as error:  # it would fail in the pipeline as well
                raise ValueError(f"{path} is damaged, take it out: {error}") from None


def _encode(image: Image.Image, quality: int) -> bytes:
    return images.encode(image, "JPEG", quality=quality)
