"""Types and parameters that an OpenAPI document describes more closely than FastAPI would."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from shared.contract import MEDIA_ID_PATTERN

EXAMPLE_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
MediaId = Annotated[str, Field(pattern=f"^{MEDIA_ID_PATTERN}$", examples=[EXAMPLE_ID])]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, description="Bytes")]
Time = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-15T14:30:45.123Z"]),
]
BYTES: dict[str, Any] = {"type": "string", "format": "binary"}
IMAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The image, with its own content type",
        "content": {
            "image/*": {"schema": BYTES},
            "application/octet-stream": {"schema": BYTES},  # of no known image type
        },
        "headers": {"ETag": {"schema": {"type": "string"}}},
    },
    206: {"description": "The part of it that Range asks for"},
    304: {"description": "Not modified since If-None-Match or If-Modified-Since"},
}
LogTail = Annotated[int, Query(ge=1, le=100_000, description="How many of the last lines")]
LogFollow = Annotated[bool, Query(description="Go on with each new line")]
_LINE = "[2026-01-15 14:30:45] WORKER: worker-1 | IMAGE: watermarked_photo.jpg\n"
LOG_LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _LINE}}}
}

MEDIA_ID_PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": "media_id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{MEDIA_ID_PATTERN}$"},
            "example": EXAMPLE_ID,
        }
    ]
}
