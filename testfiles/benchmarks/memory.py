"""The memory of each process: at rest, with large files at once, and with photos flowing."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil  # type: ignore[import-untyped]

from benchmarks.client import form, post_all
from benchmarks.figures import Figure, short
from benchmarks.pipeline import flow, through
from benchmarks.rig import MB, Bench, empty, padded
from support.services import until

PART = "Resident memory, the most of each process"
SERVICES = {"gateway": "gateway", "central": "central", "worker": "worker-1", "redis": "redis"}
PIXELS = "largest decoder process"
PROMISED_MB = {"gateway": 100, "central": 100, "worker": 120}
LOOK_S = 0.05


def measure(bench: Bench) -> Iterator[Figure]:
    """Under each load, beside what the process has at rest.

    Central gets the large files once more by themselves: a worker delivers fewer at once, and
    drops what comes after the pixels.
    """
    number = bench.effort.large_at_once
    files = [form(padded(bench.large, 50 * MB), worker_name="bench")] * number
    with bench.product() as stack:
        central_url = f"{stack.central_url}/upload-final"
        loads: dict[str, Callable[[], float]] = {
            f"{number} x 50 MB at once": lambda: flow(stack, files, number),
            f"{number} x 50 MB at central": lambda: post_all(central_url, files, number),
            "large photos": lambda: through(stack, [bench.large] * bench.effort.photos),
        }
        through(stack, [bench.small])
        processes = {name: psutil.Process(stack[of].pid) for name, of in SERVICES.items()}
        rest = _used_mb(processes)
        for load, run in loads.items():
            bench.doing(f"memory, {load}")
            most = _most_mb(processes, run)
            until(lambda: not any((stack.upload_dir / "pending").iterdir()))
            empty(stack.upload_dir / "done")
            empty(stack.storage_dir)
            for name in ["central"] if "central" in load else most:
                at_rest = f"at rest: {short(rest[name])}"
                promised = PROMISED_MB.get(name)
                yield Figure(PART, f"{name}, {load}", most[name], "MB", at_rest, at_most=promised)


def _most_mb(
    processes: Mapping[str, psutil.Process], load: Callable[[], float]
) -> dict[str, float]:
    """The most that each process uses while the load runs."""
    most = _used_mb(processes)
    with ThreadPoolExecutor(1) as thread:
        loading = thread.submit(load)
        while not loading.done():
            most = {name: max(used, most[name]) for name, used in _used_mb(processes).items()}
            time.sleep(LOOK_S)
    loading.result()
    return most


def _used_mb(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """What each process uses now, and the largest child of the worker."""
    used = {name: process.memory_info().rss / MB for name, process in processes.items()}
    used[PIXELS] = 0
    for child in processes["worker"].children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it ended just now
            used[PIXELS] = max(used[PIXELS], child.memory_info().rss / MB)
    return used
