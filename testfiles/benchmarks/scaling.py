"""More workers, each of which mostly waits: what they do, and what they cost while idle."""

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import records
from benchmarks.client import GIVE_UP_S, Form, Poster, Tail
from benchmarks.figures import Figure, short
from benchmarks.processes import cpu_seconds
from benchmarks.rig import Bench, kill
from local_stack.stack import Stack

PART = "Workers of one process each, which wait 3 to 8 s an image"
LATENCY_S = (3, 8)
SETTLE_S, IDLE_S, LOOK_S = 0.5, 3.0, 0.5
MOST, PROMISED = 32, 30  # so many workers do at least so many times what one does
CLIENTS = 8


@dataclass(frozen=True)
class Found:
    rate: float  # images a second
    idle_cpu: float  # of all workers, in % of a core
    redis_cpu: float


def measure(bench: Bench) -> Iterator[Figure]:
    """Images a second by number of workers.

    Of each worker as many images are timed, from the end of its first to the end of the last of
    them, so that neither the start nor the moment the clock stops favours anybody. Even so one
    worker's rate is uncertain by 9 % after 8 images, for latencies from 3 to 8 s have a standard
    deviation of 1.4 s. The promise is therefore of the ratio to a worker that does nothing but
    wait: no real one is faster, so that this is the stricter reading of "times one worker".
    """
    found = {n: _measured(bench, n, timed) for n, timed in bench.effort.workers.items()}
    waiting = 1 / statistics.mean(LATENCY_S)
    for workers, each in found.items():
        name, ratio = _name(workers), each.rate / waiting
        to = f"one that only waits: {short(waiting)}"
        promised = PROMISED if workers == MOST else None
        yield Figure(PART, name, each.rate, "a second", to, ratio, at_least=promised)
        if 1 in found:
            own, one = each.rate / workers, found[1].rate
            to = f"one, as measured: {short(one)}"
            yield Figure(PART, "  each of them", own, "a second", to, own / one)
        to = f"Redis meanwhile: {short(each.redis_cpu)}"
        yield Figure(PART, "  all of them idle", each.idle_cpu, "% of a core", to)


def _measured(bench: Bench, workers: int, timed: int) -> Found:
    env = {"WORKERS": str(workers), "WATERMARK_PROCESSES": "1"}
    env["SIMULATED_LATENCY"] = "{}-{}".format(*LATENCY_S)
    bench.doing(f"scaling, {_name(workers)} starting")
    with bench.product(**env) as stack:
        bench.doing(f"scaling, {_name(workers)} idle")
        pids = [stack[f"worker-{number}"].pid for number in range(1, workers + 1)]
        time.sleep(SETTLE_S)
        idle, redis = _cpu_percents(pids, [stack["redis"].pid])
        bench.doing(f"scaling, {_name(workers)} at work")
        cycle_s = _cycle_s(bench, stack, workers, timed)
        kill(stack, workers)
    return Found(workers / cycle_s, idle, redis)


def _cpu_percents(*groups: Sequence[int]) -> list[float]:
    """What each group of processes takes of a core."""
    before = [cpu_seconds(pids) for pids in groups]
    started = time.monotonic()
    time.sleep(IDLE_S)
    passed_s = time.monotonic() - started
    after = [cpu_seconds(pids) for pids in groups]
    return [100 * (b - a) / passed_s for a, b in zip(before, after, strict=True)]


def _cycle_s(bench: Bench, stack: Stack, workers: int, timed: int) -> float:
    """Seconds from the end of one image to that of the next, of the same worker, on average."""
    slowest_s = (timed + 1) * max(LATENCY_S)
    most_each = math.ceil(slowest_s / statistics.mean(LATENCY_S)) + 3  # two are always at hand
    tail, least = Tail(stack.activity_log), (timed + 1) * workers
    with Poster(f"{stack.url}/media", CLIENTS) as poster:
        poster.post_all([Form.of(bench.small)] * most_each * workers)
    tail.wait(least, lambda lines: bench.doing("", lines, least))
    give_up = time.monotonic() + GIVE_UP_S
    while sum(len(times) > timed for times in _ends(stack)) < workers:
        if time.monotonic() > give_up:
            raise TimeoutError(f"not every worker did {timed + 1} of {most_each} images each")
        time.sleep(LOOK_S)
    return statistics.mean((times[timed] - times[0]) / timed for times in _ends(stack))


def _ends(stack: Stack) -> list[list[float]]:
    """Of each worker, when it finished its images."""
    return list(records.watermarked(stack).values())


def _name(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"
