"""Gateway and central alone, each beside plain endpoints under the same uvicorn."""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
PROMISES = {DURABLE: {"at_least": 1}}
MOST_STEPS = 40
MOST_KEPT = 100 * MB


@dataclass(frozen=True)
class Endpoint:
    """One of several that do the same."""

    url: str
    folder: Path  # of what was uploaded

    def rate(self, forms: Sequence[bytes], clients: int = CLIENTS) -> float:
        """Uploads a second."""
        seconds = post_all(self.url, forms, clients)
        if len(forms) * len(forms[0]) > MOST_KEPT:  # or the disk fills; not always, see Bench
            empty(self.folder)
        os.sync()  # or what is measured next pays for it
        return len(forms) / seconds


def gateway(bench: Bench) -> Iterator[Figure]:
    """Uploads a second with no worker behind it, and what each step of one takes."""
    with bench.product(WORKERS="0") as product, bench.plain(WORKERS="0") as plain:
        endpoints = {
            PRODUCT: Endpoint(f"{product.url}/media", product.upload_dir / "pending"),
            PLAIN: Endpoint(f"{plain.url}/media", plain.upload_dir),
            DURABLE: Endpoint(f"{plain.url}/media-durable", plain.upload_dir),
        }
        of_gateway = partial(steps.of_gateway, bench.new_folder(), product.redis_url)
        yield from _measured(bench, GATEWAY, endpoints, of_gateway)


def central(bench: Bench) -> Iterator[Figure]:
    """The same of central."""
    with bench.product(WORKERS="0") as product, bench.plain(WORKERS="0") as plain:
        endpoints = {
            name: Endpoint(f"{stack.central_url}/upload-final", stack.storage_dir)
            for name, stack in ((PRODUCT, product), (PLAIN, plain))
        }
        of_central = partial(steps.of_central, bench.new_folder())
        yield from _measured(bench, CENTRAL, endpoints, of_central)


def _measured(
    bench: Bench,
    part: str,
    endpoints: Mapping[str, Endpoint],
    steps_of: Callable[[bytes, int], AsyncIterator[str]],  # a content, and how often
) -> Iterator[Figure]:
    for size, number in bench.effort.uploads.items():
        label = f"{size / MB:g} MB" if size >= MB else f"{size / KB:g} KB"
        content, few = padded(bench.small, size), max(1, number // 8)
        at_once, alone = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        for endpoint in endpoints.values():
            endpoint.rate(_forms(part, content, few))
        for n in bench.rounds(f"{part.lower()}, {label}"):
            for name in list(endpoints)[:: 1 if n % 2 else -1]:
                endpoint = endpoints[name]
                at_once[name].append(endpoint.rate(_forms(part, content, number)))
                alone[name].append(1000 / endpoint.rate(_forms(part, content, few), clients=1))
        together = f"{label}, {min(CLIENTS, number)} at once"
        _, *references = endpoints
        for name in references:
            pairs = list(zip(at_once[PRODUCT], at_once[name], strict=True))
            yield compared(part, together, "a second", name, pairs, **PROMISES.get(name, {}))
        for name in references:
            pairs = list(zip(alone[PRODUCT], alone[name], strict=True))
            yield compared(part, f"{label}, one at a time", "ms", name, pairs)
        bench.doing(f"{part.lower()}, {label}, step by step")
        whole_ms = median(alone[PRODUCT])
        taken = asyncio.run(steps.milliseconds(steps_of(content, min(number, MOST_STEPS))))
        for step, ms in taken.items():
            yield Figure(part, f"  {step}", ms, "ms", "one at a time", ms / whole_ms)


def _forms(part: str, content: bytes, number: int) -> list[bytes]:
    """Central gets each under a name of its own: it renames an image whose name is taken."""
    if part == GATEWAY:
        return [form(content)] * number
    return [form(content, f"{ULID()}.jpg", worker_name="bench") for _ in range(number)]
