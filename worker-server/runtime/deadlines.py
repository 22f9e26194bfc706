"""Time limits that do not run out while the process is frozen, and ends that are not missed."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_TICK_S = 1.0


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """asyncio.timeout, but of the time for which this process was frozen only a tick counts:
    no image is charged for a SIGSTOP, a paused container or a suspended laptop.

    Raises TimeoutError.
    """
    task = asyncio.ensure_future(work)
    try:
        while seconds > 0 and not task.done():
            tick = min(seconds, _TICK_S)
            await asyncio.wait([task], timeout=tick)
            seconds -= tick
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel them until they are over.

    Once is not enough on Python 3.11: its wait_for, which redis-py calls, may lose a cancellation
    (bpo-37658), and who polls for ever would do so.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_TICK_S)
