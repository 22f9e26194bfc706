"""New runs of failed media: of one, or of all."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from index.index import Index
from shared.contract import FAILED, is_media_id
from shared.records import read_progress, read_record
from shared.redis import events
from shared.redis.events import Event
from shared.redis.jobs import Job, next_job
from shared.spool import HeldMedia, MediaBusy, MediaGone, Spool
from shared.web.problems import Problem
from upload_api.queues import Queues
from upload_api.refusals import NOT_FAILED

_AT_ONCE = 200


async def rerun(spool: Spool, queues: Queues, index: Index, media_id: str) -> None:
    """Move a failed media back to pending/ and queue it.

    Raises Problem where it has not failed, MediaGone, MediaBusy, OSError.
    """
    job, event = await asyncio.to_thread(_rerun, spool, index, media_id)
    await queues.enqueue([job], [event])


async def rerun_all(
    spool: Spool, queues: Queues, index: Index, code: str | None, batch: str | None
) -> tuple[int, int]:
    """Rerun all that failed, or those with this code, or of this batch.

    Returns how many were rerun, and how many were not.

    Raises OSError; those before it are rerun.
    """
    matching = _matching(spool, code, batch)
    retried = skipped = 0
    redis_answers = True
    while media_ids := await asyncio.to_thread(lambda: list(islice(matching, _AT_ONCE))):
        rerun = await asyncio.to_thread(_rerun_each, spool, index, media_ids)
        if rerun and redis_answers:  # else all of them are left to the reconciler
            redis_answers = await queues.enqueue(*zip(*rerun, strict=True))
        retried += len(rerun)
        skipped += len(media_ids) - len(rerun)
    return retried, skipped


def _matching(spool: Spool, code: str | None, batch: str | None) -> Iterator[str]:
    # All names first: media that fail again meanwhile come back here. The oldest go first.
    for media_id in sorted(path.name for path in (spool.root / FAILED).iterdir()):
        path = spool.folder(FAILED, media_id)
        if is_media_id(media_id) and _has_code(path, code) and _is_of_batch(path, batch):
            yield media_id


def _has_code(path: Path, code: str | None) -> bool:
    if code is None:
        return True
    with suppress(OSError):
        error = read_progress(path)["error"]
        return error is not None and error["code"] == code
    return False


def _is_of_batch(path: Path, batch: str | None) -> bool:
    if batch is None:
        return True
    with suppress(OSError):
        return read_record(path).get("batch") == batch
    return False


def _rerun_each(spool: Spool, index: Index, media_ids: list[str]) -> list[tuple[Job, bytes]]:
    """The jobs and events of those that can be rerun: not locked, not gone, and readable."""
    rerun = []
    for media_id in media_ids:
        with suppress(MediaBusy, MediaGone, Problem, OSError):
            rerun.append(_rerun(spool, index, media_id))
    return rerun


def _rerun(spool: Spool, index: Index, media_id: str) -> tuple[Job, bytes]:
    with spool.hold(media_id) as media:
        _require_failed(media)
        media.rerun()
        rerun = events.now(media)
        index.note(rerun)
        return next_job(media_id, media.progress), events.encoded(rerun, Event.RETRY)


def _require_failed(media: HeldMedia) -> None:
    if media.state != FAILED:
        status = media.progress["status"]
        raise Problem(NOT_FAILED, media_id=media.path.name, status=status, state=media.state)
