"""The whole pipeline: throughput and latency to the last log line, and the limit it is held to.

That is Pillow's: to decode a photo, paste the logo and encode it again, in as many processes as
cores. The product's own step needs less, because it decodes less; it is shown beside that.
"""

import random
import time
from collections.abc import Iterator, Sequence

from benchmarks import limit
from benchmarks.client import Form, Poster, Tail, in_turn
from benchmarks.figures import Figure, compared, short
from benchmarks.rig import Bench, Doing, Plain
from local_stack.stack import Stack

PART = "The whole pipeline, POST to log line"
CLIENTS = 8
WARM_UP = 6
PAUSES_S = (0.02, 0.2)


def measure(bench: Bench) -> Iterator[Figure]:
    """Photos and small images a second beside the limit and the plain pipeline; latency."""
    effort = bench.effort
    images: dict[str, list[bytes]] = {
        "photos": in_turn(bench.photos, effort.photos),
        "small images": [bench.small] * effort.small,
    }
    rates: dict[str, list[dict[str, float]]] = {name: [] for name in images}
    step_folder = bench.new_folder()
    with bench.product() as product, bench.plain() as plain, limit.pool() as pool:

        def rates_of(contents: Sequence[bytes]) -> dict[str, float]:
            return {
                "product": through(product, contents, bench.doing),
                "limit": limit.rate(pool, limit.by_product, contents, step_folder),
                "pillow": limit.rate(pool, limit.by_pillow, contents, step_folder),
                "plain": through(plain, contents, bench.doing),
            }

        for contents in images.values():
            rates_of(contents[:WARM_UP])
        for number in range(1, effort.rounds + 1):
            for name, contents in images.items():
                bench.doing(f"{name}, round {number} of {effort.rounds}")
                rates[name].append(rates_of(contents))
        bench.doing("idle latency")
        latencies = idle_latencies(product, bench.small, effort.latencies)
        plain_latencies = idle_latencies(plain, bench.small, max(1, effort.latencies // 10))

    def beside(name: str, reference: str, to: str, **promise: float) -> Figure:
        pairs = [(found["product"], found[reference]) for found in rates[name]]
        return compared(PART, name, "a second", to, pairs, **promise)

    yield beside("photos", "pillow", "Pillow alone", at_least=0.7)
    yield beside("photos", "limit", "watermark step alone")
    yield beside("photos", "plain", "plain pipeline", at_least=2)
    yield beside("small images", "limit", "watermark step alone")
    yield beside("small images", "plain", "plain pipeline", at_least=5)
    for name, share, most in (("p50", 0.5, 120), ("p99", 0.99, 250)):
        value, other = quantile(latencies, share), quantile(plain_latencies, share)
        reference = f"plain pipeline: {short(other)}"
        yield Figure(PART, f"idle latency, {name}", value, "ms", reference, at_most=most)


def through(
    pipeline: Stack | Plain, contents: Sequence[bytes], doing: Doing = lambda *_: None
) -> float:
    """Images a second from the first POST to the last log line."""
    forms = [Form.of(content, f"photo-{n}.jpg") for n, content in enumerate(contents)]
    tail = Tail(pipeline.activity_log)
    with Poster(f"{pipeline.url}/media", CLIENTS) as poster:
        started = time.monotonic()
        poster.start(forms)

        def watch(done: int) -> None:
            poster.check()
            doing("", done, len(forms))

        tail.wait(len(forms), watch)
        return len(forms) / (time.monotonic() - started)


def idle_latencies(pipeline: Stack | Plain, content: bytes, count: int) -> list[float]:
    """Milliseconds from POST to log line, of images posted one by one at random moments."""
    tail, form, rng = Tail(pipeline.activity_log), Form.of(content), random.Random(0)
    latencies = []
    with Poster(f"{pipeline.url}/media", 1) as poster:
        for number in range(1, count + 1):
            time.sleep(rng.uniform(*PAUSES_S))
            started = time.monotonic()
            poster.post_all([form])
            tail.wait(number)
            latencies.append(1000 * (time.monotonic() - started))
    return latencies


def quantile(values: Sequence[float], share: float) -> float:
    """The value that share of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
