"""What central-server answers. The timestamp is the log line's own."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shared.web.schemas import MediaId, Sha256, Size

LogTime = Annotated[
    str,
    Field(
        pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$",
        examples=["2026-01-15 14:30:45"],
    ),
]


class Stored(BaseModel):
    """An image that is stored and logged. duplicate: it had been before."""

    status: Literal["stored_and_logged"]
    worker: str
    timestamp: LogTime
    name: str
    sha256: Sha256
    size: Size
    duplicate: bool


class MediaReceipt(BaseModel):
    """The receipt of a stored image."""

    media_id: MediaId
    worker: str
    timestamp: LogTime
    name: str
    sha256: Sha256
    size: Size


class Ready(BaseModel):
    """keep_receipts_days: how long a media is remembered; null for ever."""

    status: Literal["ready"]
    keep_receipts_days: float | None
