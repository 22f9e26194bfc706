"""Time limits that do not run out while the process is frozen, and cancelling that succeeds."""

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

_TICK_S = 1.0


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """Like asyncio.timeout, but of the time that this process is frozen only a tick counts.

    So a SIGSTOP, a paused container or a suspended laptop uses up no image's time. Raises
    TimeoutError.
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
    """Cancel tasks until they end.

    On Python 3.11 once is not enough: its wait_for, which redis-py calls, may lose a cancellation
    (bpo-37658), and a task that polls would never end.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_TICK_S)
