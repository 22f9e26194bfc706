"""Types and parameters that an OpenAPI document describes more closely than FastAPI would."""

from typing import Annotated, Any

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
