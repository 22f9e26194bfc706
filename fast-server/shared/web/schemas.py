"""Types of fields that an OpenAPI document describes more closely than Python's own do."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shared.contract import MEDIA_ID_PATTERN

EXAMPLE_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
MediaId = Annotated[str, Field(pattern=f"^{MEDIA_ID_PATTERN}$", examples=[EXAMPLE_ID])]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, description="Bytes")]
Time = Annotated[
    str,
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-15T14:30:45.123Z"]),
]


class Alive(BaseModel):
    """The process lives."""

    status: Literal["ok"]
