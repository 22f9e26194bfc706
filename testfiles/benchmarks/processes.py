"""What processes take of the machine, as the kernel counts it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import psutil  # type: ignore[import-untyped]

_LOOK_S = 0.05


class Memory:
    """The resident memory of processes, by name.

    largest_children names the largest child of those of them where it is wanted.
    """

    def __init__(self, pids: Mapping[str, int], largest_children: Mapping[str, str]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._largest_children = largest_children

    def now(self) -> dict[str, int]:
        """Bytes, by name."""
        found = {name: _rss(process) for name, process in self._processes.items()}
        for name, child_name in self._largest_children.items():
            children = self._processes[name].children(recursive=True)
            found[child_name] = max(map(_rss, children), default=0)
        return found

    @contextmanager
    def watched(self) -> Iterator[dict[str, int]]:
        """The most that each has within the context."""
        most, stop = self.now(), threading.Event()

        def watch() -> None:
            while not stop.wait(_LOOK_S):
                for name, size in self.now().items():
                    most[name] = max(most[name], size)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield most
        finally:
            stop.set()
            watcher.join()


def cpu_seconds(pids: Sequence[int]) -> float:
    """What they and their children, as far as these live, have used since they began."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def _rss(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):  # it ended just now
        size: int = process.memory_info().rss
        return size
    return 0
