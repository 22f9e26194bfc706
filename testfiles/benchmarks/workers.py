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

    As many images are timed of each worker, from the end of the first to the end of the last, so
    that neither the start nor the moment the clock stops favours any. Even so one worker's rate
    is uncertain by 9 % after 8 images: latencies from 3 to 8 s have a standard deviation of 1.4 s.
    So the promise is about the ratio to a worker that does nothing but wait. No real one is
    faster, so this is the stricter reading of "times one worker".
    """
    waiting, one = 1 / mean(LATENCY_S), 0.0
    for workers, timed in bench.effort.workers.items():
        rate, idle, redis = _scaled(bench, workers, timed)
        name, to = _name(workers), f"one that only waits: {short(waiting)}"
        promised = PROMISED if workers == MOST else None
        yield Figure(SCALING, name, rate, "a second", to, rate / waiting, at_least=promised)
        one = rate if workers == 1 else one
        if one:
            own, to = rate / workers, f"one, as measured: {short(one)}"
            yield Figure(SCALING, "  each of them", own, "a second", to, own / one)
        to = f"Redis meanwhile: {short(redis)}"
        yield Figure(SCALING, "  all of them idle", idle, "% of a core", to)


def _scaled(bench: Bench, number: int, timed: int) -> tuple[float, float, float]:
    """Images a second, and what the idle workers and their Redis take, in % of a core."""
    env = {"WORKERS": str(number), "WATERMARK_PROCESSES": "1"}
    env["SIMULATED_LATENCY"] = "{}-{}".format(*LATENCY_S)
    bench.doing(f"scaling, {_name(number)} starting")
    with bench.product(**env) as stack:
        bench.doing(f"scaling, {_name(number)} idle")
        workers = [stack[f"worker-{n}"] for n in range(1, number + 1)]
        time.sleep(SETTLE_S)
        idle, redis = _cpu_percents([worker.pid for worker in workers], [stack["redis"].pid])
        bench.doing(f"scaling, {_name(number)} at work")
        cycle_s = _cycle_s(bench, stack, number, timed)
        for worker in workers:
            worker.kill()  # what is still queued is of no interest
    return number / cycle_s, idle, redis


def _cpu_percents(*groups: Sequence[int]) -> list[float]:
    """What each group of processes, with their children, takes of a core."""
    before = [sum(map(_cpu_s, pids)) for pids in groups]
    time.sleep(IDLE_S)
    after = [sum(map(_cpu_s, pids)) for pids in groups]
    return [100 * (b - a) / IDLE_S for a, b in zip(before, after, strict=True)]


def _cpu_s(pid: int) -> float:
    process = psutil.Process(pid)
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return math.fsum(each.user + each.system for each in times)


def _cycle_s(bench: Bench, stack: Stack, workers: int, timed: int) -> float:
    """Seconds from the end of one image to that of the next, of the same worker, on average."""
    slowest_s = (timed + 1) * max(LATENCY_S)
    most_each = math.ceil(slowest_s / mean(LATENCY_S)) + 3  # two are always at hand
    tail = Tail(stack.activity_log)
    post_all(f"{stack.url}/media", [form(bench.small)] * most_each * workers)
    tail.wait((timed + 1) * workers)
    ends: list[list[float]] = []

    def all_are_timed() -> bool:
        ends[:] = _watermark_ends(stack)
        return sum(len(times) > timed for times in ends) == workers

    until(all_are_timed, every_s=LOOK_S)
    return mean((times[timed] - times[0]) / timed for times in ends)


def fairness(bench: Bench) -> Iterator[Figure]:
    """The most that any of some idle workers does of some large images posted at once."""
    watermarked, delivered = 0, 0
    with bench.product(WORKERS=str(WORKERS)) as stack:
        for _ in bench.rounds("fairness"):
            tail, started = Tail(stack.activity_log), time.time()
            post_all(f"{stack.url}/media", [form(bench.large)] * IMAGES, IMAGES)
            tail.wait(IMAGES)
            until(lambda: not any((stack.upload_dir / PENDING).iterdir()))
            for ends in _watermark_ends(stack):
                watermarked = max(watermarked, sum(end >= started for end in ends))
            delivers = Counter(line.split("WORKER: ")[1].split(" | ")[0] for line in tail.lines)
            delivered = max(delivered, *delivers.values())
    evenly = f"evenly: {IMAGES / WORKERS:g}"
    for did, most in (("watermarked", watermarked), ("delivered", delivered)):
        row = f"the most that one {did}"
        yield Figure(FAIRNESS, row, most, "images", evenly, at_most=PROMISED_MOST)


def depth(bench: Bench) -> Iterator[Figure]:
    """Small images a second that one worker takes from the head of a queue, long or short.

    It starts for each round, and is timed once it has done as many as are timed: by then it has
    also compared the queue with pending/, which takes about a second and happens once a minute.
    """
    effort, rates = bench.effort, []
    images = [form(bench.small)] * (2 * effort.queued + SPARE)
    behind = [form(jpeg(size=(8, 8)))] * effort.waiting
    with bench.product(MAX_QUEUE_DEPTH="1000000") as long, bench.product() as short_one:
        for stack in (long, short_one):
            stack["worker-1"].stop()
        bench.doing(f"queue depth, making {effort.waiting} jobs")
        post_all(f"{long.url}/media", images * effort.rounds + behind)
        for number in bench.rounds("queue depth"):
            post_all(f"{short_one.url}/media", images)
            os.sync()  # or what is measured next pays for it
            order = (short_one, long) if number % 2 else (long, short_one)
            found = {stack.url: _head_rate(stack, effort.queued) for stack in order}
            rates.append((found[long.url], found[short_one.url]))
    name = f"small images, {effort.waiting} more behind them"
    yield compared(DEPTH, name, "a second", "none behind them", rates, at_least=0.9)


def _head_rate(stack: Stack, images: int) -> float:
    tail = Tail(stack.activity_log)
    stack["worker-1"].start()
    first, started = tail.wait(images), time.monotonic()
    rate = (tail.wait(2 * images) - first) / (time.monotonic() - started)
    stack["worker-1"].stop()
    return rate


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


def _name(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"
