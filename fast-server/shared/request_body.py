"""A request's body as a form: refused as early as it shows that it is too large, or stalls."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from shared.multipart import FormStream
from shared.problems import Problem

_FORM_OVERHEAD_BYTES = 64 * 1024  # what boundaries, headers and text fields may add to the file
_STALL_S = 60.0


def open_form(request: Request, max_file_bytes: int, too_large: Problem) -> FormStream:
    """The form, still to be read.

    Raises NotMultipart, or too_large where Content-Length says that it is. Reading it raises
    too_large when more than that comes after all, TimeoutError when nothing more comes.
    """
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_file_bytes + _FORM_OVERHEAD_BYTES:
        raise too_large
    body = _limited(request.stream(), max_file_bytes, too_large)
    return FormStream(request.headers.get("Content-Type", ""), body)


async def _limited(
    body: AsyncIterator[bytes], max_file_bytes: int, too_large: Problem
) -> AsyncIterator[bytes]:
    size = 0
    while True:
        async with asyncio.timeout(_STALL_S):
            try:
                chunk = await anext(body)
            except StopAsyncIteration:
                return
        size += len(chunk)
        if size > max_file_bytes + _FORM_OVERHEAD_BYTES:
            raise too_large
        yield chunk
