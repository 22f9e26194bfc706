"""The processes in which all pixels are decoded, with a memory and a time limit."""

import ctypes
import faulthandler
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import BrokenWorkerProcess, to_process
from ulid import ULID

from errors import DecoderFailed, DecoderKilled, ImageRejected, StageError
from runtime import malloc
from runtime.deadlines import within
from runtime.process_slots import ProcessSlots
from shared.contract import MIB

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

_MAX_STARTS = 10
_BEGUN = "begun\n"
_MAX_FILES = 64
_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
_libc = ctypes.CDLL(None)
_was_called = False  # in a decoder process


class DecoderProcesses:
    """Runs at most `processes` calls at a time, each in a decoder process of its own.

    reports is a folder for the reports of those that crash.
    """

    def __init__(self, processes: int, timeout_s: float, memory_mb: int, reports: Path) -> None:
        os.environ.update(malloc.ENVIRONMENT)  # they read it as they start
        self.slots = ProcessSlots(processes)
        self._processes = processes
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._folder = reports
        self._reports: list[Path] = []  # those that no call uses now
        # The slots are the limit: waiting for anyio's limiter would count as time of the image.
        self._no_limit = anyio.CapacityLimiter(math.inf)

    async def warm_up(self, load: Callable[[], object]) -> None:
        """Start every process and call load in it, so that the first images need not wait."""
        async with anyio.create_task_group() as group:
            for _ in range(self._processes):
                group.start_soon(self._warm_up_one, load)

    async def run(self, function: Callable[[*Args], Result], *args: *Args) -> Result:
        """Call function in a decoder process. The caller holds a slot.

        Raises DecoderFailed, DecoderKilled, ImageRejected (memory), or what function raises.
        """
        fresh = False
        for _ in range(_MAX_STARTS + self._processes):
            report = self._empty_report()
            call = to_process.run_sync(
                _call_limited,
                self._memory_mb,
                report,
                fresh,
                function,
                args,
                cancellable=True,
                limiter=self._no_limit,
            )
            try:
                return await within(self._timeout_s, call)
            except TimeoutError:
                detail = f"Decoding took longer than {self._timeout_s:g} s."
                raise DecoderFailed("time_limit", detail) from None
            except MemoryError:
                if not fresh:  # memory that earlier images used counts too, but not in a new one
                    fresh = True
                    continue
                detail = f"The image needs more than {self._memory_mb} MB (WATERMARK_MEMORY_MB)."
                raise ImageRejected("memory_limit", detail) from None
            # anyio raises the latter where a process dies while it starts.
            except (BrokenWorkerProcess, ProcessLookupError):
                said = report.read_text(errors="replace") if report.exists() else ""
                if said:
                    raise _death(said.removeprefix(_BEGUN)) from None
                # It was dead before the call began. The image is not at fault: try another.
            finally:
                self._reports.append(report)
        raise DecoderKilled("decoder_killed", "Process after process was killed as it started.")

    def _empty_report(self) -> Path:
        """A file, used again: to create and remove one for each call takes 3% of a small image."""
        path = self._reports.pop() if self._reports else self._folder / f"{ULID()}.crash"
        self._folder.mkdir(exist_ok=True)  # /tmp may have been cleaned
        path.write_bytes(b"")
        return path

    async def _warm_up_one(self, load: Callable[[], object]) -> None:
        with suppress(StageError):  # the first image starts one again, and reports the error
            await self.run(load)


def _call_limited(
    memory_mb: int,
    report: Path,
    fresh: bool,
    function: Callable[[*Args], Result],
    args: tuple[*Args],
) -> Result:
    """Runs in a decoder process. Ignores a terminal's Ctrl-C: the worker decides when it ends.

    The report shows that the call began. A crash writes its signal to it, except a SIGKILL. With
    fresh, a process that has been called before ends, and a new one takes its place.
    """
    global _was_called
    if fresh and _was_called:
        os._exit(0)
    _was_called = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Descriptor 2 is a pipe that nobody reads: libtiff would hang once it is full.
    os.dup2(sys.stderr.fileno(), 2)
    _restrict(memory_mb * MIB)
    # Not "wb": ext4 writes a file to the disk at once when it is truncated and written anew.
    with report.open("ab", buffering=0) as file:
        file.write(_BEGUN.encode())
        faulthandler.enable(file)
        try:
            return function(*args)
        finally:
            malloc.trim()
            faulthandler.disable()


def _restrict(memory_bytes: int) -> None:
    """A decoder that is taken over can do what its worker can, and no more (README, Trust).

    The number of processes is not limited: that limit counts all processes of this user on the
    host. CPU time is not limited: it adds up over a process's life.
    """
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, memory_bytes),  # a file is in memory before it is written
        (resource.RLIMIT_NOFILE, _MAX_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _death(report: str) -> StageError:
    """Why a process ended: faulthandler reports every signal that a decoder can cause itself."""
    if report:
        said = report.partition("\n")[0]
        return DecoderFailed("decoder_crashed", f"The image's decoder crashed: {said}.")
    detail = "The process that decoded the image was killed: by hand, or for want of memory."
    return DecoderKilled("decoder_killed", detail)
