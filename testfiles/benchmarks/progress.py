"""What the bench is doing: a bar at a terminal, else a line for each thing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Meter(Protocol):
    """Its doing() is a benchmarks.rig.Doing."""

    def doing(self, what: str, done: int = 0, of: int = 0, /) -> None: ...

    def part_done(self) -> None: ...


@contextmanager
def meter(console: Console, parts: int) -> Iterator[Meter]:
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress, parts)


class _Lines:
    def __init__(self) -> None:
        self._started = time.monotonic()

    def doing(self, what: str, _done: int = 0, _of: int = 0, /) -> None:
        if what:
            print(f"{time.monotonic() - self._started:6.1f} s  {what}", flush=True)

    def part_done(self) -> None:
        pass


class _Bars:
    """One of the whole, above one of what is done right now."""

    def __init__(self, progress: Progress, parts: int) -> None:
        self._progress = progress
        self._parts = progress.add_task("of all parts", total=parts)
        self._now = progress.add_task("", total=None)

    def doing(self, what: str, done: int = 0, of: int = 0, /) -> None:
        if what:
            self._progress.reset(self._now, description=what, total=None)
        if of:
            self._progress.update(self._now, completed=done, total=of)

    def part_done(self) -> None:
        self._progress.advance(self._parts)
