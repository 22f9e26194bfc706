"""Attempts at a stage, counted in progress.json, and what a failed one leads to.

arq counts too, but it charges interrupted runs and loses its count with Redis.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from errors import StageError, Unforeseen, WorkerLost
from settings import Settings
from shared import clock, console
from shared.contract import AttemptRecord, ErrorRecord, Stage, Status, timestamp
from shared.records import after_failure
from shared.spool import HeldMedia

LONGEST_RETRY_AFTER_S = 3600.0
_MAX_UNENDED = 10
_ROUNDING_SLACK_S = 1.0
_BEGUN = {
    Stage.WATERMARK: (Status.WATERMARKING, console.WATERMARKING),
    Stage.UPLOAD: (Status.UPLOADING, console.UPLOADING),
}
_ENDED = {
    Stage.WATERMARK: (Status.WATERMARKED, console.WATERMARKED),
    Stage.UPLOAD: (Status.STORED, console.STORED),
}
_logger = logging.getLogger(__name__)


class Postponed(Exception):
    """The stage is to be run again after delay_s seconds."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(delay_s)
        self.delay_s = delay_s
        self.event = b""  # encoded, once it is known what the media is


@contextmanager
def attempt(
    media: HeldMedia, stage: Stage, worker: str, backoff_s: float
) -> Iterator["StageAttempt"]:
    """The body is one attempt. It may end early; else it calls begin before its work and end after.

    Errors are charged. A fault of the disk and the worker's stop are not, and are raised again.
    Raises Postponed if another attempt follows; otherwise the media has failed.
    """
    current = StageAttempt(media, stage, worker)
    try:
        yield current
    except Postponed:
        raise
    except StageError as error:
        current.charge(error, backoff_s)
    except OSError as error:
        current.excuse("disk_fault", str(error))
        raise
    except asyncio.CancelledError:
        current.excuse("interrupted", "The worker had to stop meanwhile.")
        raise
    except Exception as error:
        _logger.exception("%s of %s", stage, media.record["media_id"])
        current.charge(Unforeseen(error), backoff_s)


class StageAttempt:
    """The records and the console lines of one attempt."""

    def __init__(self, media: HeldMedia, stage: Stage, worker: str) -> None:
        self._media, self._progress = media, media.progress
        self._stage = stage
        self._worker = worker
        self._began_at = 0.0

    def begin(self) -> None:
        """Save that the attempt begins. Raises WorkerLost."""
        unended = [a for a in self._at_this_stage() if a["ended_at"] is None]
        if len(unended) >= _MAX_UNENDED:
            detail = f"{len(unended)} attempts began and never ended: the worker died each time."
            raise WorkerLost("worker_lost", detail)
        self._append()
        self._progress["status"], event = _BEGUN[self._stage]
        self._progress["next_attempt_at"] = None
        self._media.save()
        self._began_at = time.monotonic()
        self._log(event)

    def end(self, **said: object) -> None:
        """Note that the work is done. The record of stage 2 is saved when the media moves."""
        self._close(None)
        self._progress["status"], event = _ENDED[self._stage]
        if self._stage is Stage.WATERMARK:
            self._media.save()
        self._log(event, **said, seconds=time.monotonic() - self._began_at)

    def charge(self, error: StageError, backoff_s: float) -> None:
        """Count the attempt as failed. Raises Postponed unless it was the last one.

        Retries are counted for each error code. The n-th waits n times backoff_s, or what the other
        side asked for if longer.
        """
        failure: ErrorRecord = {"code": error.code, "detail": error.detail}
        if not self._is_open():
            self._append()  # it went wrong before it had begun
        self._close(failure)
        codes = [a["error"] and a["error"]["code"] for a in self._at_this_stage()]
        charged = codes.count(error.code)
        if charged >= error.attempts:
            self._progress["status"], self._progress["error"] = Status.FAILED, failure
            fields = {"attempts": len(codes), "next": after_failure(self._media.path, failure)}
            self._log(console.FAILED, stage=self._stage, **failure, **fields)
            return
        delay_s = max(charged * backoff_s * error.backoff_factor, error.retry_after_s)
        self._progress["next_attempt_at"] = timestamp(clock.now() + timedelta(seconds=delay_s))
        self._media.save()
        retry = f"{console.RETRY} {charged}/{error.attempts - 1} in {delay_s:g}s"
        self._log(retry, stage=self._stage, **failure)
        raise Postponed(delay_s)

    def excuse(self, code: str, detail: str) -> None:
        """Note what else ended the attempt. It is not charged, and of many only one is kept."""
        for earlier in self._at_this_stage():
            if earlier["error"] and earlier["error"]["code"] == code:
                self._progress["attempts"].remove(earlier)
        if self._is_open():
            self._close({"code": code, "detail": detail})
        with suppress(OSError):
            self._media.save()

    def _at_this_stage(self) -> list[AttemptRecord]:
        return [a for a in self._progress["attempts"] if a["stage"] == self._stage]

    def _is_open(self) -> bool:
        return any(a["ended_at"] is None for a in self._at_this_stage()[-1:])

    def _append(self) -> None:
        self._progress["attempts"].append(
            {
                "stage": self._stage,
                "worker": self._worker,
                "started_at": timestamp(clock.now()),
                "ended_at": None,
                "error": None,
            }
        )

    def _close(self, error: ErrorRecord | None) -> None:
        last = self._at_this_stage()[-1]
        last["ended_at"], last["error"] = timestamp(clock.now()), error

    def _log(self, event: str, **fields: object) -> None:
        media_id, filename = self._media.record["media_id"], self._media.record["filename"]
        console.event(event, media_id=media_id, filename=filename, worker=self._worker, **fields)


def wait_s(media: HeldMedia, longest_s: float) -> float:
    """Seconds until the next attempt is due.

    0 if it is due now. Also 0 if it is further away than it was put off for: then the clock was
    wrong and has been set back.
    """
    due = media.progress["next_attempt_at"]
    if due is None:
        return 0
    due_at, put_off_s = datetime.fromisoformat(due), longest_s
    with suppress(IndexError, TypeError, ValueError):  # no attempt has ended, or nobody knows when
        ended_at = datetime.fromisoformat(media.progress["attempts"][-1]["ended_at"] or "")
        put_off_s = min(longest_s, (due_at - ended_at).total_seconds() + _ROUNDING_SLACK_S)
    left_s = (due_at - clock.now()).total_seconds()
    return left_s if 0 < left_s <= put_off_s else 0


def longest_wait_s(settings: Settings) -> float:
    """No attempt is put off for longer."""
    return max(LONGEST_RETRY_AFTER_S, 10 * settings.retry_backoff_seconds)
