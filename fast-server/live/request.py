"""What a request for GET /events asks for."""

from collections.abc import Callable
from typing import Any

from fastapi import Request

from live.entry_id import PATTERN, is_entry_id
from live.ring import Filter
from shared.contract import MEDIA_ID_PATTERN, is_media_id
from shared.web.problems import Problem
from shared.web.schemas import EXAMPLE_ID
from upload_api.refusals import BAD_PARAMETER, check_parameters

_TAKES: dict[str, tuple[Callable[[str], bool], str]] = {
    "batch": (is_media_id, "a ULID"),
    "media_id": (is_media_id, "a ULID"),
    "last_event_id": (is_entry_id, "the id of an event, such as 1768487445123-0"),
}
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
    check_parameters(request, list(_TAKES))
    query = request.query_params
    for name, (is_right, takes) in _TAKES.items():
        if name in query and not is_right(query[name]):
            raise Problem(BAD_PARAMETER, parameter=name, allowed=takes)
    last_id = request.headers.get("Last-Event-ID") or query.get("last_event_id")
    return Filter(query.get("batch"), query.get("media_id")), last_id
