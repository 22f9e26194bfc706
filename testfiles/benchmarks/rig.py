"""What every part of the bench works with: how much to do, on which images, in which services."""

import random
import shutil
import sys
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from PIL import Image, UnidentifiedImageError

from local_stack.service import Service, web_trouble
from local_stack.stack import ROOT, Stack
from support.images import encode, photo

LOGO = ROOT / "worker-server" / "bundled_logo.png"
UVICORN = "-m uvicorn benchmarks.plain:app --no-access-log --log-level warning --port"
KB, MB = 1000, 1_000_000
SIZES = ((3000, 2000), (3264, 2448), (4000, 3000))  # 6, 8 and 12 megapixels


class Effort(NamedTuple):
    """How much is measured."""

    rounds: int = 3
    photos: int = 90  # a round
    small: int = 300
    uploads: Mapping[int, int] = {80 * KB: 400, 2 * MB: 80, 50 * MB: 8}  # a round, by size
    large_at_once: int = 20  # uploads of 50 MB
    workers: Mapping[int, int] = {1: 8, 2: 6, 4: 5, 8: 5, 16: 5, 32: 6}  # and images of each
    waiting: int = 50_000  # in a long queue
    listed: int = 100_000


FULL = Effort()
QUICK = Effort(
    rounds=1, photos=9, small=60, large_at_once=10, workers={2: 1}, waiting=5_000, listed=5_000
)


@dataclass(frozen=True)
class Bench:
    """folder lies on a real disk and is removed at the very end: some file systems (ext4 without
    a journal) are slow to make files for minutes after others were deleted."""

    folder: Path
    effort: Effort
    photos: list[bytes]
    small: bytes
    doing: Callable[[str], object]  # says what is measured now

    @property
    def large(self) -> bytes:
        """The largest photo; of the generated ones, that of 12 megapixels."""
        return max(self.photos, key=len)

    def rounds(self, what: str) -> Iterator[int]:
        """The number of each round, which is announced."""
        for number in range(1, self.effort.rounds + 1):
            self.doing(f"{what}, round {number} of {self.effort.rounds}")
            yield number

    def new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    def product(self, **env: str) -> Stack:
        """The product's services, as `make run` starts them. env has settings for them."""
        return Stack(self.new_folder(), {"GOOGLE_LOGO": str(LOGO), **env})

    def plain(self, **env: str) -> Stack:
        """The plain pipeline's services."""
        return PlainStack(self.new_folder(), {"GOOGLE_LOGO": str(LOGO), **env})


class PlainStack(Stack):
    """The services of benchmarks/plain.py, with the settings of the product's."""

    def _definitions(self) -> Iterator[Service]:
        redis, *_ = super()._definitions()
        yield redis
        for name, url in (("central", self.central_url), ("gateway", self.url)):
            yield self._python(name, f"{UVICORN} {urlsplit(url).port}", partial(web_trouble, url))
        if self._env["WORKERS"] != "0":
            yield self._python("worker-1", "-m arq benchmarks.plain.Worker", lambda: "")

    def _python(self, name: str, arguments: str, trouble: Callable[[], str]) -> Service:
        command = [sys.executable, *arguments.split()]
        return Service(name, command, ROOT / "testfiles", self._env, self._say, trouble)


def photos() -> list[bytes]:
    """Photos of 6, 8 and 12 megapixels: 1.3 to 2.7 MB, as cameras and phones make them."""
    return [encode(photo(n, size, 0.07), "JPEG", quality=92) for n, size in enumerate(SIZES)]


def small_image() -> bytes:
    """320 x 240 pixels in 77 KB."""
    return encode(photo(0, (320, 240), 0.7), "JPEG", quality=95)


def photos_in(folder: str) -> list[bytes]:
    """The user's photos. Raises ArgumentTypeError where there are none, or a damaged one."""
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ArgumentTypeError(f"{path} is not a folder.")
    found = []
    for file in filter(Path.is_file, sorted(path.glob("*"))):
        try:
            with Image.open(file, formats=("JPEG", "PNG", "WEBP")) as image:
                image.load()
            found.append(file.read_bytes())
        except UnidentifiedImageError:
            continue
        except (OSError, SyntaxError) as error:  # it would fail in the pipeline as well
            raise ArgumentTypeError(f"{file} is damaged, take it out: {error}") from None
    if not found:
        raise ArgumentTypeError(f"There is no JPEG, PNG or WEBP in {path}.")
    return found


def padded(image: bytes, size: int) -> bytes:
    """The image in a file of that size; the rest is noise, as compressed pixels are."""
    return image + random.Random(0).randbytes(size - len(image))


def empty(folder: Path) -> None:
    """Delete what lies in a folder, but not the hidden records of central."""
    for path in folder.glob("[!.]*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
