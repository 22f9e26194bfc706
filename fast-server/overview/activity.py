"""central's log, handed through as it comes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus

import httpx
from fastapi import Request, Response

from media import relay
from media.relay import BrokenOff, Relayed
from shared.central_client import CentralClient
from shared.web.streaming import LOG_HEADERS


async def ask(request: Request, tail: int, *, follow: bool) -> Response:
    """central's answer to GET /activity. Raises Problem where there is none of its own."""
    central: CentralClient = request.app.state.central
    address, query = central.address("activity"), {"tail": tail, "follow": int(follow)}
    asked = central.http.build_request("GET", address, params=query)
    response = await relay.opened(central, asked, _is_log)
    return Relayed(_lines(response, follow, request.app.state.shutdown), LOG_HEADERS)


def _is_log(response: httpx.Response) -> bool:
    """Whether it has all marks of central's log. A proxy's page has not."""
    is_text = response.headers.get("Content-Type") == LOG_HEADERS["Content-Type"]
    return response.status_code == HTTPStatus.OK and is_text and relay.is_plain(response)


async def _lines(
    response: httpx.Response, follow: bool, ended: asyncio.Event
) -> AsyncGenerator[bytes]:
    """What central sends, until ended is set. Raises BrokenOff."""
    stalled_s = None if follow else relay.ANSWER_S
    try:
        with relay.closed_at(ended, response):
            async with aclosing(relay.pieces(response, stalled_s)) as pieces:
                async for piece in pieces:
                    yield piece
    except BrokenOff:
        if not ended.is_set():
            raise
