"""GET /media/{media_id}/image: the stored image, handed through from central."""

from contextlib import suppress
from typing import Any

import httpx
from fastapi import Request, Response

from images import central_image
from media import relay, status
from media.relay import Relayed
from shared.contract import Status
from shared.spool import MediaGone, Spool
from shared.web import disposition
from shared.web.opened_file import REVALIDATED, UNTRUSTED
from shared.web.problems import Problem
from upload_api.refusals import NOT_STORED, not_found

_STALLED_S = 15.0
_ASKED = ("Range", "If-Range", "If-None-Match", "If-Modified-Since")
_ANSWERED = (
    "Content-Type",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
)


def known(spool: Spool, media_id: str) -> dict[str, Any] | None:
    """What is known of a media whose image central may have.

    None where nothing is known any more: KEEP_ORIGINALS_DAYS drops folders, and central keeps
    images. Raises Problem where it is not stored, OSError.
    """
    with suppress(MediaGone):
        described = status.describe(spool, media_id)
        if described["status"] == Status.STORED:
            return described
        error = described["error"]
        next_ = f"{error['detail']} {described['next']}" if error else described["next"]
        raise Problem(NOT_STORED, media_id=media_id, next=next_)
    return None


async def relayed(
    request: Request, media_id: str, described: dict[str, Any] | None, *, is_attachment: bool
) -> Response:
    """central's answer under the gateway's own headers. Raises Problem."""
    asked = {name: request.headers[name] for name in _ASKED if name in request.headers}
    headers = httpx.Headers(asked, "latin-1")  # any byte may be in them
    try:
        response = await central_image.opened(request.app.state.central, media_id, headers)
    except Problem as problem:
        if described is None and problem.kind is NOT_STORED:
            raise not_found(media_id) from problem
        raise
    kept = {name: response.headers[name] for name in _ANSWERED if name in response.headers}
    kind = "attachment" if is_attachment else "inline"
    own = {
        **UNTRUSTED,
        "Cache-Control": REVALIDATED,
        "Content-Disposition": disposition.written(kind, _name(described, response)),
    }
    return Relayed(relay.pieces(response, _STALLED_S), {**kept, **own}, response.status_code)


def _name(described: dict[str, Any] | None, response: httpx.Response) -> str:
    """The name that stage 1 gave it; central's may have the media's id in it."""
    if described and described["watermarked"]:
        return str(described["watermarked"]["name"])
    if described and described["stored"]:
        return str(described["stored"]["name"])
    header = response.headers.get("Content-Disposition", "").encode()
    return disposition.parse(header, follows_content_type=False)[1] or "image"
