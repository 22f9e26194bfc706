"""Work beside the event loop: steps in threads, repeated steps, and their end."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from shared import console

Result = TypeVar("Result")

_CANCEL_AGAIN_S = 1.0


async def in_thread(step: Callable[[], Result]) -> Result:
    """Run a step in a thread, to its end even when cancelled: what it works on stays locked."""
    running = asyncio.get_running_loop().run_in_executor(None, step)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.gather(running, return_exceptions=True)
        raise


async def repeat(what: str, step: Callable[[], Awaitable[object]], pause_s: float) -> None:
    """Run step now, and again pause_s after each end, until cancelled.

    An exception ends that run alone, and a notice says so.
    """
    while True:
        try:
            await step()
        except Exception as error:
            console.event(console.NOTICE, detail=f"{what}: {error!r}")
        await asyncio.sleep(pause_s)


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they end.

    On Python 3.11 once is not enough: its wait_for, which redis-py calls, may lose a cancellation
    (bpo-37658), and a task that polls would never end.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
