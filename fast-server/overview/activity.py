"""central's log, handed through as it comes. What is not central's own answer is not passed on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus

import httpx
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from shared import console
from shared.central_client import CentralAnswer, CentralClient, NoAnswer, raising_no_answer
from shared.web import problems
from shared.web.problems import RETRY_AFTER_S, Problem, ProblemType
from shared.web.streaming import LOG_HEADERS, EndlessResponse
from upload_api.refusals import CENTRAL_UNREACHABLE

_ANSWER_S = 5.0
_MARKS = ("Content-Type", "X-Content-Type-Options")


class _Broken(Exception):
    """Central has gone in the middle of its answer."""


class _Relayed(EndlessResponse):
    """Ends without an end where central's answer does: nobody takes it for whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(_Broken):  # uvicorn closes the connection then
            await super().__call__(scope, receive, send)


async def ask(request: Request, tail: int, *, follow: bool) -> Response:
    """central's answer to GET /activity. Raises Problem where there is none of its own."""
    central: CentralClient = request.app.state.central
    url = central.address("activity")
    asked = central.http.build_request("GET", url, params={"tail": tail, "follow": int(follow)})
    try:
        with raising_no_answer(_ANSWER_S):
            async with asyncio.timeout(_ANSWER_S):
                response = await central.open(asked)
                if _is_log(response):
                    return _Relayed(_pieces(response, follow, request.app.state.shutdown))
                answer = await central.read(response)
    except NoAnswer as error:
        raise Problem(CENTRAL_UNREACHABLE, url=url, reason=str(error)) from error
    if answer.own_code and answer.status >= HTTPStatus.BAD_REQUEST:
        return problems.answer_to(request, _own_problem(answer))
    raise Problem(CENTRAL_UNREACHABLE, url=url, reason=f"answered {answer.status}")


def _is_log(response: httpx.Response) -> bool:
    """Whether it has all marks of central's log. A proxy's page has not."""
    is_plain = "Content-Encoding" not in response.headers
    is_marked = all(response.headers.get(name) == LOG_HEADERS[name] for name in _MARKS)
    return response.status_code == HTTPStatus.OK and is_plain and is_marked


async def _pieces(
    response: httpx.Response, follow: bool, ended: asyncio.Event
) -> AsyncGenerator[bytes]:
    """What central sends, until ended is set. Raises _Broken."""
    ending = asyncio.create_task(_close_at(ended, response))
    pieces = response.aiter_raw()
    try:
        while True:
            async with asyncio.timeout(None if follow else _ANSWER_S):
                piece = await anext(pieces, b"")
            if not piece:
                return
            yield piece
    except (httpx.RequestError, httpx.StreamError, TimeoutError) as error:
        if not ended.is_set():
            console.event(console.NOTICE, detail=f"central's log broke off: {error!r}")
            raise _Broken from error
    finally:
        ending.cancel()
        await response.aclose()


async def _close_at(ended: asyncio.Event, response: httpx.Response) -> None:
    await ended.wait()
    await response.aclose()


def _own_problem(answer: CentralAnswer) -> Problem:
    retry_after_s = RETRY_AFTER_S if answer.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    title = str(answer.fields.get("title", ""))
    return Problem(
        ProblemType(answer.own_code, answer.status, title, "", retry_after_s), answer.reason
    )
