"""What comes next for a media, in one sentence out of its records."""

from datetime import datetime
from typing import Any

from shared import clock
from shared.contract import (
    TAKEN_UP_AGAIN,
    TAKEN_UP_FOR,
    Attempt,
    ProgressRecord,
    Stage,
    Status,
    timestamp,
)
from shared.records import next_stage, received_at
from shared.spool import Spool

_VERB = {Stage.WATERMARK: "watermark it", Stage.UPLOAD: "send it to central"}


def describe(spool: Spool, media_id: str) -> dict[str, Any]:
    """Both records of a media as one, and what comes next. Raises MediaGone, OSError."""
    known = spool.describe(media_id)
    known.pop("idempotency_key", None)  # a hash for the gateway's own use
    if known["format_version"] == 0:  # its media.json was lost
        known.update(content_type=None, size=None, sha256=None, received_at=None)
    progress: ProgressRecord = {key: known[key] for key in ProgressRecord.__annotations__}  # type: ignore[assignment]
    until = received_at(spool.find(media_id)) + TAKEN_UP_FOR
    return {**known, "next": what_next(media_id, progress, clock.now(), until)}


def what_next(media_id: str, progress: ProgressRecord, now: datetime, until: datetime) -> str:
    """until is when what failed for want of central or a logo is no longer taken up by itself."""
    if progress["status"] == Status.STORED:
        stored = progress["stored"]
        return f"Nothing: central has stored it as {stored['name']}." if stored else "Nothing."
    if progress["status"] == Status.FAILED:
        return _after_failure(media_id, progress, now, until)
    if progress["attempts"] and progress["attempts"][-1]["ended_at"] is None:
        return _under_way(progress)
    stage = next_stage(progress)
    if progress["next_attempt_at"] is not None:
        number = _count(progress["attempts"], stage) + 1
        return f"Attempt {number} to {_VERB[stage]} is due at {progress['next_attempt_at']}."
    return f"It waits for a worker to {_VERB[stage]}."


def _under_way(progress: ProgressRecord) -> str:
    attempt = progress["attempts"][-1]
    number = _count(progress["attempts"], attempt["stage"])
    verb = _VERB[Stage(attempt["stage"])]
    return f"{attempt['worker']} is at attempt {number} to {verb} since {attempt['started_at']}."


def _after_failure(media_id: str, progress: ProgressRecord, now: datetime, until: datetime) -> str:
    retry = f"POST /media/{media_id}/retry"
    error = progress["error"]
    if error and error["code"] in TAKEN_UP_AGAIN and now < until:
        once = f"once {TAKEN_UP_AGAIN[error['code']]}, until {timestamp(until)}"
        return f"It is queued again by itself {once}; {retry} does it now."
    return f"Nothing by itself: {retry} tries again, DELETE /media/{media_id} removes it."


def _count(attempts: list[Attempt], stage: str) -> int:
    return sum(1 for attempt in attempts if attempt["stage"] == stage)
