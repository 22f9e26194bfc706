"""The answer to GET /events. It costs little: no generator, and no thread."""

import asyncio

from fastapi import Response
from starlette.types import Receive, Scope, Send

from live.hub import Hub
from live.ring import Filter

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # else nginx collects messages
    "X-Content-Type-Options": "nosniff",
}


class EventStream(Response):
    """Ends when its client has gone, or when this process must end."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, wanted: Filter, last_id: str | None) -> None:
        """last_id: the last event that the client had. Not Response's __init__: it has no body."""
        self._hub, self._wanted, self._last_id = hub, wanted, last_id
        self.status_code, self.background = 200, None
        self.init_headers(_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Problem, before it sends anything, where too many are open."""
        with self._hub.stream(self._wanted, self._last_id) as stream:
            headers = self.raw_headers
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            leaving = asyncio.create_task(_has_gone(receive))
            leaving.add_done_callback(lambda _: stream.end())
            try:
                while chunk := await stream.next():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            finally:
                leaving.cancel()
        await send({"type": "http.response.body"})


async def _has_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
