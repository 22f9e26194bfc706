"""The two arq tasks. Their result is what queue_worker.py does next.

Only PutOff brings a job back; any other exception would end it. Whatever happens to
the job, the media stays in pending/ and the reconciler queues it again.
"""

from typing import Any

from pipeline.attempts import Postponed
from pipeline.stages import Outcome, Stages
from service.queue_worker import PutOff
from shared import console
from shared.contract import Stage, is_job


async def watermark_image_task(ctx: dict[str, Any], media_id: str, run: int) -> Outcome:
    """Stage 1. Its success queues stage 2."""
    return await _run(ctx["stages"], Stage.WATERMARK, media_id, run)


async def upload_to_central_task(ctx: dict[str, Any], media_id: str, run: int) -> Outcome:
    """Stage 2."""
    return await _run(ctx["stages"], Stage.UPLOAD, media_id, run)


async def _run(stages: Stages, stage: Stage, media_id: str, run: int) -> Outcome:
    if not is_job(media_id, run):
        detail = f"a job of another program was dropped: {media_id!r:.100}, {run!r:.100}"
        console.event(console.NOTICE, stage=stage, detail=detail)
        return Outcome()
    try:
        return await stages.do_job(media_id, stage, run)
    except Postponed as postponed:
        raise PutOff(postponed.delay_s, postponed.event) from None
