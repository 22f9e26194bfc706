"""An answer of central's, handed through as it comes. Another's is not passed on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx
from starlette.types import Receive, Scope, Send

from shared import console
from shared.central_client import CentralAnswer, CentralClient, NoAnswer, raising_no_answer
from shared.web.problems import RETRY_AFTER_S, Problem, ProblemType
from shared.web.streaming import GeneratorResponse
from upload_api.refusals import CENTRAL_UNREACHABLE

ANSWER_S = 5.0


class CentralProblem(Problem):
    """What central itself refuses, with its own code and sentence."""


class BrokenOff(Exception):
    """Central has gone, or stalls, in the middle of its answer."""


class Relayed(GeneratorResponse):
    """Ends without an end where its content raises BrokenOff: nobody takes it for whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except BrokenOff as broken:  # uvicorn closes the connection then
            console.event(console.NOTICE, path=scope["path"], detail=str(broken))


async def opened(
    central: CentralClient, asked: httpx.Request, is_own: Callable[[httpx.Response], bool]
) -> httpx.Response:
    """central's answer, its body still to be read. is_own knows a good one of central's.

    Raises CentralProblem for a refusal of central's, and Problem where nobody or another answers.
    """
    url = str(asked.url)
    try:
        with raising_no_answer(ANSWER_S):
            async with asyncio.timeout(ANSWER_S):
                response = await central.open(asked)
                if is_own(response):
                    return response
                answer = await central.read(response)
    except NoAnswer as error:
        raise Problem(CENTRAL_UNREACHABLE, url=url, reason=str(error)) from error
    if answer.own_code and answer.status >= HTTPStatus.BAD_REQUEST:
        raise _own_problem(answer)
    raise Problem(CENTRAL_UNREACHABLE, url=url, reason=f"answered {answer.status}")


async def pieces(response: httpx.Response, stalled_s: float | None) -> AsyncGenerator[bytes]:
    """The body, which is closed at the end.

    Raises BrokenOff where central breaks off, or sends nothing for stalled_s seconds.
    """
    try:
        read = response.aiter_raw()
        while True:
            async with asyncio.timeout(stalled_s):
                piece = await anext(read, b"")
            if not piece:
                return
            yield piece
    except (httpx.RequestError, httpx.StreamError, TimeoutError) as error:
        raise BrokenOff(f"central's answer broke off: {error!r}") from error
    finally:
        await response.aclose()


@contextmanager
def closed_at(ended: asyncio.Event, response: httpx.Response) -> Iterator[None]:
    """Close the response as soon as ended is set: whoever reads it gets BrokenOff."""
    closing = asyncio.create_task(_close_at(ended, response))
    try:
        yield
    finally:
        closing.cancel()


async def _close_at(ended: asyncio.Event, response: httpx.Response) -> None:
    await ended.wait()
    await response.aclose()


def is_plain(response: httpx.Response) -> bool:
    """Whether its bytes are as central sent them, and marked as central marks them."""
    is_marked = response.headers.get("X-Content-Type-Options") == "nosniff"
    return is_marked and "Content-Encoding" not in response.headers


def _own_problem(answer: CentralAnswer) -> CentralProblem:
    retry_after_s = RETRY_AFTER_S if answer.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    title = str(answer.fields.get("title", ""))
    kind = ProblemType(answer.own_code, answer.status, title, "", retry_after_s)
    return CentralProblem(kind, answer.reason)
