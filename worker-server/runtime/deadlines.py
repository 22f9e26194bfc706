"""Time limits that do not run out while the process is frozen."""

import asyncio
from collections.abc import Coroutine
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
