"""What GET /stats, POST /pause and POST /resume answer."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.web.schemas import EXAMPLE_ID, MediaId, Size, Time
from upload_api.answers import Count, FailureGroup


class Queues(BaseModel):
    """How many jobs each queue in Redis has, waiting and running."""

    watermark: Count
    upload: Count


class Throughput(BaseModel):
    """How many media were received, stored and failed in the minute that begins then."""

    minute: Time
    received: Count
    stored: Count
    failed: Count


class WorkInHand(BaseModel):
    """A media that a worker is at."""

    media_id: MediaId
    filename: str
    stage: str
    since: Time


class Worker(BaseModel):
    """A worker that has reported within 15 s. memory_mb is that of all its processes.

    unhealthy says what is wrong with it, as a logo that cannot be had.
    """

    name: str
    version: str
    started_at: Time
    memory_mb: Count
    processes: Count
    at: list[WorkInHand]
    stored_last_minute: Count
    failed_last_minute: Count
    unhealthy: str | None


class ImageFormat(BaseModel):
    """A format that is taken, by its first bytes, and what it is called in Content-Type."""

    name: str
    content_types: list[str]


class Limits(BaseModel):
    """What an upload may be."""

    max_upload_bytes: Size
    max_megapixels: float
    formats: list[ImageFormat]


class Disk(BaseModel):
    """The disk of the uploads. Below least_free_bytes (MIN_FREE_MB) no upload is taken."""

    free_bytes: Size
    total_bytes: Size
    least_free_bytes: Size
    enough: bool


class Reached(BaseModel):
    """Whether a service answers, and what is wrong: reason is null if nothing is.

    One may answer and still be of no use, as when it is full.
    """

    answers: bool
    since: Annotated[Time, Field(description="Since when it is so: since this gateway noticed")]
    reason: str | None


class Pause(BaseModel):
    """since is null where nobody knows."""

    since: Time | None


class PauseState(BaseModel):
    """Whether the workers pause, and since when."""

    paused: bool
    since: Time | None


EXAMPLE: dict[str, Any] = {
    "summary": "12 wait, 1 worker does 140 a minute: about 5 s",
    "healthy": True,
    "complete": True,
    "pending": 12,
    "failed": 3,
    "done": 1203,
    "oldest_pending_seconds": 4.2,
    "eta_seconds": 5,
    "queues": {"watermark": 10, "upload": 2},
    "per_minute": [
        {"minute": "2026-01-15T14:30:00.000Z", "received": 150, "stored": 140, "failed": 1}
    ],
    "failures": [
        {
            "code": "corrupt_image",
            "count": 3,
            "first": "2026-01-15T09:12:07.120Z",
            "last": "2026-01-15T14:30:41.007Z",
            "example": EXAMPLE_ID,
        }
    ],
    "workers": [
        {
            "name": "worker-1",
            "version": "1.0.0",
            "started_at": "2026-01-15T08:00:00.000Z",
            "memory_mb": 210,
            "processes": 3,
            "at": [
                {
                    "media_id": EXAMPLE_ID,
                    "filename": "photo.jpg",
                    "stage": "watermark",
                    "since": "2026-01-15T14:30:45.150Z",
                }
            ],
            "stored_last_minute": 140,
            "failed_last_minute": 1,
            "unhealthy": None,
        }
    ],
    "limits": {
        "max_upload_bytes": 52_428_800,
        "max_megapixels": 100,
        "formats": [{"name": "JPEG", "content_types": ["image/jpeg"]}],
    },
    "disk": {
        "free_bytes": 80_000_000_000,
        "total_bytes": 100_000_000_000,
        "least_free_bytes": 536_870_912,
        "enough": True,
    },
    "redis": {"answers": True, "since": "2026-01-15T08:00:00.000Z", "reason": None},
    "central": {"answers": True, "since": "2026-01-15T08:00:00.000Z", "reason": None},
    "paused": None,
    "version": "1.0.0",
}


class Stats(BaseModel):
    """What goes on. Null is what nobody can tell just now."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    summary: Annotated[
        str, Field(description="A sentence: the worst trouble first, and what to do. Times are UTC")
    ]
    healthy: Annotated[bool, Field(description="false while summary begins with a trouble")]
    complete: Annotated[
        bool, Field(description="false while media are still counted, as after a start")
    ]
    pending: Count | None
    failed: Count | None
    done: Annotated[Count | None, Field(description="Those whose originals are kept")]
    oldest_pending_seconds: Annotated[
        float | None, Field(ge=0, description="Since the reception of the oldest that waits")
    ]
    eta_seconds: Annotated[
        int | None,
        Field(
            ge=0,
            description="When all that waits has ended, at the rate of the last seconds or minute. "
            "null if it is paused, nobody works, or nothing has ended",
        ),
    ]
    queues: Annotated[Queues | None, Field(description="null without Redis")]
    per_minute: Annotated[
        list[Throughput] | None, Field(description="The last 60 minutes, the oldest first")
    ]
    failures: Annotated[
        list[FailureGroup] | None, Field(description="By code, the most frequent first")
    ]
    workers: Annotated[list[Worker] | None, Field(description="null without Redis")]
    limits: Limits
    disk: Disk | None
    redis: Reached | None
    central: Annotated[Reached | None, Field(description="Asked every 5 s; null before the first")]
    paused: Pause | None
    version: str
