"""An app with routes that are reached at once, past the layers that lie before all others.

The copies in fast-server and central-server are byte-identical; testfiles/test_copies.py
compares them.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

import problems
from lingering import Lingering
from problems import Problem

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectApp(FastAPI):
    """FastAPI's and Starlette's ten layers are a sixth of what a small upload takes (make bench).

    A direct route is declared like any other, which documents it, and serves it where a proxy's
    root_path comes before its path.
    """

    def __init__(self, title: str, lifespan: Lifespan[FastAPI]) -> None:
        super().__init__(title=title, lifespan=lifespan)
        self._direct: dict[tuple[str, str], ASGIApp] = {}
        self.add_middleware(Lingering)
        problems.install(self)

    def reach_directly(self, method: str, path: str, endpoint: Endpoint) -> None:
        self._direct[method, path] = Lingering(_answering(endpoint))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        direct = scope["type"] == "http" and self._direct.get((scope["method"], scope["path"]))
        if direct:
            scope["app"] = self
            await direct(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _answering(endpoint: Endpoint) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Problem as problem:
            response = problems.answer_to(request, problem)
        except Exception:
            await problems.answer_to_unexpected(request)(scope, receive, send)
            raise
        await response(scope, receive, send)

    return answer
