"""The requests for a media's files."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from images import original, stored_image
from shared.web import problems
from shared.web.schemas import IMAGE, MEDIA_ID_PARAMETER
from upload_api import refusals

Download = Annotated[bool, Query(description="As an attachment, which a browser saves")]
router = APIRouter(tags=["media"])


@router.get(
    "/media/{media_id}/image",
    response_class=FileResponse,
    responses={**IMAGE, **problems.responses(*refusals.IMAGE_REFUSALS)},
    openapi_extra=MEDIA_ID_PARAMETER,
)
async def get_image(request: Request, download: Download = False) -> Response:
    """The watermarked image, as central has stored it."""
    refusals.check_parameters(request, ["download"])
    media_id = refusals.media_id_of(request)
    known = await asyncio.to_thread(stored_image.known, request.app.state.spool, media_id)
    return await stored_image.relayed(request, media_id, known, is_attachment=download)


@router.get(
    "/media/{media_id}/original",
    response_class=FileResponse,
    responses={**IMAGE, **problems.responses(*refusals.ORIGINAL_REFUSALS)},
    openapi_extra=MEDIA_ID_PARAMETER,
)
def get_original(request: Request, download: Download = False) -> Response:
    """The image as it was uploaded."""
    refusals.check_parameters(request, ["download"])
    media_id = refusals.media_id_of(request)
    return original.opened(request.app.state.spool, media_id, is_attachment=download)
