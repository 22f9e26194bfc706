"""Whether this process has been told to end: open streams must end then.

uvicorn waits for open responses, until --timeout-graceful-shutdown, before it ends the lifespan.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticed() -> Iterator[asyncio.Event]:
    """An event that SIGTERM or SIGINT sets. uvicorn's own handlers run as before.

    For the lifespan: uvicorn's handlers are there when it starts.
    """
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():  # as in tests: it gets no signal
        yield begun
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = {number: signal.getsignal(number) for number in numbers}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begun.set)
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    wrapped = [number for number, handler in handlers.items() if callable(handler)]
    for number in wrapped:
        signal.signal(number, handle)
    try:
        yield begun
    finally:
        for number in wrapped:
            signal.signal(number, handlers[number])
