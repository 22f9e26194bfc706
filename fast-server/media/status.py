"""What comes next for a media, in one sentence out of its records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import Request

from shared.contract import AttemptRecord, ProgressRecord, Stage, Status
from shared.records import after_failure, next_stage
from shared.spool import Spool

_VERB = {Stage.WATERMARK: "watermark it", Stage.UPLOAD: "send it to central"}


def describe(spool: Spool, media_id: str) -> dict[str, Any]:
    """Both records of a media as one, and what comes next. Raises MediaGone, OSError."""
    known = spool.describe(media_id)
    known.pop("idempotency_key", None)  # a hash for fast-server's own use
    if known["format_version"] == 0:  # its media.json was lost
        known.update(content_type=None, size=None, sha256=None, received_at=None)
    progress: ProgressRecord = {key: known[key] for key in ProgressRecord.__annotations__}  # type: ignore[assignment]
    return {**known, "next": what_next(spool.find(media_id), progress)}


def answer(request: Request, media_id: str) -> dict[str, Any]:
    """describe, and where its image is. Raises MediaGone, OSError."""
    described = describe(request.app.state.spool, media_id)
    is_stored = described["status"] == Status.STORED
    return {**described, "result_url": _url(request, media_id, "/image") if is_stored else None}


def listed(request: Request, item: Mapping[str, Any]) -> dict[str, Any]:
    """A media of a list, and where its record and its image are."""
    media_id = item["media_id"]
    is_stored = item["status"] == Status.STORED
    return {
        **item,
        "status_url": _url(request, media_id),
        "result_url": _url(request, media_id, "/image") if is_stored else None,
    }


def _url(request: Request, media_id: str, what: str = "") -> str:
    return f"{request.base_url}media/{media_id}{what}"


def what_next(path: Path, progress: ProgressRecord) -> str:
    """What comes next for the media in path, in a sentence."""
    if progress["status"] == Status.STORED:
        stored = progress["stored"]
        return f"Nothing: central has stored it as {stored['name']}." if stored else "Nothing."
    if progress["status"] == Status.FAILED:
        return after_failure(path, progress["error"])
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


def _count(attempts: list[AttemptRecord], stage: str) -> int:
    return sum(1 for attempt in attempts if attempt["stage"] == stage)
