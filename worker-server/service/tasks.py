"""The two arq tasks: a lock around a stage, and what its end means to arq.

Only arq's Retry brings a job back; any other exception would end it. Whatever happens to
the job, the media stays in pending/ and the reconciler queues it again.
"""

from typing import Any

from arq.worker import Retry

from pipeline.stages import Postponed, Stages
from shared import console
from shared.contract import PENDING, Stage, is_job
from shared.jobs import Job
from shared.spool import MediaBusy, MediaGone

_BUSY_S = 5
_DISK_FAULT_S = 10


async def watermark_image_task(ctx: dict[str, Any], media_id: str, run: int) -> Job | None:
    """Stage 1. Its success queues stage 2."""
    return await _advance(ctx["stages"], Stage.WATERMARK, media_id, run)


async def upload_to_central_task(ctx: dict[str, Any], media_id: str, run: int) -> Job | None:
    """Stage 2."""
    return await _advance(ctx["stages"], Stage.UPLOAD, media_id, run)


async def _advance(stages: Stages, stage: Stage, media_id: str, run: int) -> Job | None:
    """The job to queue next, if any: it needs the lock, which is free only then."""
    following = None
    if not is_job(media_id, run):
        detail = f"a job of none of us was dropped: {media_id!r:.100}, {run!r:.100}"
        console.event(console.NOTICE, stage=stage, detail=detail)
        return None
    try:
        with stages.spool.hold(media_id) as media:
            # A job of an earlier run, or one that ran already: nothing is left to do.
            if media.state == PENDING and media.progress["run"] == run:
                following = await stages.advance(media, stage)
    except MediaGone:
        return None
    except MediaBusy:
        raise Retry(defer=_BUSY_S) from None
    except Postponed as postponed:
        raise Retry(defer=postponed.delay_s) from None
    except OSError as error:
        detail = f"The disk: {error}. Tried again in {_DISK_FAULT_S} s."
        console.event(console.NOTICE, media_id=media_id, stage=stage, detail=detail)
        raise Retry(defer=_DISK_FAULT_S) from None
    return None if following is None else (media_id, following, run)
