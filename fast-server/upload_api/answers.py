"""What fast-server answers. A test compares the fields with the records in shared/contract.py."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.contract import CODE_PATTERN, MEDIA_ID_PATTERN, Stage, Status
from shared.web.schemas import EXAMPLE_ID, MediaId, Sha256, Size, Time

Code = Annotated[str, Field(pattern=f"^{CODE_PATTERN}$", examples=["corrupt_image"])]
Reference = Annotated[
    str, Field(min_length=1, max_length=1024, description="The client's own name for it")
]

Batch = Annotated[
    str,
    Field(pattern=f"^{MEDIA_ID_PATTERN}$", description="What the client gave to all of a batch"),
]

ResultUrl = Annotated[str | None, Field(description="Where its image is, once it is stored")]
Count = Annotated[int, Field(ge=0)]
UploadStatus = Status | Literal["removed"]


class Accepted(BaseModel):
    """An upload that was taken. storage_path is null if a repeat's original is no longer kept."""

    message: Literal["Task Enqueued"]
    media_id: MediaId
    filename: str
    status: UploadStatus
    storage_path: str | None
    status_url: str
    ref: Reference | None = None
    batch: Batch | None = None


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
    """What stage 1 wrote. notes: what is not as usual."""

    name: str
    sha256: Sha256
    size: Size
    content_type: str | None = None
    notes: list[str] | None = None


class Stored(BaseModel):
    """What central has stored."""

    name: str
    sha256: Sha256
    size: Size
    stored_at: Time | None = None


_EXAMPLE: dict[str, Any] = {
    "media_id": EXAMPLE_ID,
    "filename": "photo.jpg",
    "content_type": "image/jpeg",
    "size": 81234,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "width": 320,
    "height": 240,
    "received_at": "2026-01-15T14:30:45.123Z",
    "format_version": 1,
    "ref": "holiday/2026/IMG_1.jpg",
    "run": 1,
    "status": "watermarking",
    "attempts": [
        {
            "stage": "watermark",
            "worker": "worker-1",
            "started_at": "2026-01-15T14:30:45.150Z",
            "ended_at": None,
            "error": None,
        }
    ],
    "next_attempt_at": None,
    "error": None,
    "watermarked": None,
    "stored": None,
    "next": "worker-1 is at attempt 1 to watermark it since 2026-01-15T14:30:45.150Z.",
    "result_url": None,
}


class Media(BaseModel):
    """Both records of a media, and what comes next.

    width and height are null where the header does not say them. If media.json was lost, all of
    its fields but the name are null.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

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
    batch: Batch | None = None
    run: Annotated[int, Field(ge=1, description="1, and one more with every retry")]
    status: Status
    attempts: list[AttemptMade]
    next_attempt_at: Time | None
    error: Failure | None
    watermarked: Watermarked | None
    stored: Stored | None
    next: Annotated[str, Field(description="A sentence that says what comes next")]
    result_url: ResultUrl


class FailureGroup(BaseModel):
    """The media in failed/ with one code: when the first and the last of them failed.

    example is the last one's media_id.
    """

    code: Code
    count: Count
    first: Time
    last: Time
    example: MediaId


class ListedMedia(BaseModel):
    """A media as lists have it. state is its folder, code its error's.

    filename is empty and size 0 where media.json was lost.
    """

    media_id: MediaId
    state: Literal["pending", "failed", "done"]
    status: Status
    code: Code | None
    filename: str
    ref: Reference | None
    batch: Batch | None
    size: Size
    changed_at: Time
    status_url: str
    result_url: ResultUrl


_LISTED: dict[str, Any] = {
    "media_id": EXAMPLE_ID,
    "state": "failed",
    "status": "failed",
    "code": "corrupt_image",
    "filename": "photo.jpg",
    "ref": "holiday/2026/IMG_1.jpg",
    "batch": None,
    "size": 81234,
    "changed_at": "2026-01-15T14:30:45.150Z",
    "status_url": f"http://localhost:8000/media/{EXAMPLE_ID}",
    "result_url": None,
}


class MediaList(BaseModel):
    """A page. next is null on the last one; complete is false while some may be missing."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"media": [_LISTED], "next": None, "complete": True}]}
    )

    media: list[ListedMedia]
    next: Annotated[MediaId | None, Field(description="Send it as after for the next page")]
    complete: bool


class Retried(BaseModel):
    """How many were rerun, and how many were not: busy, gone, unreadable or no longer failed."""

    retried: Annotated[int, Field(ge=0, examples=[120])]
    skipped: Annotated[int, Field(ge=0, examples=[0])]


class Ready(BaseModel):
    """Uploads can be taken."""

    status: Literal["ready"]
