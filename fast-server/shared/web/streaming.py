"""Answers that are made while they are sent, perhaps without an end of their own."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

# By these one service knows the other's log.
LOG_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # else nginx collects an answer's first kilobytes
}


class GeneratorResponse(StreamingResponse):
    """The generator is closed as soon as the client has gone."""

    def __init__(
        self, content: AsyncGenerator[bytes], headers: Mapping[str, str], status: int = 200
    ) -> None:
        super().__init__(content, status, headers)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._content):
            await super().__call__(scope, receive, send)
