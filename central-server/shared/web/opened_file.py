"""An open file as the answer to a GET, with Range (RFC 9110, 14), 304 and 416."""

import os
import re
from io import BufferedReader

from fastapi import Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from shared.web import disposition, problems
from shared.web.problems import Problem
from shared.web.refusals import RANGE_NOT_SATISFIABLE

# A client's bytes: no browser takes them for a page, nor runs what is in them.
UNTRUSTED = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}
REVALIDATED = "private, no-cache"
_RANGE = r"(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})"
_RANGES = re.compile(rf"bytes\s*=\s*({_RANGE}(?:\s*,\s*{_RANGE})*)\s*", re.ASCII | re.IGNORECASE)


class OpenedFile(FileResponse):
    """An open file, which a DELETE cannot take away while it is sent. Answers 304 and 416, too.

    FileResponse opens its path only after it has sent the headers. The file is closed at the end.
    """

    def __init__(
        self,
        file: BufferedReader,
        content_type: str,
        filename: str,
        *,
        is_attachment: bool = False,
        cache: str = REVALIDATED,
    ) -> None:
        self._file = file
        kind = "attachment" if is_attachment else "inline"
        super().__init__(
            f"/dev/fd/{file.fileno()}",
            media_type=content_type,
            stat_result=os.fstat(file.fileno()),
            headers={
                **UNTRUSTED,
                "Cache-Control": cache,
                "Content-Disposition": disposition.written(kind, filename),
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            asked, size = Headers(scope=scope), int(self.headers["Content-Length"])
            if StaticFiles(check_dir=False).is_not_modified(self.headers, asked):
                await NotModifiedResponse(self.headers)(scope, receive, send)
                return
            ranges = _ranges(asked.get("range", "")) if self._has_part_of_it(asked) else []
            satisfiable = [part for part in ranges if _is_satisfiable(part, size)]
            if ranges and not satisfiable:
                await _refusal(Request(scope), size)(scope, receive, send)
                return
            await super().__call__(_with_ranges(scope, satisfiable), receive, send)

    def _has_part_of_it(self, asked: Headers) -> bool:
        """Whether what the client has is of this file, as far as it says (RFC 9110, 13.1.5)."""
        return asked.get("if-range") in (None, self.headers["ETag"], self.headers["Last-Modified"])


def _ranges(asked: str) -> list[str]:
    """The ranges of a Range header; none where it must be ignored (RFC 9110, 14.2)."""
    found = _RANGES.fullmatch(asked)
    ranges = [part.strip() for part in found[1].split(",")] if found else []
    return [] if any(_is_backwards(part) for part in ranges) else ranges


def _is_backwards(part: str) -> bool:
    first, _, last = part.partition("-")
    return bool(first and last) and int(last) < int(first)


def _is_satisfiable(part: str, size: int) -> bool:
    first, _, last = part.partition("-")
    return int(first) < size if first else int(last) > 0


def _with_ranges(scope: Scope, ranges: list[str]) -> Scope:
    headers = [header for header in scope["headers"] if header[0] != b"range"]
    if ranges:
        headers.append((b"range", f"bytes={','.join(ranges)}".encode()))
    return {**scope, "headers": headers}


def _refusal(request: Request, size: int) -> Response:
    problem = Problem(RANGE_NOT_SATISFIABLE, size=size)
    return problems.answer_to(request, problem, {"Content-Range": f"bytes */{size}"})
