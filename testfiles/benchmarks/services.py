"""Gateway and central alone, each beside plain endpoints under the same uvicorn."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median

from ulid import ULID

from benchmarks import steps
from benchmarks.client import CLIENTS, form, post_all
from benchmarks.figures import Figure, compared
from benchmarks.rig import KB, MB, Bench, empty, padded

GATEWAY, CENTRAL = "Gateway alone", "Central alone"
PRODUCT, PLAIN, DURABLE = "product", "plain", "plain, as durable"
MOST_STEPS = 40
MOST_KEPT = 100 * MB


def gateway(bench: Bench) -> Iterator[Figure]:
    """Uploads a second with no worker behind it, and what each step of one takes."""
    with bench.product(WORKERS="0") as product, bench.plain(WORKERS="0") as plain:
        endpoints = {
            PRODUCT: (f"{product.url}/media", product.upload_dir / "pending"),
            PLAIN: (f"{plain.url}/media", plain.upload_dir),
            DURABLE: (f"{plain.url}/media-durable", plain.upload_dir),
        }
        of_gateway = partial(steps.of_gateway, bench.new_folder(), product.redis_url)
        for size in bench.effort.uploads:
            yield from _at_size(bench, GATEWAY, endpoints, of_gateway, size)


def central(bench: Bench) -> Iterator[Figure]:
    """The same of central."""
    with bench.product(WORKERS="0") as product, bench.plain(WORKERS="0") as plain:
        endpoints = {
            PRODUCT: (f"{product.central_url}/upload-final", product.storage_dir),
            PLAIN: (f"{plain.central_url}/upload-final", plain.storage_dir),
        }
        of_central = partial(steps.of_central, bench.new_folder())
        for size in bench.effort.uploads:
            yield from _at_size(bench, CENTRAL, endpoints, of_central, size)


def _at_size(
    bench: Bench,
    part: str,
    endpoints: Mapping[str, tuple[str, Path]],  # each a URL, and the folder of its uploads
    steps_of: Callable[[bytes, int], AsyncIterator[str]],  # of a content, so many times
    size: int,
) -> Iterator[Figure]:
    label = f"{size / MB:g} MB" if size >= MB else f"{size / KB:g} KB"
    content, number = padded(bench.small, size), bench.effort.uploads[size]
    few, together = max(1, number // 8), min(CLIENTS, number)

    def rate(name: str, uploads: int, clients: int) -> float:
        """Uploads a second, each under a name of its own: central renames the next of a name."""
        url, folder = endpoints[name]
        forms = [form(content, f"{ULID()}.jpg", worker_name="bench") for _ in range(uploads)]
        seconds = post_all(url, forms, clients)
        if uploads * size > MOST_KEPT:  # or the disk fills; not always, see Bench
            empty(folder)
        os.sync()  # or what is measured next pays for it
        return uploads / seconds

    rates, alone_ms = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for name in endpoints:
        rate(name, few, CLIENTS)
    for n in bench.rounds(f"{part.lower()}, {label}"):
        for name in list(endpoints)[:: 1 if n % 2 else -1]:
            rates[name].append(rate(name, number, together))
            alone_ms[name].append(1000 / rate(name, few, 1))
    _, *references = endpoints
    for name in references:
        pairs = list(zip(rates[PRODUCT], rates[name], strict=True))
        row, least = f"{label}, {together} at once", 1 if name == DURABLE else None
        yield compared(part, row, "a second", name, pairs, at_least=least)
    for name in references:
        pairs = list(zip(alone_ms[PRODUCT], alone_ms[name], strict=True))
        yield compared(part, f"{label}, one at a time", "ms", name, pairs)
    bench.doing(f"{part.lower()}, {label}, step by step")
    taken = asyncio.run(steps.milliseconds(steps_of(content, min(number, MOST_STEPS))))
    for step, ms in taken.items():
        ratio = ms / median(alone_ms[PRODUCT])
        yield Figure(part, f"  {step}", ms, "ms", "one at a time", ratio)
