"""A request's body as a form: refused as early as it shows that it is too large, or too slow."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from shared.web.multipart import FormStream
from shared.web.problems import Problem

_FORM_OVERHEAD_BYTES = 64 * 1024  # what boundaries, headers and text fields may add to the file
_LEAST_BYTES_A_SECOND = 1024
_OVER_S = 60.0
_TICK_S = 1.0


def open_form(request: Request, max_file_bytes: int, too_large: Problem) -> FormStream:
    """The form, still to be read.

    Raises NotMultipart, or too_large where Content-Length says that it is. Reading it raises
    too_large when more than that comes after all, TimeoutError when it comes too slowly,
    ClientDisconnect when its end does not come.
    """
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_file_bytes + _FORM_OVERHEAD_BYTES:
        raise too_large
    body = _limited(request.receive, max_file_bytes, too_large)
    return FormStream(request.headers.get("Content-Type", ""), body)


async def _limited(
    receive: Receive, max_file_bytes: int, too_large: Problem
) -> AsyncIterator[bytes]:
    size, pace, more = 0, _Pace(receive), True
    while more:
        message = await pace.next()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > max_file_bytes + _FORM_OVERHEAD_BYTES:
            raise too_large
        yield chunk


class _Pace:
    """Whether the body comes at 1 KB/s at least, over any 60 s that were spent waiting for it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._waits: deque[tuple[float, int]] = deque()  # seconds, and the bytes that came then
        self._waited_s, self._bytes = 0.0, 0

    async def next(self) -> Message:
        """The next message. Raises TimeoutError where the body is too slow."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as timeout:
            self._wait_a_tick(loop, timeout)
            try:
                message = await self._receive()
            finally:
                self._timer.cancel()
        # No longer than a tick: the rest of it this process was frozen.
        waited_s = min(loop.time() - self._ticked_at, _TICK_S)
        if self._is_too_slow(waited_s, len(message.get("body", b""))):
            raise TimeoutError
        return message

    def _wait_a_tick(self, loop: asyncio.AbstractEventLoop, timeout: asyncio.Timeout) -> None:
        self._ticked_at = loop.time()
        self._timer = loop.call_later(_TICK_S, self._tick, loop, timeout)

    def _tick(self, loop: asyncio.AbstractEventLoop, timeout: asyncio.Timeout) -> None:
        self._wait_a_tick(loop, timeout)
        if self._is_too_slow(_TICK_S, 0):
            timeout.reschedule(loop.time())

    def _is_too_slow(self, waited_s: float, size: int) -> bool:
        """After another wait, and what came then."""
        if self._waits and self._waits[-1][0] < _TICK_S:
            before_s, before = self._waits.pop()
            self._waits.append((before_s + waited_s, before + size))
        else:
            self._waits.append((waited_s, size))
        self._waited_s += waited_s
        self._bytes += size
        while self._waited_s - self._waits[0][0] >= _OVER_S:
            first_s, first = self._waits.popleft()
            self._waited_s -= first_s
            self._bytes -= first
        return self._waited_s >= _OVER_S and self._bytes < _LEAST_BYTES_A_SECOND * _OVER_S
