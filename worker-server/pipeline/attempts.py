"""Keeping count of attempts in progress.json, and what a failed one leads to.

arq counts too, but it charges interrupted runs and loses its count with Redis.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from errors import StageError
from settings import Settings
from shared import clock
from shared.contract import (
    PENDING,
    TAKEN_UP_AGAIN,
    TAKEN_UP_FOR,
    Attempt,
    Stage,
    Status,
    timestamp,
)
from shared.records import received_at
from shared.spool import HeldMedia

_MAX_UNENDED = 10
_ROUNDED_S = 1.0
_DURING = {Stage.WATERMARK: Status.WATERMARKING, Stage.UPLOAD: Status.UPLOADING}
LONGEST_RETRY_AFTER_S = 3600.0


class WorkerLost(StageError):
    """Attempt after attempt began and never ended."""


def begin(media: HeldMedia, stage: Stage, worker: str) -> None:
    """Note an attempt before its work begins. Raises WorkerLost."""
    unended = [a for a in _of(media, stage) if a["ended_at"] is None]
    if len(unended) >= _MAX_UNENDED:
        detail = f"{len(unended)} attempts began and never ended: the worker died each time."
        raise WorkerLost("worker_lost", detail)
    _append(media, stage, worker)
    media.progress["status"] = _DURING[stage]
    media.progress["next_attempt_at"] = None
    media.save()


def end(media: HeldMedia, stage: Stage, status: Status) -> None:
    """Note that the attempt begun last did its work. The record is still to be saved."""
    _of(media, stage)[-1]["ended_at"] = timestamp(clock.now())
    media.progress["status"] = status


def charge(
    media: HeldMedia, stage: Stage, error: StageError, worker: str, backoff_s: float
) -> tuple[int, float | None]:
    """Note a failed attempt. How many failed like that, and the next one's delay in seconds.

    None if there is no next one; then the record is still to be saved. The n-th retry waits n
    times backoff_s, or what the other side asked for if longer.
    """
    if not any(a["ended_at"] is None for a in _of(media, stage)[-1:]):
        _append(media, stage, worker)  # it went wrong before it had begun
    attempts = _of(media, stage)
    attempts[-1]["ended_at"] = timestamp(clock.now())
    attempts[-1]["error"] = {"code": error.code, "detail": error.detail}
    charged = sum(1 for a in attempts if a["error"] and a["error"]["code"] == error.code)
    if charged >= error.attempts or isinstance(error, WorkerLost):
        media.progress["status"] = Status.FAILED
        media.progress["error"] = {"code": error.code, "detail": error.detail}
        return len(attempts), None
    delay_s = max(charged * backoff_s * error.patience, error.retry_after_s)
    media.progress["next_attempt_at"] = timestamp(clock.now() + timedelta(seconds=delay_s))
    media.save()
    return charged, delay_s


def excuse(media: HeldMedia, stage: Stage, code: str, detail: str) -> None:
    """Note an attempt that something else ended: the disk, or whoever stopped the worker.

    It is not charged, and of many only one is kept. What has left pending/ by then was no attempt.
    """
    if media.state != PENDING:
        return
    excused = [a for a in _of(media, stage) if a["error"] and a["error"]["code"] == code]
    for attempt in excused:
        media.progress["attempts"].remove(attempt)
    for attempt in _of(media, stage)[-1:]:
        if attempt["ended_at"] is None:
            attempt["ended_at"] = timestamp(clock.now())
            attempt["error"] = {"code": code, "detail": detail}
    with suppress(OSError):
        media.save()


def after_failure(media: HeldMedia) -> str:
    """What comes next for a media that has failed, as a sentence."""
    media_id, error = media.record["media_id"], media.progress["error"]
    if error is not None and error["code"] in TAKEN_UP_AGAIN and is_taken_up(media.path):
        until = timestamp(received_at(media.path) + TAKEN_UP_FOR)
        return f"taken up again when {TAKEN_UP_AGAIN[error['code']]}, until {until}"
    return f"POST /media/{media_id}/retry or DELETE /media/{media_id}"


def is_taken_up(path: Path) -> bool:
    """Whether the media in path is queued again by itself, once what it needs is there."""
    return clock.now() - received_at(path) < TAKEN_UP_FOR


def wait_s(media: HeldMedia, longest_s: float) -> float:
    """Seconds until the next attempt is due; 0 if it is now, or later than it was put off for: the
    clock was wrong when that was noted, and has been set back since."""
    due = media.progress["next_attempt_at"]
    if due is None:
        return 0
    due_at, put_off_s = datetime.fromisoformat(due), longest_s
    with suppress(IndexError, TypeError, ValueError):  # no attempt has ended, or nobody knows when
        ended_at = datetime.fromisoformat(media.progress["attempts"][-1]["ended_at"] or "")
        put_off_s = min(longest_s, (due_at - ended_at).total_seconds() + _ROUNDED_S)
    left_s = (due_at - clock.now()).total_seconds()
    return left_s if 0 < left_s <= put_off_s else 0


def longest_wait_s(settings: Settings) -> float:
    """No attempt is put off for longer."""
    return max(LONGEST_RETRY_AFTER_S, 10 * settings.retry_backoff_seconds)


def _append(media: HeldMedia, stage: Stage, worker: str) -> None:
    media.progress["attempts"].append(
        {
            "stage": stage,
            "worker": worker,
            "started_at": timestamp(clock.now()),
            "ended_at": None,
            "error": None,
        }
    )


def _of(media: HeldMedia, stage: Stage) -> list[Attempt]:
    return [a for a in media.progress["attempts"] if a["stage"] == stage]
