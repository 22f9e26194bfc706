"""The whole pipeline: throughput and latency to the last log line, and the limit it is held to.

The limit is Pillow's: to decode a photo, paste the logo and encode it again, in as many processes
as cores. The product's own step needs less, because it decodes less; it is shown beside that.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice, repeat
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles
from unittest.mock import patch

from PIL import Image

import options
import watermark
from benchmarks.client import CLIENTS, Tail, form, post_all, posting
from benchmarks.figures import Figure, compared, short
from benchmarks.rig import LOGO, Bench
from local_stack.stack import Stack
from runtime import malloc
from runtime.container_limits import usable_cpus

PART = "The whole pipeline, POST to log line"
ROWS = (  # and what is promised of the ratio at least
    ("photos", "Pillow alone", 0.7),
    ("photos", "watermark step alone", None),
    ("photos", "plain pipeline", 2),
    ("small images", "watermark step alone", None),
    ("small images", "plain pipeline", 5),
)
WARM_UP = 6
PAUSES_S = (0.02, 0.2)
PADDING = 10  # px
SPAWN, IGNORE_CTRL_C = get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)


def measure(bench: Bench) -> Iterator[Figure]:
    """Photos and small images a second beside the limit and the plain pipeline; latency."""
    effort, folder = bench.effort, bench.new_folder()
    images = {
        "photos": list(islice(cycle(bench.photos), effort.photos)),
        "small images": [bench.small] * effort.small,
    }
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in images}
    with (
        bench.product() as product,
        bench.plain() as plain,
        patch.dict(os.environ, malloc.ENVIRONMENT),  # as the worker's processes have it
        ProcessPoolExecutor(usable_cpus(), SPAWN, signal.signal, IGNORE_CTRL_C) as pool,
    ):
        ways: dict[str, Callable[[Sequence[bytes]], float]] = {
            "product": partial(through, product),
            "watermark step alone": partial(_by_step, pool, by_product, folder),
            "Pillow alone": partial(_by_step, pool, by_pillow, folder),
            "plain pipeline": partial(through, plain),
        }
        for contents in images.values():
            for rate in ways.values():
                rate(contents[:WARM_UP])
        for _ in bench.rounds("photos and small images"):
            for name, contents in images.items():
                rates[name].append({way: rate(contents) for way, rate in ways.items()})
        bench.doing("idle latency")
        latencies = idle_latencies(product, bench.small, effort.small)
        plain_latencies = idle_latencies(plain, bench.small, max(2, effort.small // 10))

    for name, reference, at_least in ROWS:
        pairs = [(found["product"], found[reference]) for found in rates[name]]
        yield compared(PART, name, "a second", reference, pairs, at_least)
    for percent, most in ((50, 120), (99, 250)):
        value, other = percentile(latencies, percent), percentile(plain_latencies, percent)
        name, reference = f"idle latency, p{percent}", f"plain pipeline: {short(other)}"
        yield Figure(PART, name, value, "ms", reference, at_most=most)


def through(stack: Stack, contents: Sequence[bytes]) -> float:
    """Images a second from the first POST to the last log line."""
    return flow(stack, [form(content, f"photo-{n}.jpg") for n, content in enumerate(contents)])


def flow(stack: Stack, forms: Sequence[bytes], clients: int = CLIENTS) -> float:
    """The same, of images that are in forms already."""
    tail, started = Tail(stack.activity_log), time.monotonic()
    post_all(f"{stack.url}/media", forms, clients)
    tail.wait(len(forms))
    return len(forms) / (time.monotonic() - started)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def idle_latencies(stack: Stack, content: bytes, count: int) -> list[float]:
    """Milliseconds from POST to log line, of images posted one by one at random moments."""
    tail, pauses, latencies = Tail(stack.activity_log), random.Random(0), []
    client = posting(f"{stack.url}/media", repeat(form(content)))
    for number in range(1, count + 1):
        time.sleep(pauses.uniform(*PAUSES_S))
        started = time.monotonic()
        next(client)
        tail.wait(number)
        latencies.append(1000 * (time.monotonic() - started))
    client.close()
    return latencies


def _by_step(
    pool: ProcessPoolExecutor,
    step: Callable[[Path, Path], None],
    folder: Path,
    contents: Sequence[bytes],
) -> float:
    """Images a second from file to file, by one step alone."""
    sources = [folder / f"{n}.jpg" for n in range(len(contents))]
    for source, content in zip(sources, contents, strict=True):
        source.write_bytes(content)
    targets = [folder / f"watermarked_{source.name}" for source in sources]
    started = time.monotonic()
    list(pool.map(step, sources, targets))
    return len(sources) / (time.monotonic() - started)


def by_product(source: Path, target: Path) -> None:
    """The worker's step, as its child processes run it."""
    watermark.watermark_file(source, LOGO, target, options.Options())


def by_pillow(source: Path, target: Path) -> None:
    """The least that Pillow can do: decode, paste the logo, encode with the source's tables."""
    with Image.open(source) as image, Image.open(LOGO) as logo:
        logo.thumbnail((image.width // 5, image.height // 5))
        marked = image if image.mode in ("RGB", "L") else image.convert("RGB")
        marked.paste(logo, (image.width - logo.width - PADDING, PADDING), logo)
        quality = "keep" if marked.format == "JPEG" else 92
        file_format = "JPEG" if image.format == "MPO" else image.format
        progressive = "progressive" in image.info
        marked.save(target, file_format, quality=quality, progressive=progressive)
