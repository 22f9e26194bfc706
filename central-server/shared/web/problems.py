"""Failures as RFC 9457 application/problem+json, each with a code and a sentence.

refusals.py lists those that both services have, each service's refusals.py its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from shared import console, secrets
from shared.web.schemas import EXAMPLE_ID

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_CODE = "[a-z0-9_]+"
_EXAMPLES = {
    "allowed": "one of newest, oldest",
    "batch": EXAMPLE_ID,
    "error": "Read-only file system",
    "fault": "it ends early or contradicts itself",
    "filename": "photo.jpg",
    "height": 20_000,
    "host": "photos.example",
    "jobs": 100_000,
    "known": "code is",
    "least_mb": 512,
    "media_id": EXAMPLE_ID,
    "most": 100,
    "most_mb": 50,
    "most_megapixels": 100,
    "next": "It waits for a worker to watermark it.",
    "parameter": "cod",
    "place": "UPLOAD_DIR=uploads",
    "reason": "gave no answer within 10 s",
    "sent": "photo-1",
    "setting": "MAX_UPLOAD_MB",
    "site": "https://evil.example",
    "size": 81_234,
    "state": "pending",
    "status": "uploading",
    "streams": 1000,
    "url": f"http://central-server:8003/media/{EXAMPLE_ID}",
    "width": 20_000,
}


class Document(BaseModel):
    """A failure, as in RFC 9457. code is for programs, detail for people."""

    model_config = ConfigDict(title="Problem")

    type: Annotated[str, Field(pattern=f"^urn:problem:{_CODE}$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    code: Annotated[str, Field(pattern=f"^{_CODE}$")]


SCHEMAS = {"Problem": Document.model_json_schema()}


@dataclass(frozen=True)
class ProblemType:
    """One kind of failure. The code is stable; retry_after_s is for the Retry-After header.

    sentence is the usual detail. /docs shows it with _EXAMPLES in its {fields}.
    """

    code: str
    status: int
    title: str
    sentence: str
    retry_after_s: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Those of every answer of this kind."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

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
    RETRY_AFTER_S,
)
_INTERNAL_ERROR = ProblemType(
    "internal_error",
    500,
    "Something unexpected went wrong",
    "This is a fault of the service; its log has the traceback.",
)


class Problem(Exception):
    """Ends a request with a problem document. Its detail is the kind's sentence or another one."""

    def __init__(self, kind: ProblemType, detail: str | None = None, **fields: object) -> None:
        self.kind = kind
        self.detail = kind.sentence.format(**fields) if detail is None else detail
        super().__init__(self.detail)


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
            "value": kind.body(kind.sentence.format_map(_EXAMPLES)),
        }
    return documented


def answer_to(
    request: Request, problem: Problem, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The problem's document. The problem is logged, with its cause, which clients do not see."""
    kind, detail = problem.kind, secrets.masked(problem.detail)
    cause = str(problem.__cause__ or "")
    console.event(
        console.REFUSED,
        path=request.url.path,
        status=int(kind.status),
        code=kind.code,
        detail=detail,
        cause=None if cause in detail else cause,
    )
    headers = {**(headers or {}), **kind.headers}
    return JSONResponse(kind.body(detail), kind.status, headers, MEDIA_TYPE)


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
        return answer_to(request, Problem(kind, detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        kind = ProblemType("invalid_request", 422, "The request is not valid", "")
        detail = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in error.errors())
        return answer_to(request, Problem(kind, detail))

    @app.exception_handler(MemoryError)
    async def _memory(request: Request, _: MemoryError) -> JSONResponse:
        return answer_to(request, Problem(OUT_OF_MEMORY))

    @app.exception_handler(RuntimeError)
    async def _thread(request: Request, error: RuntimeError) -> JSONResponse:
        if "can't start new thread" not in str(error):
            raise error
        return await _memory(request, MemoryError())

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, _: Exception) -> JSONResponse:
        return answer_to(request, Problem(_INTERNAL_ERROR))
