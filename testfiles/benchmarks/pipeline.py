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
from contextlib import closing
from functools import partial
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

import options
import watermark
from benchmarks.client import CLIENTS, Client, Tail, form, post_all
from benchmarks.figures import Figure, compared, short
from benchmarks.rig import LOGO, Bench
from local_stack.stack import Stack
from runtime import malloc
from runtime.container_limits import usable_cpus

PART = "The whole pipeline, POST to log line"
WARM_UP = 6
PAUSES_S = (0.02, 0.2)
PADDING = 10  # px


def measure(bench: Bench) -> Iterator[Figure]:
    """Photos and small images a second beside the limit and the plain pipeline; latency."""
    effort, folder = bench.effort, bench.new_folder()
    images = {
        "photos": list(islice(cycle(bench.photos), effort.photos)),
        "small images": [bench.small] * effort.small,
    }
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in images}
    with bench.product() as product, bench.plain() as plain, _pool() as pool:
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
        latencies = idle_latencies(product, bench.small, effort.latencies)
        plain_latencies = idle_latencies(plain, bench.small, max(1, effort.latencies // 10))

    def beside(name: str, reference: str, **promise: float) -> Figure:
        pairs = [(found["product"], found[reference]) for found in rates[name]]
        return compared(PART, name, "a second", reference, pairs, **promise)

    yield beside("photos", "Pillow alone", at_least=0.7)
    yield beside("photos", "watermark step alone")
    yield beside("photos", "plain pipeline", at_least=2)
    yield beside("small images", "watermark step alone")
    yield beside("small images", "plain pipeline", at_least=5)
    for name, share, most in (("p50", 0.5, 120), ("p99", 0.99, 250)):
        value, other = quantile(latencies, share), quantile(plain_latencies, share)
        reference = f"plain pipeline: {short(other)}"
        yield Figure(PART, f"idle latency, {name}", value, "ms", reference, at_most=most)


def through(stack: Stack, contents: Sequence[bytes]) -> float:
    """Images a second from the first POST to the last log line."""
    return flow(stack, [form(content, f"photo-{n}.jpg") for n, content in enumerate(contents)])


def flow(stack: Stack, forms: Sequence[bytes], clients: int = CLIENTS) -> float:
    """The same, of images that are in forms already."""
    tail, started = Tail(stack.activity_log), time.monotonic()
    post_all(f"{stack.url}/media", forms, clients)
    tail.wait(len(forms))
    return len(forms) / (time.monotonic() - started)


def idle_latencies(stack: Stack, content: bytes, count: int) -> list[float]:
    """Milliseconds from POST to log line, of images posted one by one at random moments."""
    tail, body, rng = Tail(stack.activity_log), form(content), random.Random(0)
    latencies = []
    with closing(Client(f"{stack.url}/media")) as client:
        for number in range(1, count + 1):
            time.sleep(rng.uniform(*PAUSES_S))
            started = time.monotonic()
            client.post(body)
            tail.wait(number)
            latencies.append(1000 * (time.monotonic() - started))
    return latencies


def quantile(values: Sequence[float], share: float) -> float:
    """The value that share of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _pool() -> ProcessPoolExecutor:
    """As many processes as cores. They leave Ctrl-C to their parent."""
    os.environ.update(malloc.ENVIRONMENT)
    ignore = (signal.SIGINT, signal.SIG_IGN)
    return ProcessPoolExecutor(usable_cpus(), get_context("spawn"), signal.signal, ignore)


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
