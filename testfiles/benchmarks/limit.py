"""The step that takes the time, in as many processes as cores: Pillow's is the limit, and ours."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

import options
import watermark
from benchmarks.figures import cores
from benchmarks.rig import LOGO
from runtime import malloc

Step = Callable[[Path, Path], None]  # a source, and a target
_PADDING = 10  # px
_SAVED_AS = {"PNG": "PNG", "WEBP": "WEBP"}


@contextmanager
def pool() -> Iterator[ProcessPoolExecutor]:
    """As many processes as cores. Ctrl-C is for the one that started them."""
    os.environ.update(malloc.ENVIRONMENT)
    ignoring = (signal.SIGINT, signal.SIG_IGN)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores(), spawn, signal.signal, ignoring) as processes:
        yield processes


def rate(
    processes: ProcessPoolExecutor, step: Step, contents: Sequence[bytes], folder: Path
) -> float:
    """Images a second, from file to file; the next call overwrites them."""
    sources = [folder / f"{n}.jpg" for n in range(len(contents))]
    for source, content in zip(sources, contents, strict=True):
        source.write_bytes(content)
    targets = [source.with_name(f"watermarked_{source.name}") for source in sources]
    started = time.monotonic()
    for _ in processes.map(step, sources, targets):
        pass
    return len(sources) / (time.monotonic() - started)


def by_product(source: Path, target: Path) -> None:
    """The worker's step, as its child processes run it."""
    watermark.watermark_file(source, LOGO, target, options.Options())


def by_pillow(source: Path, target: Path) -> None:
    """Decode, paste in the box only, encode with the source's tables: no less can be done."""
    with Image.open(source) as image, Image.open(LOGO) as logo:
        logo.thumbnail((image.width // 5, image.height // 5))
        marked = image if image.mode in ("RGB", "L") else image.convert("RGB")
        marked.paste(logo, (image.width - logo.width - _PADDING, _PADDING), logo)
        quality = "keep" if marked.format == "JPEG" else 92
        file_format = _SAVED_AS.get(str(image.format), "JPEG")
        progressive = "progressive" in image.info
        marked.save(target, file_format, quality=quality, progressive=progressive)
