"""Runs uvicorn, with what a test wants of the operating system; central-server knows nothing of it.

    CRASH_AT=n      kill -9 before the n-th step (from 0) since the file DISARMED was removed
    HALF_A_STEP=1   but have half of that step happen where it is a write or an answer
    NO_FSYNC=1      fsync returns at once

A step changes the disk, or sends (a part of) an answer.
"""

import os
import runpy
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

DISARMED = "disarmed"
STEPS = ("fsync", "link", "replace", "symlink", "unlink", "write")
PARTIAL = ("write", "send")


class Crash:
    """Counts the steps of all threads and ends the process before one of them."""

    def __init__(self, crash_at: int, *, half_a_step: bool) -> None:
        self._left = crash_at
        self._half_a_step = half_a_step
        self._one_at_a_time = threading.RLock()

    def before(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            if Path(DISARMED).exists():
                return call(*args, **options)
            with self._one_at_a_time:
                if self._left == 0:
                    self._end(step, call, *args)
                self._left -= 1
            return call(*args, **options)

        return counted

    def _end(self, step: str, call: Callable[..., Any], *args: Any) -> None:
        if self._half_a_step and step in PARTIAL:
            target, data = args
            call(target, bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)


def answering(crash: Crash) -> Any:
    """Only over the network: asyncio's threads wake its loop by a socket as well."""
    send = socket.socket.send
    counted = crash.before("send", send)

    def either(to: socket.socket, *args: Any) -> Any:
        return (counted if to.family == socket.AF_INET else send)(to, *args)

    return either


def arm(crash: Crash) -> None:
    for step in STEPS:
        setattr(os, step, crash.before(step, getattr(os, step)))
    socket.socket.send = answering(crash)  # type: ignore[method-assign]


if __name__ == "__main__":
    if "CRASH_AT" in os.environ:
        at, half = int(os.environ["CRASH_AT"]), bool(os.environ.get("HALF_A_STEP"))
        arm(Crash(at, half_a_step=half))
    if os.environ.get("NO_FSYNC"):
        os.fsync = lambda fd: None
    sys.path[0] = str(Path.cwd())  # not this folder: it has an archive and a queue of its own
    sys.argv += ["--loop", "asyncio"]  # uvloop sends past Python's sockets
    runpy.run_module("uvicorn", run_name="__main__")
