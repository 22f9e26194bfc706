"""The stored image, as central has it."""

from collections.abc import Mapping
from http import HTTPStatus

import httpx

from media import relay
from media.relay import CentralProblem
from shared.central_client import CentralClient
from shared.web.problems import MEDIA_TYPE, Problem
from upload_api.refusals import NOT_STORED

_IMAGE_STATUSES = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
_IMAGE_TYPES = ("image/", "application/octet-stream", "multipart/byteranges")
_SVG = "image/svg+xml"  # may hold scripts
_GONE = ("media_not_found", "media_deleted")
_NOTHING: Mapping[str, str] = {}


async def opened(
    central: CentralClient, media_id: str, headers: Mapping[str, str] = _NOTHING
) -> httpx.Response:
    """central's answer to GET /media/{media_id}: 200, 206, 304 or 416. Its body is to be read.

    Raises Problem: NOT_STORED where central has no image of it, CENTRAL_UNREACHABLE.
    """
    asked = central.http.build_request("GET", central.address(f"media/{media_id}"), headers=headers)
    try:
        return await relay.opened(central, asked, _is_own)
    except CentralProblem as problem:
        if problem.kind.code not in _GONE:
            raise
        next_ = f"Central says: {problem.detail}"
        raise Problem(NOT_STORED, media_id=media_id, next=next_) from problem


def _is_own(response: httpx.Response) -> bool:
    kind = response.headers.get("Content-Type", "")
    if response.status_code == HTTPStatus.NOT_MODIFIED:
        return "ETag" in response.headers
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        return kind == MEDIA_TYPE and "Content-Range" in response.headers
    is_image = kind.startswith(_IMAGE_TYPES) and not kind.startswith(_SVG)
    return response.status_code in _IMAGE_STATUSES and is_image and relay.is_plain(response)
