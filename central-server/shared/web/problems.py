"""Failures as RFC 9457 application/problem+json, each with a code and a sentence.

refusals.py lists those that both services have, each service's refusals.py its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared import console, secrets

MEDIA_TYPE = "application/problem+json"
SCHEMAS: dict[str, Any] = {
    "Problem": {
        "description": "A failure, as in RFC 9457. code is for programs, detail for people.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:problem:[a-z0-9_]+$"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "code": {"type": "string", "pattern": "^[a-z0-9_]+$"},
        },
    }
}
_SCHEMA = {"$ref": "#/components/schemas/Problem"}


@dataclass(frozen=True)
class ProblemType:
    """One kind of failure: its stable code, HTTP status, title and an example sentence."""

    code: str
    status: int
    title: str
    example: str

    def body(self, detail: str) -> dict[str, Any]:
        """The members of RFC 9457 section 3.1, and the code as an extension."""
        return {
            "type": f"urn:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": detail,
            "code": self.code,
        }


OUT_OF_MEMORY = ProblemType(
    "out_of_memory",
    503,
    "The service is short of memory",
    "There is no memory for this just now. Try again in a few seconds.",
)


class Problem(Exception):
    """Ends a request with a problem document: the kind's example, or a detail of this case.

    retry_after_s becomes a Retry-After header.
    """

    def __init__(
        self, kind: ProblemType, detail: str | None = None, retry_after_s: int | None = None
    ) -> None:
        self.kind = kind
        self.detail = kind.example if detail is None else detail
        super().__init__(self.detail)
        self.retry_after_s = retry_after_s


def responses(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """FastAPI's responses= for these problems, with an example of each."""
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        response = documented.setdefault(
            kind.status,
            {
                "description": HTTPStatus(kind.status).phrase,
                "content": {MEDIA_TYPE: {"schema": _SCHEMA, "examples": {}}},
            },
        )
        response["content"][MEDIA_TYPE]["examples"][kind.code] = {
            "summary": kind.title,
            "value": kind.body(kind.example),
        }
    return documented


def answer_to(request: Request, problem: Problem) -> JSONResponse:
    """The problem's document, logged."""
    headers = None
    if problem.retry_after_s is not None:
        headers = {"Retry-After": str(problem.retry_after_s)}
    cause = str(problem.__cause__ or "")  # for whoever runs the service, not for the client
    return _answer(request, problem.kind, problem.detail, headers, cause)


def answer_to_unexpected(request: Request) -> JSONResponse:
    """Of any other exception, which goes on to the server's log."""
    kind = ProblemType("internal_error", 500, "Something unexpected went wrong", "")
    detail = "This is a fault of the service; its log has the traceback."
    return _answer(request, kind, detail, None)


def install(app: FastAPI) -> None:
    """Answer every failure of app as a problem document and log it."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, problem: Problem) -> JSONResponse:
        return answer_to(request, problem)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        kind = ProblemType(status.name.lower(), status, status.phrase, "")
        detail = f"{request.method} {request.url.path}: {error.detail}"
        return _answer(request, kind, detail, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        kind = ProblemType("invalid_request", 422, "The request is not valid", "")
        detail = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in error.errors())
        return _answer(request, kind, detail, None)

    @app.exception_handler(MemoryError)
    async def _memory(request: Request, _: MemoryError) -> JSONResponse:
        return answer_to(request, Problem(OUT_OF_MEMORY, retry_after_s=5))

    @app.exception_handler(RuntimeError)
    async def _thread(request: Request, error: RuntimeError) -> JSONResponse:
        if "can't start new thread" not in str(error):
            raise error
        return await _memory(request, MemoryError())

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, _: Exception) -> JSONResponse:
        return answer_to_unexpected(request)


def _answer(
    request: Request,
    kind: ProblemType,
    detail: str,
    headers: Mapping[str, str] | None,
    cause: str = "",
) -> JSONResponse:
    detail = secrets.masked(detail)
    console.event(
        console.REFUSED,
        path=request.url.path,
        status=int(kind.status),
        code=kind.code,
        detail=detail,
        cause=None if cause in detail else cause,
    )
    return JSONResponse(kind.body(detail), kind.status, headers, MEDIA_TYPE)
