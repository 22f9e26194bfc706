"""HEAD wherever there is GET, and OPTIONS and 405 that list every method of a path."""

from fastapi import Request, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web import problems
from shared.web.problems import Problem, ProblemType

METHOD_NOT_ALLOWED = ProblemType("method_not_allowed", 405, "Method Not Allowed", "")


class Methods:
    """Middleware. A path's methods are those of all routes written as the first that fits it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods = _methods(scope) if scope["type"] == "http" else set()
        if not methods or scope["method"] in methods:
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD" and "GET" in methods:
            headers = [header for header in scope["headers"] if header[0] != b"range"]  # GET's own
            as_get = {**scope, "method": "GET", "headers": headers}
            await self._app(as_get, receive, _without_body(send))
        else:
            await _refusal(Request(scope), methods)(scope, receive, send)


def _methods(scope: Scope) -> set[str]:
    """Those of the path's routes; none where there is no such path."""
    routes = [route for route in scope["app"].routes if isinstance(route, Route)]
    for route in routes:
        if route.matches(dict(scope))[0] is not Match.NONE:
            same = (r.methods or () for r in routes if r.path == route.path)
            return set().union(*same)
    return set()


def _refusal(request: Request, methods: set[str]) -> Response:
    allow = ", ".join(sorted({*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allow})
    detail = f"{request.url.path} takes {allow}, and no {request.method[:20]}."
    answer = problems.answer_to(request, Problem(METHOD_NOT_ALLOWED, detail))
    answer.headers["Allow"] = allow
    return answer


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
