"""A refused client that is still sending gets the answer, and not a connection reset."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAUSE_S = 5.0  # both as nginx has them: lingering_timeout and lingering_time
_LONGEST_S = 30.0


class LingeringClose:
    """Middleware that answers at once, then reads what the app left of the request's body.

    Without it, a connection that ends with its answer (HTTP/1.0, Connection: close) is closed
    over unread bytes: TCP then resets it, and most clients lose the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        unread = scope["type"] == "http"

        async def watched_receive() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and bool(message.get("more_body"))
            return message

        async def lingering_send(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and unread:
                await send({**message, "more_body": True})
                message = {"type": "http.response.body"}
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LONGEST_S):
                        while unread:
                            await asyncio.wait_for(watched_receive(), _PAUSE_S)
            await send(message)

        await self._app(scope, watched_receive, lingering_send)
