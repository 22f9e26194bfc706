"""Workers: what more of them do and cost, how evenly they share, what a long queue costs them."""

import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import mean

import psutil  # type: ignore[import-untyped]

from benchmarks.client import Tail, form, post_all
from benchmarks.figures import Figure, compared, short
from benchmarks.rig import Bench
from local_stack.service import Service
from local_stack.stack import Stack
from shared.contract import DONE, PENDING, Stage
from shared.records import read_progress
from support.images import jpeg
from support.services import until

SCALING = "Workers of one process each, which wait 3 to 8 s an image"
LATENCY_S = (3, 8)
SETTLE_S, IDLE_S, LOOK_S = 0.5, 3.0, 0.5
MOST, PROMISED = 32, 30  # so many workers do at least so many times what one does
FAIRNESS = "Fairness, 12 large images at once on 3 idle workers"
IMAGES, WORKERS, PROMISED_MOST = 12, 3, 5
DEPTH = "Long queue"
SPARE = 50  # images, so that the last ones timed have some behind them


def scaling(bench: Bench) -> Iterator[Figure]:
    """Images a second by number of workers.

    One worker's rate is uncertain by 9 % after 8 images: latencies from 3 to 8 s have a standard
    deviation of 1.4 s. So the promise is about the ratio to a worker that does nothing but wait.
    No real one is faster, so this is the stricter reading of "times one worker".
    """
    waiting, one = 1 / mean(LATENCY_S), 0.0
    for workers, timed in bench.effort.workers.items():
        name = f"{workers} worker{'s' * (workers > 1)}"
        bench.doing(f"scaling, {name}")
        rate, idle, redis = _scaled(bench, workers, timed)
        to = f"one that only waits: {short(waiting)}"
        promised = PROMISED if workers == MOST else None
        yield Figure(SCALING, name, rate, "a second", to, rate / waiting, at_least=promised)
        one = rate if workers == 1 else one
        if one:
            own, to = rate / workers, f"one, as measured: {short(one)}"
            yield Figure(SCALING, "  each of them", own, "a second", to, own / one)
        to = f"Redis meanwhile: {short(redis)}"
        yield Figure(SCALING, "  all of them idle", idle, "% of a core", to)


def _scaled(bench: Bench, number: int, timed: int) -> tuple[float, float, float]:
    """Images a second, and what the idle workers and their Redis take, in % of a core.

    As many images are timed of each worker, from the end of the first to the end of the last, so
    that neither the start nor the moment the clock stops favours any.
    """
    slowest_s = (timed + 1) * max(LATENCY_S)
    most_each = math.ceil(slowest_s / mean(LATENCY_S)) + 3  # two are always at hand
    latency = "{}-{}".format(*LATENCY_S)
    env = {"WORKERS": str(number), "WATERMARK_PROCESSES": "1", "SIMULATED_LATENCY": latency}
    with bench.product(**env) as stack:
        workers, redis = [stack[f"worker-{n}"] for n in range(1, number + 1)], [stack["redis"]]
        time.sleep(SETTLE_S)
        before, redis_before = _cpu_s(workers), _cpu_s(redis)
        time.sleep(IDLE_S)
        idle = 100 * (_cpu_s(workers) - before) / IDLE_S
        redis_idle = 100 * (_cpu_s(redis) - redis_before) / IDLE_S
        tail = Tail(stack.activity_log)
        post_all(f"{stack.url}/media", [form(bench.small)] * most_each * number)
        tail.wait((timed + 1) * number)

        def cycles_s() -> list[float]:
            """Seconds an image, of each worker that did enough."""
            ends = (times for times in _watermark_ends(stack) if len(times) > timed)
            return [(times[timed] - times[0]) / timed for times in ends]

        until(lambda: len(cycles_s()) == number, every_s=LOOK_S)
        rate = number / mean(cycles_s())
        for worker in workers:
            worker.kill()  # what is still queued is of no interest
    return rate, idle, redis_idle


def _cpu_s(services: Sequence[Service]) -> float:
    """What they and their children have used so far."""
    parents = [psutil.Process(service.pid) for service in services]
    children = [child for parent in parents for child in parent.children(recursive=True)]
    times = [process.cpu_times() for process in parents + children]
    return math.fsum(each.user + each.system for each in times)


def fairness(bench: Bench) -> Iterator[Figure]:
    """The most that any of some idle workers does of some large images posted at once."""
    most = {"watermarked": 0, "delivered": 0}
    with bench.product(WORKERS=str(WORKERS)) as stack:
        for _ in bench.rounds("fairness"):
            tail, started = Tail(stack.activity_log), time.time()
            post_all(f"{stack.url}/media", [form(bench.large)] * IMAGES, IMAGES)
            tail.wait(IMAGES)
            until(lambda: not any((stack.upload_dir / PENDING).iterdir()))
            did = [sum(end >= started for end in ends) for ends in _watermark_ends(stack)]
            most["watermarked"] = max(most["watermarked"], *did)
            logged = Counter(line.split("WORKER: ")[1].split(" | ")[0] for line in tail.lines)
            most["delivered"] = max(most["delivered"], *logged.values())
    for what, images in most.items():
        name, evenly = f"the most that one {what}", f"evenly: {IMAGES / WORKERS:g}"
        yield Figure(FAIRNESS, name, images, "images", evenly, at_most=PROMISED_MOST)


def _watermark_ends(stack: Stack) -> list[list[float]]:
    """When each worker finished its images, in order. The log names only who delivered them."""
    folders: dict[str, Path] = {}
    for state in (PENDING, DONE):  # in this order no media is missed that moves meanwhile
        folders |= {path.name: path for path in (stack.upload_dir / state).iterdir()}
    ends = defaultdict[str, list[float]](list)
    for folder in folders.values():
        for attempt in read_progress(folder)["attempts"]:
            if attempt["stage"] == Stage.WATERMARK and attempt["ended_at"] and not attempt["error"]:
                ended = datetime.fromisoformat(attempt["ended_at"]).timestamp()
                ends[attempt["worker"]].append(ended)
    return [sorted(times) for times in ends.values()]


def depth(bench: Bench) -> Iterator[Figure]:
    """Small images a second that one worker takes from the head of a queue, long or short."""
    timed, waiting, rates = bench.effort.small, bench.effort.waiting, []
    images = [form(bench.small)] * (2 * timed + SPARE)
    with bench.product(MAX_QUEUE_DEPTH="1000000") as long, bench.product() as other:
        for stack in (long, other):
            stack["worker-1"].stop()
        bench.doing(f"queue depth, making {waiting} jobs")
        behind = [form(jpeg(size=(8, 8)))] * waiting
        post_all(f"{long.url}/media", images * bench.effort.rounds + behind)
        for _ in bench.rounds("queue depth"):
            post_all(f"{other.url}/media", images)
            os.sync()  # or what is measured next pays for it
            rates.append((_head_rate(long, timed), _head_rate(other, timed)))
    name = f"small images, {waiting} more behind them"
    yield compared(DEPTH, name, "a second", "none behind them", rates, at_least=0.9)


def _head_rate(stack: Stack, timed: int) -> float:
    """Of a worker that starts, and is timed once it has done as many images as are timed.

    By then it has also compared the queue with pending/, which happens once a minute.
    """
    tail = Tail(stack.activity_log)
    stack["worker-1"].start()
    first, started = tail.wait(timed), time.monotonic()
    rate = (tail.wait(2 * timed) - first) / (time.monotonic() - started)
    stack["worker-1"].stop()
    return rate
