"""Gateway and central alone, each beside plain endpoints under the same uvicorn."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.client import Form, Poster
from benchmarks.figures import Figure, compared
from benchmarks.photos import padded
from benchmarks.rig import KB, MB, TESTFILES, Bench, uvicorn
from benchmarks.steps import of_central, of_gateway
from local_stack.host import free_ports
from local_stack.stack import ROOT
from support.fast import redis_server

GATEWAY, CENTRAL = "Gateway alone", "Central alone"
PRODUCT, PLAIN, DURABLE = "product", "plain", "plain, as durable"
PROMISED = {80 * KB: 1.2, 2 * MB: 1.3, 50 * MB: 1.3}  # of the gateway's uploads a second
CLIENTS = 8
MOST_STEPS = 40
ROOM = 100 * MB
Make = Callable[[bytes], Form]
Steps = Callable[[Path, bytes, int], dict[str, float]]


@dataclass(frozen=True)
class Service:
    """One of several that do the same."""

    url: str
    clear: Callable[[], None]  # away with what was uploaded

    def rate(self, forms: list[Form], clients: int = CLIENTS) -> float:
        """Uploads a second."""
        try:
            with Poster(self.url, clients) as poster:
                return len(forms) / poster.post_all(forms)
        finally:
            # The disk is not to fill; but nobody deletes uploads between uploads (Bench.folder).
            if len(forms) * len(forms[0].body) > ROOM:
                self.clear()
            os.sync()  # or whoever is measured next pays for it


Sides = dict[str, Service]  # the product's, and what it is compared with


def gateway(bench: Bench) -> Iterator[Figure]:
    """Uploads a second with no worker behind it, and what each step of one takes."""
    with _gateways(bench) as sides:
        for size in bench.effort.uploads:
            yield from _at_size(bench, GATEWAY, sides, size, Form.of, of_gateway)


def central(bench: Bench) -> Iterator[Figure]:
    """The same of central, which is sent each image under a name of its own."""
    names = count()

    def form(content: bytes) -> Form:
        return Form.of(content, f"watermarked_{next(names)}.jpg", worker_name="bench")

    with _centrals(bench) as sides:
        for size in bench.effort.uploads:
            yield from _at_size(bench, CENTRAL, sides, size, form, of_central)


def _at_size(
    bench: Bench, part: str, sides: Sides, size: int, form: Make, steps: Steps
) -> Iterator[Figure]:
    label = f"{size / MB:g} MB" if size >= MB else f"{size / KB:g} KB"
    number, rounds = bench.effort.uploads[size], bench.effort.rounds
    content = padded(bench.small, size)
    for service in sides.values():
        service.rate([form(content) for _ in range(max(1, number // 8))])
    at_once: dict[str, list[float]] = {name: [] for name in sides}
    alone: dict[str, list[float]] = {name: [] for name in sides}
    for n in range(1, rounds + 1):
        bench.doing(f"{part.lower()}, {label}, round {n} of {rounds}")
        order = list(sides.items())[:: 1 if n % 2 else -1]
        for name, service in order:
            at_once[name].append(service.rate([form(content) for _ in range(number)]))
        for name, service in order:
            few = [form(content) for _ in range(max(1, number // 8))]
            alone[name].append(1000 / service.rate(few, clients=1))
    promises = {PLAIN: {"at_least": PROMISED[size]}} if part == GATEWAY and size in PROMISED else {}
    together = f"{label}, {min(CLIENTS, number)} at once"
    _, *references = sides
    for name in references:
        pairs = list(zip(at_once[PRODUCT], at_once[name], strict=True))
        yield compared(part, together, "a second", name, pairs, **promises.get(name, {}))
    for name in references:
        pairs = list(zip(alone[PRODUCT], alone[name], strict=True))
        yield compared(part, f"{label}, one at a time", "ms", name, pairs)
    bench.doing(f"{part.lower()}, {label}, step by step")
    taken = steps(bench.new_folder(), content, min(number, MOST_STEPS))
    for name, step_ms in taken.items():
        yield Figure(
            part, f"  {name}", step_ms, "ms", "one at a time", step_ms / median(alone[PRODUCT])
        )


@contextmanager
def _gateways(bench: Bench) -> Iterator[Sides]:
    """The product's and the plain ones, each of the two with a Redis of its own."""
    with ExitStack() as opened:

        def started(app: str, cwd: Path, received: str, *paths: str) -> list[Service]:
            run_dir = bench.new_folder()
            redis = opened.enter_context(redis_server(run_dir))
            env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(run_dir / "uploads")}
            url = _started(opened, app, cwd, env)

            def clear() -> None:
                _empty(run_dir / received)
                redis.client.flushall()

            return [Service(f"{url}{path}", clear) for path in paths]

        product = started("main:app", ROOT / "fast-server", "uploads/pending", "/media")
        plain = started(
            "benchmarks.plain:gateway", TESTFILES, "uploads", "/media", "/media-durable"
        )
        yield dict(zip((PRODUCT, PLAIN, DURABLE), product + plain, strict=True))


@contextmanager
def _centrals(bench: Bench) -> Iterator[Sides]:
    with ExitStack() as opened:

        def started(app: str, cwd: Path) -> Service:
            run_dir = bench.new_folder()
            storage = run_dir / "storage"
            env = {"STORAGE_DIR": str(storage), "ACTIVITY_LOG": str(run_dir / "activity.log")}
            url = _started(opened, app, cwd, env)
            return Service(f"{url}/upload-final", partial(_empty, storage))

        yield {
            PRODUCT: started("main:app", ROOT / "central-server"),
            PLAIN: started("benchmarks.plain:central", TESTFILES),
        }


def _started(opened: ExitStack, app: str, cwd: Path, env: dict[str, str]) -> str:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    own = ("--http", "shared.web.connection:Connection") if app == "main:app" else ()
    opened.enter_context(uvicorn(app, url, env, cwd, *own))
    return url


def _empty(folder: Path) -> None:
    """But for what is hidden: central's records."""
    for path in folder.glob("[!.]*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
