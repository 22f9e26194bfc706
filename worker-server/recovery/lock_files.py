"""Files in the uploads volume that a worker locks and notes a time in, for the others."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from shared import durable

Number = TypeVar("Number", int, float)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A lock file's descriptor. Raises OSError."""
    fd = durable.open_own(path)
    try:
        yield fd
    finally:
        os.close(fd)


def lock(fd: int) -> None:
    """Lock the file until it is closed. Raises BlockingIOError where another worker has it."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def noted(fd: int, number: Callable[[bytes], Number]) -> Number:
    """The time in the file, as an int or a float; 0 where there is none."""
    try:
        return number(os.pread(fd, 32, 0))
    except ValueError:
        return number(b"0")


def note(fd: int, time: float) -> None:
    """Put a time into the file, in place of the one before."""
    os.pwrite(fd, f"{time:32}".encode(), 0)
