"""The two arq tasks. Their result is the job to queue next.

Only arq's Retry brings a job back; any other exception would end it. Whatever happens to
the job, the media stays in pending/ and the reconciler queues it again.
"""

from typing import Any

from arq.worker import Retry

from pipeline.attempts import Postponed
from pipeline.stages import Stages
from shared import console
from shared.contract import Stage, is_job
from shared.jobs import Job


async def watermark_image_task(ctx: dict[str, Any], media_id: str, run: int) -> Job | None:
    """Stage 1. Its success queues stage 2."""
    return await _run(ctx["stages"], Stage.WATERMARK, media_id, run)


async def upload_to_central_task(ctx: dict[str, Any], media_id: str, run: int) -> Job | None:
    """Stage 2."""
    return await _run(ctx["stages"], Stage.UPLOAD, media_id, run)


async def _run(stages: Stages, stage: Stage, media_id: str, run: int) -> Job | None:
    if not is_job(media_id, run):
        detail = f"a job of another program was dropped: {media_id!r:.100}, {run!r:.100}"
        console.event(console.NOTICE, stage=stage, detail=detail)
        return None
    try:
        return await stages.do_job(media_id, stage, run)
    except Postponed as postponed:
        raise Retry(defer=postponed.delay_s) from None
