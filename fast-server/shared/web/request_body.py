"""A request's body as a form. One that is too large or too slow is refused as soon as it shows."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.types import Message, Receive

from shared.web.multipart import MAX_PARTS, FormStream
from shared.web.problems import Problem
from shared.web.refusals import UPLOAD_ABORTED, UPLOAD_STALLED

_FORM_OVERHEAD_BYTES = 64 * 1024  # what boundaries, headers and text fields may add to the file
_LEAST_BYTES_A_SECOND = 1024
_WINDOW_S = 60.0
_TICK_S = 1.0


def open_form(
    request: Request, max_file_bytes: int, too_large: Problem, max_parts: int = MAX_PARTS
) -> FormStream:
    """The form, still to be read. Opening it, and reading it, raises Problem as limited_body."""
    body = limited_body(request, max_file_bytes + _FORM_OVERHEAD_BYTES, too_large)
    return FormStream(request.headers.get("Content-Type", ""), body, max_parts)


def limited_body(request: Request, max_bytes: int, too_large: Problem) -> AsyncIterator[bytes]:
    """The body, still to be read. Raises Problem, also while it is read.

    That is too_large where Content-Length, or what has come so far, is over the limit.
    """
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    return _limited(request.receive, max_bytes, too_large)


async def _limited(receive: Receive, max_bytes: int, too_large: Problem) -> AsyncIterator[bytes]:
    size, pace, more = 0, _Pace(receive), True
    while more:
        message = await pace.next()
        if message["type"] == "http.disconnect":
            raise Problem(UPLOAD_ABORTED)
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > max_bytes:
            raise too_large
        yield chunk


class _Pace:
    """Receives a body that must come at 1 KB/s at least.

    Only time spent waiting for the body counts: the last 60 s of it.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._waits: deque[tuple[float, int]] = deque()  # seconds, and the bytes that came then
        self._waited_s, self._bytes = 0.0, 0

    async def next(self) -> Message:
        """The next message. Raises Problem where the body is too slow."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as timeout:
                self._wait_a_tick(loop, timeout)
                message = await self._receive()
        except TimeoutError:
            raise Problem(UPLOAD_STALLED) from None
        finally:
            self._timer.cancel()
        # At most a tick: for the rest of a longer wait this process was frozen.
        waited_s = min(loop.time() - self._ticked_at, _TICK_S)
        if self._is_too_slow(waited_s, len(message.get("body", b""))):
            raise Problem(UPLOAD_STALLED)
        return message

    def _wait_a_tick(self, loop: asyncio.AbstractEventLoop, timeout: asyncio.Timeout) -> None:
        self._ticked_at = loop.time()
        self._timer = loop.call_later(_TICK_S, self._tick, loop, timeout)

    def _tick(self, loop: asyncio.AbstractEventLoop, timeout: asyncio.Timeout) -> None:
        self._wait_a_tick(loop, timeout)
        if self._is_too_slow(_TICK_S, 0):
            timeout.reschedule(loop.time())

    def _is_too_slow(self, waited_s: float, size: int) -> bool:
        """Count another wait and the bytes that ended it, then compare the rate with the limit."""
        if self._waits and self._waits[-1][0] < _TICK_S:
            before_s, before = self._waits.pop()
            self._waits.append((before_s + waited_s, before + size))
        else:
            self._waits.append((waited_s, size))
        self._waited_s += waited_s
        self._bytes += size
        while self._waited_s - self._waits[0][0] >= _WINDOW_S:
            first_s, first = self._waits.popleft()
            self._waited_s -= first_s
            self._bytes -= first
        return self._waited_s >= _WINDOW_S and self._bytes < _LEAST_BYTES_A_SECOND * _WINDOW_S
