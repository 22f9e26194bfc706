"""What every part of the bench works with: how much to do, on which images, in which processes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from local_stack.host import StackError, free_ports
from local_stack.stack import ROOT, Stack
from support.fast import redis_server
from support.services import until

LOGO = ROOT / "worker-server" / "bundled_logo.png"
TESTFILES = ROOT / "testfiles"


KB, MB = 1000, 1_000_000


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int
    photos: int  # a round
    small: int
    latencies: int
    uploads: Mapping[int, int]  # how many a round of each size in bytes
    large_at_once: int  # uploads of 50 MB
    workers: Mapping[int, int]  # how many images of each worker are timed, by number of workers
    queued: int  # small images that are timed with and without waiting jobs behind them
    waiting: int


FULL = Effort(
    rounds=3,
    photos=90,
    small=300,
    latencies=300,
    uploads={80 * KB: 400, 2 * MB: 80, 50 * MB: 8},
    large_at_once=20,
    workers={1: 8, 2: 6, 4: 5, 8: 5, 16: 5, 32: 6},
    queued=400,
    waiting=50_000,
)
QUICK = Effort(
    rounds=1,
    photos=9,
    small=60,
    latencies=20,
    uploads={80 * KB: 120, 2 * MB: 24, 50 * MB: 4},
    large_at_once=10,
    workers={2: 1},
    queued=150,
    waiting=5_000,
)


class Doing(Protocol):
    """Says what is done right now, or how far what was said last is done."""

    def __call__(self, what: str, done: int = 0, of: int = 0, /) -> None: ...


@dataclass(frozen=True)
class Bench:
    """folder is a place on a real disk, removed when all is measured: some file systems (ext4
    without a journal) are slow to make files for minutes after others were deleted."""

    folder: Path
    effort: Effort
    photos: list[bytes]
    small: bytes
    doing: Doing

    @property
    def large(self) -> bytes:
        """The largest photo; of those that are generated the one of 12 megapixels."""
        return max(self.photos, key=len)

    def new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    @contextmanager
    def product(self, **env: str) -> Iterator[Stack]:
        """The product's services, as `make run` starts them; env has settings of theirs."""
        with Stack(self.new_folder(), {"GOOGLE_LOGO": str(LOGO), **env}) as stack:
            yield stack

    @contextmanager
    def plain(self) -> Iterator["Plain"]:
        """The plain pipeline's."""
        folder, (port, central_port) = self.new_folder(), free_ports(2)
        with redis_server(folder) as redis:
            plain = Plain(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{central_port}", folder)
            env = {
                "UPLOAD_DIR": str(folder / "uploads"),
                "STORAGE_DIR": str(folder / "storage"),
                "ACTIVITY_LOG": str(plain.activity_log),
                "REDIS_URL": redis.url,
                "CENTRAL_SERVER_URL": f"{plain.central_url}/upload-final",
                "GOOGLE_LOGO": str(LOGO),
            }
            with ExitStack() as processes:
                for app, url in (("gateway", plain.url), ("central", plain.central_url)):
                    processes.enter_context(uvicorn(f"benchmarks.plain:{app}", url, env, TESTFILES))
                processes.enter_context(
                    process(["-m", "arq", "benchmarks.plain.Worker"], env, TESTFILES)
                )
                yield plain


@dataclass(frozen=True)
class Plain:
    url: str
    central_url: str
    folder: Path

    @property
    def activity_log(self) -> Path:
        return self.folder / "activity.log"


@contextmanager
def process(
    arguments: list[str], env: Mapping[str, str], cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process, ended with the context."""
    running = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches the bench alone, which ends them in order
    )
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


@contextmanager
def uvicorn(
    app: str, url: str, env: Mapping[str, str], cwd: Path, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """An app that answers."""
    port = str(urlsplit(url).port)
    arguments = ["-m", "uvicorn", app, "--port", port, "--no-access-log", "--log-level", "warning"]
    with process([*arguments, *options], env, cwd) as running:
        until(lambda: running.poll() is not None or _answers(url))
        if running.poll() is not None:
            raise StackError(f"uvicorn {app} ended with status {running.returncode}.")
        yield running


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


def kill(stack: Stack, workers: int) -> None:
    """End all at once: what is still queued is of no interest."""
    names = [f"worker-{number}" for number in range(1, workers + 1)]
    for name in [*names, "gateway", "central", "redis"]:
        stack[name].kill()
