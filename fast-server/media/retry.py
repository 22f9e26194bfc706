"""New runs of failed media: of one, or of all."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from shared import events
from shared.contract import FAILED, is_media_id
from shared.events import Event
from shared.jobs import Job, next_job
from shared.records import read_progress
from shared.spool import HeldMedia, MediaBusy, MediaGone, Spool
from shared.web.problems import Problem
from upload_api.queues import Queues
from upload_api.refusals import NOT_FAILED

_BATCH = 200


async def rerun(spool: Spool, queues: Queues, media_id: str) -> None:
    """Move a failed media back to pending/ and queue it.

    Raises Problem where it has not failed, MediaGone, MediaBusy, OSError.
    """
    job, event = await asyncio.to_thread(_rerun, spool, media_id)
    await queues.enqueue([job], [event])


async def rerun_all(spool: Spool, queues: Queues, code: str | None) -> tuple[int, int]:
    """Rerun all that failed, or all with this code. Returns how many were rerun, and were not.

    Raises OSError; those before it are rerun.
    """
    matching = _matching(spool, code)
    retried = skipped = 0
    redis_answers = True
    while media_ids := await asyncio.to_thread(lambda: list(islice(matching, _BATCH))):
        batch = await asyncio.to_thread(_rerun_each, spool, media_ids)
        if batch and redis_answers:  # else all of them are left to the reconciler
            wanted, told = zip(*batch, strict=True)
            redis_answers = await queues.enqueue(wanted, told)
        retried += len(batch)
        skipped += len(media_ids) - len(batch)
    return retried, skipped


def _matching(spool: Spool, code: str | None) -> Iterator[str]:
    # All names first: media that fail again meanwhile come back here. The oldest go first.
    for media_id in sorted(path.name for path in (spool.root / FAILED).iterdir()):
        if is_media_id(media_id) and (code is None or _failed_with(spool, media_id) == code):
            yield media_id


def _failed_with(spool: Spool, media_id: str) -> str | None:
    with suppress(OSError):
        error = read_progress(spool.folder(FAILED, media_id))["error"]
        return error["code"] if error else None
    return None


def _rerun_each(spool: Spool, media_ids: list[str]) -> list[tuple[Job, bytes]]:
    """The jobs and events of those that can be rerun: not locked, not gone, and readable."""
    rerun = []
    for media_id in media_ids:
        with suppress(MediaBusy, MediaGone, Problem, OSError):
            rerun.append(_rerun(spool, media_id))
    return rerun


def _rerun(spool: Spool, media_id: str) -> tuple[Job, bytes]:
    with spool.hold(media_id) as media:
        _require_failed(media)
        media.rerun()
        event = events.encoded(events.now(media), Event.RETRY)
        return next_job(media_id, media.progress), event


def _require_failed(media: HeldMedia) -> None:
    if media.state != FAILED:
        status = media.progress["status"]
        raise Problem(NOT_FAILED, media_id=media.path.name, status=status, state=media.state)
