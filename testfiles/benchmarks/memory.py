"""The memory of each process: at rest, with large files at once, and with photos flowing."""

import shutil
from collections.abc import Callable, Iterator

from benchmarks.client import Form, Poster, Tail
from benchmarks.figures import Figure, short
from benchmarks.photos import padded
from benchmarks.pipeline import through
from benchmarks.processes import Memory
from benchmarks.rig import MB, Bench
from local_stack.stack import Stack
from support.services import until

PART = "Resident memory, the most of each process"
SERVICES = {"gateway": "gateway", "central": "central", "worker": "worker-1", "redis": "redis"}
PIXELS = "largest pixel process"
PROMISED_MB = {"gateway": 100, "central": 100, "worker": 120}
ONE_FILE = 50 * MB


def measure(bench: Bench) -> Iterator[Figure]:
    """Under each load, beside what it has at rest. Also alone what central has to take: a
    worker delivers fewer at once, and drops what comes after the pixels."""
    number = bench.effort.large_at_once
    files = [Form.of(padded(bench.large, ONE_FILE), worker_name="bench")] * number
    loads: dict[str, Callable[[Stack], object]] = {
        f"{number} x 50 MB at once": lambda stack: _uploaded(stack, files),
        f"{number} x 50 MB at central": lambda stack: _delivered(stack, files),
        "large photos": lambda stack: through(stack, [bench.large] * bench.effort.photos),
    }
    with bench.product() as stack:
        through(stack, [bench.small])
        pids = {name: stack[service].pid for name, service in SERVICES.items()}
        memory = Memory(pids, largest_children={"worker": PIXELS})
        rest = memory.now()
        for load, run in loads.items():
            bench.doing(f"memory, {load}")
            with memory.watched() as most:
                run(stack)
            _remove_images(stack)
            for name in ["central"] if "central" in load else [*SERVICES, PIXELS]:
                at_rest = f"at rest: {short(rest[name] / MB)}"
                promised = PROMISED_MB.get(name)
                used = most[name] / MB
                yield Figure(PART, f"{name}, {load}", used, "MB", at_rest, at_most=promised)


def _uploaded(stack: Stack, files: list[Form]) -> None:
    """All at once, until the last is stored."""
    tail = Tail(stack.activity_log)
    with Poster(f"{stack.url}/media", len(files)) as poster:
        poster.post_all(files)
        tail.wait(len(files))


def _delivered(stack: Stack, files: list[Form]) -> None:
    with Poster(f"{stack.central_url}/upload-final", len(files)) as poster:
        poster.post_all(files)


def _remove_images(stack: Stack) -> None:
    """They are large, and nobody will ask for them."""
    until(lambda: not any((stack.upload_dir / "pending").iterdir()))
    for folder in (stack.upload_dir / "done").iterdir():
        shutil.rmtree(folder)
    for image in stack.storage_dir.glob("[!.]*"):
        image.unlink()
