"""What fast-server answers. The records' fields stand in shared/contract.py; a test compares."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shared.contract import Stage, Status
from shared.web.schemas import MediaId, Sha256, Size, Time

Code = Annotated[str, Field(pattern="^[a-z0-9_]+$", examples=["corrupt_image"])]
Reference = Annotated[
    str, Field(min_length=1, max_length=1024, description="What its client calls it")
]

UploadStatus = Status | Literal["removed"]


class Accepted(BaseModel):
    """An upload that was taken. Of a repeat the original may not be kept any more."""

    message: Literal["Task Enqueued"]
    media_id: MediaId
    filename: str
    status: UploadStatus
    storage_path: str | None
    status_url: str
    ref: Reference | None = None


class Failure(BaseModel):
    """code is for programs, detail a sentence for people."""

    code: Code
    detail: str


class AttemptMade(BaseModel):
    """One worker's attempt at one stage; ended_at is null while it goes on."""

    stage: Stage
    worker: str
    started_at: Time
    ended_at: Time | None
    error: Failure | None


class Watermarked(BaseModel):
    """What stage 1 wrote. notes: what could not be as usual."""

    name: str
    sha256: Sha256
    size: Size
    content_type: str | None = None
    notes: list[str] | None = None


class Stored(BaseModel):
    """What central has stored, under which name."""

    name: str
    sha256: Sha256
    size: Size
    stored_at: Time | None = None


class Media(BaseModel):
    """Both records of a media, and what comes next.

    Null are width and height where the header does not tell them, and of a record that was
    lost all that it told.
    """

    media_id: MediaId
    filename: str
    content_type: str | None
    size: Size | None
    sha256: Sha256 | None
    width: int | None
    height: int | None
    received_at: Time | None
    format_version: int
    ref: Reference | None = None
    run: Annotated[int, Field(ge=1, description="How often it was sent on its way")]
    status: Status
    attempts: list[AttemptMade]
    next_attempt_at: Time | None
    error: Failure | None
    watermarked: Watermarked | None
    stored: Stored | None
    next: Annotated[str, Field(description="A sentence that says what comes next")]


class Retried(BaseModel):
    """How many were sent on, and how many were left alone because somebody else was at them."""

    retried: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)]


class Ready(BaseModel):
    """Uploads can be taken."""

    status: Literal["ready"]
