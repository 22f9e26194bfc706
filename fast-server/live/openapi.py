"""The stream of GET /events, for /docs."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from live.hub import Missed
from shared.contract import DONE, FAILED, PENDING, Status
from shared.redis.events import Event
from shared.web.schemas import EXAMPLE_ID, MediaId, Size, Time
from upload_api.answers import Batch, Code, Reference

_EXAMPLE = f"""\
: open
id: 1768487445000-0

event: changed
data: [{{"media_id":"{EXAMPLE_ID}","state":"pending","status":"watermarked","code":null,\
"filename":"photo.jpg","ref":null,"batch":null,"size":81234,\
"changed_at":"2026-01-15T14:30:45.123Z","event":"watermarked"}}]
id: 1768487445123-0

: ping

event: resync
data: {{"reason":"too_slow"}}
id: 1768487475000-3

"""


def _one_of(*values: str) -> Any:
    return Field(json_schema_extra={"enum": list(values)})


class ChangedMedia(BaseModel):
    """A media as it is after an event. One that was removed may have only what is required."""

    event: Annotated[str, _one_of(*Event)]
    media_id: MediaId
    status: Annotated[str, _one_of(*Status, Event.REMOVED)]
    changed_at: Time
    state: Annotated[str, _one_of(PENDING, FAILED, DONE)] | None = None
    code: Code | None = None
    filename: str | None = None
    ref: Reference | None = None
    batch: Batch | None = None
    size: Size | None = None


class Resync(BaseModel):
    """Events were missed: read the lists and records again."""

    reason: Missed


class Degraded(BaseModel):
    """No events come until there is a resync."""

    reason: Literal["redis_unavailable"]


def _event(name: str, data: dict[str, Any]) -> dict[str, Any]:
    json = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    properties = {"event": {"const": name}, "id": {"type": "string"}, "data": json}
    return {"type": "object", "properties": properties, "required": ["event", "data"]}


_EVENTS = [
    _event("changed", TypeAdapter(list[ChangedMedia]).json_schema()),
    _event("stats", {"$ref": "#/components/schemas/Stats"}),
    _event("resync", Resync.model_json_schema()),
    _event("degraded", Degraded.model_json_schema()),
]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events, until the client goes. A comment comes every 15 s",
        "content": {
            # itemSchema is of OpenAPI 3.2, and FastAPI writes it, too.
            "text/event-stream": {"itemSchema": {"oneOf": _EVENTS}, "example": _EXAMPLE}
        },
    }
}
