"""HEAD wherever there is GET, and OPTIONS and 405 that list every method of a path."""

from fastapi import Request, Response
from fastapi.routing import iter_route_contexts
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web import problems
from shared.web.problems import Problem, ProblemType

METHOD_NOT_ALLOWED = ProblemType("method_not_allowed", 405, "Method Not Allowed", "")


class HeadAndOptions:
    """Middleware. It answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods = _methods(scope) if scope["type"] == "http" else set()
        if methods and scope["method"] not in methods:
            if scope["method"] != "HEAD" or "GET" not in methods:
                await _answer_without_route(Request(scope), methods)(scope, receive, send)
                return
            headers = [
                header for header in scope["headers"] if header[0] != b"range"
            ]  # for GET only
            scope = {**scope, "method": "GET", "headers": headers}
            send = _head_only(send)
        await self._app(scope, receive, send)


def _head_only(send: Send) -> Send:
    """Ends the answer behind its head, which tells the app that nobody reads on: a stream ends."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body"})

    return send_head


def _methods(scope: Scope) -> set[str]:
    """The methods of all routes with the path of the first that matches; empty if none does."""
    contexts = iter_route_contexts(scope["app"].routes)
    routes = [c.original_route for c in contexts if isinstance(c.original_route, Route)]
    for route in routes:
        if route.matches(dict(scope))[0] is not Match.NONE:
            same = (r.methods or () for r in routes if r.path == route.path)
            return set().union(*same)
    return set()


def _answer_without_route(request: Request, methods: set[str]) -> Response:
    allow = ", ".join(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allow})
    detail = f"{request.url.path} takes {allow}, and no {request.method[:20]}."
    return problems.answer_to(request, Problem(METHOD_NOT_ALLOWED, detail), {"Allow": allow})
