"""What GET /batches/{batch} answers."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.web.schemas import EXAMPLE_ID, MediaId, Time
from upload_api.answers import Count, FailureGroup

_EXAMPLE: dict[str, Any] = {
    "batch": EXAMPLE_ID,
    "total": 500,
    "pending": 0,
    "failed": 3,
    "done": 497,
    "failures": [
        {
            "code": "corrupt_image",
            "count": 3,
            "first": "2026-01-15T14:30:45.150Z",
            "last": "2026-01-15T14:31:02.718Z",
            "example": "01KAP3VB9Q2M4N6P8R0S1T3V5W",
        }
    ],
    "finished_since": "2026-01-15T14:31:10.020Z",
    "complete": True,
    "archive_url": f"http://localhost:8000/batches/{EXAMPLE_ID}/archive.zip",
}


class BatchState(BaseModel):
    """What has become of a batch. total is pending, failed and done together.

    complete is false while some of its media may be missing here, as for a few minutes after the
    index was removed.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    batch: MediaId
    total: Count
    pending: Count
    failed: Count
    done: Count
    failures: Annotated[list[FailureGroup], Field(description="By code, the most frequent first")]
    finished_since: Annotated[
        Time | None, Field(description="When its last media ended; null while one is pending")
    ]
    complete: bool
    archive_url: Annotated[str, Field(description="All of its stored images in one ZIP")]
