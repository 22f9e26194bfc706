"""What a request for GET /events asks for."""

from typing import Any

from fastapi import Request

from live.entry_id import PATTERN, is_entry_id
from live.ring import Filter
from shared.contract import MEDIA_ID_PATTERN, is_media_id
from shared.web.problems import Problem
from shared.web.schemas import EXAMPLE_ID
from upload_api.refusals import BAD_PARAMETER, batch_of, check_parameters

_NAMES = ("batch", "media_id", "last_event_id")
PARAMETERS: dict[str, Any] = {
    "parameters": [
        {
            "name": "batch",
            "in": "query",
            "description": "Only media of this batch",
            "schema": {"type": "string", "pattern": f"^{MEDIA_ID_PATTERN}$"},
        },
        {
            "name": "media_id",
            "in": "query",
            "description": f"Only this media, such as {EXAMPLE_ID}",
            "schema": {"type": "string", "pattern": f"^{MEDIA_ID_PATTERN}$"},
        },
        {
            "name": "last_event_id",
            "in": "query",
            "description": "Go on after this event, where there is no header",
            "schema": {"type": "string", "pattern": f"^{PATTERN}$"},
        },
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "Go on after this event. Browsers send it when they connect again",
            "schema": {"type": "string"},
        },
    ]
}


def wanted(request: Request) -> tuple[Filter, str | None]:
    """Which media it is about, and the last event that its client had. Raises Problem.

    The header wins: a browser goes on sending the query it began with.
    """
    check_parameters(request, _NAMES)
    query = request.query_params
    media_id, sent_id = query.get("media_id"), query.get("last_event_id")
    if media_id is not None and not is_media_id(media_id):
        raise Problem(BAD_PARAMETER, parameter="media_id", allowed="a ULID")
    if sent_id is not None and not is_entry_id(sent_id):
        allowed = "the id of an event, such as 1768487445123-0"
        raise Problem(BAD_PARAMETER, parameter="last_event_id", allowed=allowed)
    return Filter(batch_of(request), media_id), request.headers.get("Last-Event-ID") or sent_id
