"""fast-server: takes images in. POST /media answers 202 once the bytes are safe on disk."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq.connections import ArqRedis
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel
from redis.exceptions import RedisError

import admission
import console
import durable
import environment
import jobs
import openapi
import problems
import refusals
import uploads
from body import open_form
from contract import PENDING, WATERMARK_QUEUE, Stage, Status, is_media_id
from lingering import Lingering
from problems import Problem
from settings import Settings
from spool import MediaGone, Spool

_ENQUEUE_S = 2.0


class Accepted(BaseModel):
    """What POST /media answers."""

    message: str = "Task Enqueued"
    media_id: str
    filename: str
    status: str = Status.QUEUED
    storage_path: str
    status_url: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    console.configure()
    try:
        config = app.state.settings = environment.load(Settings)
        app.state.spool = _open_spool(config)
    except SystemExit:
        sys.tracebacklimit = 0  # of a start that fails, uvicorn prints more than the reason
        raise
    app.state.redis = jobs.connect(
        config.redis_dsn, WATERMARK_QUEUE, timeout_s=admission.REDIS_ANSWER_S, retries=1
    )
    console.event(console.READY, service="fast-server", uploads=config.upload_dir.resolve())
    yield
    await app.state.redis.aclose(close_connection_pool=True)


app = FastAPI(title="Media processor: uploads", lifespan=lifespan)
app.add_middleware(Lingering)
problems.install(app)


@app.post(
    "/media",
    status_code=202,
    response_model=Accepted,
    responses=problems.responses(*refusals.UPLOAD_REFUSALS),
    openapi_extra=openapi.UPLOAD_FORM,
)
async def post_media(request: Request, response: Response) -> Accepted:
    """Take one image. 202 means that its bytes are on the disk and it will be watermarked."""
    started = time.monotonic()
    state = request.app.state
    spool: Spool = state.spool
    with refusals.translated():
        await admission.admit(state.redis, state.settings)
        form = open_form(request, state.settings.max_upload_bytes)
        record = await uploads.receive(form, spool, state.settings)
    media_id, filename = record["media_id"], record["filename"]
    seconds = time.monotonic() - started
    console.event(
        console.RECEIVED,
        media_id=media_id,
        filename=filename,
        size=record["size"],
        seconds=seconds,
    )
    await _enqueue(state.redis, media_id)
    status_url = str(request.url_for("get_media", media_id=media_id))
    response.headers["Location"] = status_url
    path = spool.folder(PENDING, media_id) / filename
    return Accepted(
        media_id=media_id, filename=filename, storage_path=str(path), status_url=status_url
    )


@app.get(
    "/media/{media_id}",
    responses={**openapi.MEDIA_EXAMPLE, **problems.responses(refusals.NOT_FOUND)},
    openapi_extra=openapi.MEDIA_ID_PARAMETER,
)
def get_media(request: Request) -> dict[str, Any]:
    """What was received and what has happened to it since."""
    media_id = request.path_params["media_id"]
    try:
        if not is_media_id(media_id):
            raise MediaGone(media_id)
        spool: Spool = request.app.state.spool
        return spool.describe(media_id)
    except MediaGone:
        raise Problem(refusals.NOT_FOUND, f"There is no media {media_id}.") from None


@app.get("/health")
async def health() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@app.get(
    "/ready",
    responses=problems.responses(refusals.REDIS_UNAVAILABLE, refusals.STORAGE_UNAVAILABLE),
)
async def ready(request: Request) -> dict[str, str]:
    """Uploads can be taken: Redis answers and the uploads folder does what it must."""
    await admission.queue_depth(request.app.state.redis)
    with refusals.translated():
        await asyncio.to_thread(durable.probe, request.app.state.settings.upload_dir)
    return {"status": "ready"}


def _open_spool(settings: Settings) -> Spool:
    """Raises SystemExit where the uploads folder cannot be used."""
    spool = Spool(settings.upload_dir)
    try:
        spool.prepare()
    except OSError as error:
        raise SystemExit(f"UPLOAD_DIR={settings.upload_dir}: {error.strerror}") from None
    return spool


async def _enqueue(redis: ArqRedis, media_id: str) -> None:
    """Queue stage 1. A Redis that fails now costs time only: the reconciler will queue it."""
    try:
        async with asyncio.timeout(_ENQUEUE_S):
            await jobs.enqueue(redis, [(media_id, Stage.WATERMARK, 1)])
    except (RedisError, OSError) as error:
        console.event(
            console.NOTICE, media_id=media_id, detail=f"not queued yet, Redis says: {error!r}"
        )
