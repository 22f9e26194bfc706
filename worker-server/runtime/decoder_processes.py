"""Child processes for everything that decodes pixels: killable, with a memory and a time limit."""

import ctypes
import faulthandler
import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import anyio
from anyio import BrokenWorkerProcess, to_process
from ulid import ULID

from errors import DecoderFailed, DecoderKilled, ImageRejected, StageError
from runtime import malloc
from runtime.deadlines import within

Args = TypeVarTuple("Args")
Result = TypeVar("Result")

_STARTS = 10
_BEGUN = "begun\n"
_MOST_FILES = 64
_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
_libc = ctypes.CDLL(None)
_was_called = False  # in a child


class PixelProcesses:
    """At most `processes` calls at a time, each in a child process of its own.

    reports is a folder for what crashing children leave behind.
    """

    def __init__(self, processes: int, timeout_s: float, memory_mb: int, reports: Path) -> None:
        os.environ.update(malloc.ENVIRONMENT)  # children read it as they start
        self.slots = anyio.Semaphore(processes)
        self._processes = processes
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._folder = reports
        self._reports: list[Path] = []  # those that no call uses
        # The slots limit; anyio's limiter would count waiting for a slot as time used.
        self._no_limit = anyio.CapacityLimiter(math.inf)

    async def warm_up(self, load: Callable[[], object]) -> None:
        """Start every process and call load in it, so that no image waits for that."""
        async with anyio.create_task_group() as group:
            for _ in range(self._processes):
                group.start_soon(self._warm_up_one, load)

    async def run(self, function: Callable[[*Args], Result], *args: *Args) -> Result:
        """Call function in a child process; the caller holds a slot.

        Raises DecoderFailed, DecoderKilled, ImageRejected (memory), or what function raises.
        """
        fresh = False
        for _ in range(_STARTS + self._processes):
            report = self._empty_report()
            try:
                return await within(self._timeout_s, self._call(report, fresh, function, *args))
            except TimeoutError:
                detail = f"Decoding took longer than {self._timeout_s:g} s."
                raise DecoderFailed("time_limit", detail) from None
            except MemoryError:
                if not fresh:  # what earlier images left in the child counts too: not in a new one
                    fresh = True
                    continue
                detail = f"The image needs more than {self._memory_mb} MB (WATERMARK_MEMORY_MB)."
                raise ImageRejected("memory_limit", detail) from None
            # anyio lets the latter escape where a child dies while it starts.
            except (BrokenWorkerProcess, ProcessLookupError):
                said = report.read_text(errors="replace") if report.exists() else ""
                if said:
                    raise _death(said.removeprefix(_BEGUN)) from None
                # It was dead before the call began: no fault of the image, the next one serves.
            finally:
                self._reports.append(report)
        raise DecoderKilled("decoder_killed", "Process after process was killed as it started.")

    def _empty_report(self) -> Path:
        """One that was used before if possible: a file made and removed for each call is dear."""
        path = self._reports.pop() if self._reports else self._folder / f"{ULID()}.crash"
        self._folder.mkdir(exist_ok=True)  # somebody tidied up /tmp
        path.write_bytes(b"")
        return path

    async def _warm_up_one(self, load: Callable[[], object]) -> None:
        with suppress(StageError):  # the first image will start one, and tell
            await self.run(load)

    def _call(
        self, report: Path, fresh: bool, function: Callable[[*Args], Result], *args: *Args
    ) -> Coroutine[Any, Any, Result]:
        return to_process.run_sync(
            _call_limited,
            self._memory_mb,
            report,
            fresh,
            function,
            args,
            cancellable=True,
            limiter=self._no_limit,
        )


def _call_limited(
    memory_mb: int,
    report: Path,
    fresh: bool,
    function: Callable[[*Args], Result],
    args: tuple[*Args],
) -> Result:
    """Runs in the child. A terminal's Ctrl-C goes to the whole group; the parent decides.

    The report is not empty from here on; a crash, other than a SIGKILL, writes to it. With fresh a
    child that has been called before makes room for a new one.
    """
    global _was_called
    if fresh and _was_called:
        os._exit(0)
    _was_called = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A pipe that nobody empties: libtiff writes to it, and would hang once it is full.
    os.dup2(sys.stderr.fileno(), 2)
    _restrict(memory_mb * 1024 * 1024)
    # Emptied already: ext4 writes a file to the disk at once that is emptied and written anew.
    with report.open("ab", buffering=0) as file:
        file.write(_BEGUN.encode())
        faulthandler.enable(file)
        try:
            return function(*args)
        finally:
            malloc.give_back()
            faulthandler.disable()


def _restrict(memory_bytes: int) -> None:
    """A decoder that is taken over has what its worker has, but gains nothing more: README, Trust.

    The number of processes is not limited: it would count all of this user's, on the whole host.
    Nor is CPU time, which adds up over a child's life.
    """
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, memory_bytes),  # what is written was in memory before
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _death(report: str) -> StageError:
    """What ended a child: faulthandler wrote of every signal that a decoder can cause itself."""
    if report:
        said = report.partition("\n")[0]
        return DecoderFailed("decoder_crashed", f"The image's decoder crashed: {said}.")
    detail = "The process that decoded the image was killed: by hand, or for want of memory."
    return DecoderKilled("decoder_killed", detail)
