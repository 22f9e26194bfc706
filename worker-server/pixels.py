"""Child processes for everything that decodes pixels: killable, with a memory and a time limit."""

import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import BrokenWorkerProcess, to_process
from PIL import Image

from errors import DecoderFailed, ImageRejected

Args = TypeVarTuple("Args")
Result = TypeVar("Result")


class PixelProcesses:
    """At most `processes` calls at a time, each in a child process of its own."""

    def __init__(self, processes: int, timeout_s: float, memory_mb: int) -> None:
        self.slots = anyio.Semaphore(processes)
        self._processes = processes
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        # The slots limit; anyio's limiter would count waiting for a slot as time used.
        self._no_limit = anyio.CapacityLimiter(math.inf)

    async def warm_up(self) -> None:
        """Start every process with the image library loaded, so that no image waits for that."""
        async with anyio.create_task_group() as group:
            for _ in range(self._processes):
                group.start_soon(self.run, Image.init)

    async def run(self, function: Callable[[*Args], Result], *args: *Args) -> Result:
        """Call function in a child process; the caller holds a slot.

        Raises DecoderFailed, ImageRejected (memory), or what function itself raises.
        """
        try:
            with anyio.fail_after(self._timeout_s):
                return await to_process.run_sync(
                    _call_limited,
                    self._memory_mb,
                    function,
                    args,
                    cancellable=True,
                    limiter=self._no_limit,
                )
        except TimeoutError:
            detail = f"Decoding took longer than {self._timeout_s:g} s."
            raise DecoderFailed("time_limit", detail) from None
        # anyio lets the latter escape where a child dies while it starts.
        except (BrokenWorkerProcess, ProcessLookupError):
            detail = "The process that decoded the image died, perhaps for want of memory."
            raise DecoderFailed("decoder_crashed", detail) from None
        except MemoryError:
            detail = f"Decoding needs more than {self._memory_mb} MB (WATERMARK_MEMORY_MB)."
            raise ImageRejected("memory_limit", detail) from None


def _call_limited(
    memory_mb: int, function: Callable[[*Args], Result], args: tuple[*Args]
) -> Result:
    """Runs in the child. A terminal's Ctrl-C goes to the whole group; the parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A pipe that nobody empties: libtiff writes to it, and would hang once it is full.
    os.dup2(sys.stderr.fileno(), 2)
    limit = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return function(*args)
