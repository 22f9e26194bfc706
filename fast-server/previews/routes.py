"""The request for a preview."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from shared.redis.previews import Kind, Preview, Size
from shared.web import problems
from shared.web.schemas import BYTES, MEDIA_ID_PARAMETER
from upload_api import refusals

Of = Annotated[Kind, Query(description="Which image it shows")]
LongerSide = Annotated[Size, Query(description="Pixels of its longer side, at most")]
_NOBODY = 499  # nginx's status of a client that has gone
_PREVIEW: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "image/webp": {"schema": BYTES},
            "application/octet-stream": {"schema": BYTES},  # for makers of clients
        },
        "headers": {"ETag": {"schema": {"type": "string"}}},
    },
    304: {"description": "Not modified since If-None-Match or If-Modified-Since"},
}
router = APIRouter(tags=["media"])


@router.get(
    "/media/{media_id}/preview",
    response_class=FileResponse,
    responses={**_PREVIEW, **problems.responses(*refusals.PREVIEW_REFUSALS)},
    openapi_extra=MEDIA_ID_PARAMETER,
)
async def get_preview(
    request: Request, of: Of = Kind.WATERMARKED, size: LongerSide = Size.SMALL
) -> Response:
    """A small WebP of the image, upright and in sRGB; of several pictures the first one.

    It is made when it is first asked for. What takes longer than 2 s is a 503 with Retry-After,
    and goes on being made.
    """
    refusals.check_parameters(request, ["of", "size"])
    preview = Preview(refusals.media_id_of(request), of, size)
    return await _while_connected(request, request.app.state.previews.opened(preview))


async def _while_connected(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """The work's response; the work ends where the client goes away."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else Response(status_code=_NOBODY)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
