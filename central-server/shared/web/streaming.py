"""An answer that has no end of its own, as that of who follows a log."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class EndlessResponse(StreamingResponse):
    """Text that goes on. The generator is closed as soon as the client has gone."""

    def __init__(
        self, content: AsyncGenerator[bytes, None], media_type: str = "text/plain; charset=utf-8"
    ) -> None:
        # nginx would collect an answer's first kilobytes otherwise.
        headers = {"X-Content-Type-Options": "nosniff", "X-Accel-Buffering": "no"}
        super().__init__(content, 200, headers, media_type)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._content):
            await super().__call__(scope, receive, send)
