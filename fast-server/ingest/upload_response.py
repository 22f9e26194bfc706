"""The answer to an accepted upload, or to a repeat of one under its Idempotency-Key."""

import asyncio
from pathlib import Path
from typing import Literal

from fastapi import Request, Response

from ingest.idempotency_key import REPLAYED_HEADER
from ingest.upload import Received
from shared import console
from shared.contract import PENDING, Stage, Status
from shared.records import read_progress
from shared.redis import events
from shared.redis.jobs import Job, next_job
from shared.spool import MediaGone, Spool
from upload_api.answers import Accepted, UploadStatus

# The media's folder is no longer kept (KEEP_ORIGINALS_DAYS).
_NOT_KEPT: Literal["removed"] = "removed"


def log(received: Received, seconds: float) -> None:
    record = received.record
    console.event(
        console.RECEIVED,
        media_id=record["media_id"],
        filename=record["filename"],
        size=record["size"],
        seconds=seconds,
        again=True if received.is_repeat else None,
    )


async def queue_and_answer(request: Request, received: Received) -> Response:
    """Queue the media, and a repeat's again if it still waits. The answer says where it is."""
    state, media_id = request.app.state, received.record["media_id"]
    spool: Spool = state.spool
    status: UploadStatus = Status.QUEUED
    folder: Path | None = spool.folder(PENDING, media_id)
    job: Job | None = (media_id, Stage.WATERMARK, 1)
    headers = {}
    if received.is_repeat:
        headers[REPLAYED_HEADER] = "true"
        status, folder, job = await asyncio.to_thread(_whereabouts, spool, media_id)
    if job is not None:
        is_new = not received.is_repeat
        told = [events.encoded(events.received(received.record))] if is_new else []
        await state.queues.enqueue([job], told)
    filename = received.record["filename"]
    status_url = headers["Location"] = f"{request.base_url}media/{media_id}"
    accepted = Accepted(
        message="Task Enqueued",
        media_id=media_id,
        filename=filename,
        status=status,
        storage_path=f"{folder}/{filename}" if folder else None,
        status_url=status_url,
        ref=received.record.get("ref"),
        batch=received.record.get("batch"),
    )
    unsent = {name for name in ("ref", "batch") if name not in received.record}
    return Response(
        accepted.model_dump_json(exclude=unsent),
        202,
        headers,
        "application/json",
    )


def _whereabouts(spool: Spool, media_id: str) -> tuple[UploadStatus, Path | None, Job | None]:
    """The status of an earlier media, its folder, and its job if it still needs one."""
    try:
        folder = spool.find(media_id)
        progress = read_progress(folder)
        if not folder.is_dir():  # moved on between the two looks
            folder = spool.find(media_id)
            progress = read_progress(folder)
    except MediaGone:
        return _NOT_KEPT, None, None
    job = next_job(media_id, progress) if folder.parent.name == PENDING else None
    return Status(progress["status"]), folder, job
