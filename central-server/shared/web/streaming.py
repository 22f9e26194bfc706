"""Lines of a log, as an answer that may have no end of its own."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

# By these one service knows the other's log.
LOG_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # else nginx collects an answer's first kilobytes
}


class EndlessResponse(StreamingResponse):
    """The generator is closed as soon as the client has gone."""

    def __init__(self, content: AsyncGenerator[bytes]) -> None:
        super().__init__(content, 200, LOG_HEADERS)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._content):
            await super().__call__(scope, receive, send)
