"""fast-server: takes images. POST /media answers 202 once the bytes are safe on disk."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from batches import routes as batch_routes
from batches.archive import Archives
from images import routes as image_routes
from index import query
from index.index import Index
from ingest import idempotency_key, reference, upload, upload_response
from ingest.idempotency_store import SWEEP_S, Claims
from live import openapi as live_openapi
from live import request as live_request
from live.event_reader import EventReader
from live.event_stream import EventStream
from live.hub import Hub
from media import deletion, retry, status
from overview import routes as overview_routes
from overview.overview import Overview
from page import routes as page_routes
from page.assets import Page
from previews import routes as preview_routes
from previews.previews import Previews
from shared import console, environment
from shared.background import repeat
from shared.central_client import CentralClient
from shared.contract import WATERMARK_QUEUE
from shared.redis import events, jobs
from shared.spool import Spool
from shared.web import connection, problems, shutdown
from shared.web.application import Application
from shared.web.refusals import too_large
from shared.web.request_body import open_form
from shared.web.schemas import MEDIA_ID_PARAMETER
from upload_api import admission, compression, openapi, queues, refusals
from upload_api.answers import Accepted, Media, MediaList, Ready, Retried
from upload_api.queues import Queues
from upload_api.settings import Settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    console.configure()
    state = app.state
    try:
        config = state.settings = environment.load(Settings)
        most = connection.max_connections()
        _open_uploads(app)
        state.redis = jobs.connect(
            config.redis_dsn, WATERMARK_QUEUE, timeout_s=queues.REDIS_ANSWER_S, retries=1
        )
        await jobs.refuse_cluster(state.redis)
        state.central = CentralClient(str(config.central_server_url))
    except SystemExit:
        sys.tracebacklimit = 0  # else uvicorn prints a traceback, too
        raise
    state.queues, state.previews = Queues(state.redis), Previews(state.spool, state.redis)
    state.page = Page(config.path_prefix)
    state.index, state.hub = Index(config.index_folder, state.spool), Hub()
    reader = EventReader(config.redis_dsn, state.index, state.hub)
    state.overview = Overview(config, state.redis, state.central, state.index, state.hub)
    sweep = partial(asyncio.to_thread, state.claims.sweep)
    sweeping = asyncio.create_task(repeat("sweeping .idempotency", sweep, SWEEP_S))
    uploads = config.upload_dir.resolve()
    console.event(console.READY, service="fast-server", uploads=uploads, connections=most)
    with shutdown.noticed() as state.shutdown:
        state.archives = Archives(state.spool, state.central, state.shutdown)
        async with (
            state.index.running(),
            state.hub.running(state.shutdown),
            reader.running(),
            state.overview.running(),
            state.previews.running(),
        ):
            yield
    sweeping.cancel()
    await state.central.close()
    await state.redis.aclose(close_connection_pool=True)


app = Application(
    "Media processor: uploads",
    "Drop an image in, get it back watermarked, stored and logged.",
    lifespan,
)
refusals.install(app)


@app.post(
    "/media",
    status_code=202,
    response_model=Accepted,
    tags=["media"],
    responses={**openapi.ACCEPTED, **problems.responses(*refusals.UPLOAD_REFUSALS)},
    openapi_extra=openapi.UPLOAD_FORM,
)
async def post_media(request: Request) -> Response:
    """Take one image. 202 means that its bytes are on the disk and it will be watermarked.

    ref and batch, in the query or as a field of the form, are kept in its record.

    With an Idempotency-Key it may be sent again for 24 hours: the same file under the same name
    is then the same media and stored once.
    """
    started = time.monotonic()
    state = request.app.state
    key = idempotency_key.key_of(request.headers)
    batch = refusals.batch_of(request)
    await admission.admit(state.queues, state.settings)
    max_bytes = state.settings.max_upload_bytes
    form = open_form(request, max_bytes, too_large(max_bytes, "MAX_UPLOAD_MB"))
    refs = reference.of_query(request.scope["query_string"])
    received = await upload.receive(
        form, state.spool, state.settings, state.claims, key, refs, batch
    )
    upload_response.log(received, time.monotonic() - started)
    if not received.is_repeat:
        state.index.note(events.received(received.record))
    return await upload_response.queue_and_answer(request, received)


@app.post(
    "/media/retry",
    status_code=202,
    tags=["media"],
    responses=problems.responses(*refusals.RETRY_ALL_REFUSALS),
    openapi_extra=openapi.RETRY_PARAMETERS,
)
async def post_retry(request: Request) -> Retried:
    """Retry all media that failed, or those that failed with one code, or those of one batch."""
    state = request.app.state
    refusals.check_parameters(request, ["code", "batch"])  # a misspelt one must not mean all
    code, batch = refusals.code_of(request), refusals.batch_of(request)
    retried, skipped = await retry.rerun_all(state.spool, state.queues, state.index, code, batch)
    state.overview.forget()
    console.event(console.NOTICE, detail="rerun", media=retried, skipped=skipped)
    return Retried(retried=retried, skipped=skipped)


@app.get(
    "/media",
    response_model=MediaList,
    tags=["media"],
    responses=problems.responses(*refusals.LIST_REFUSALS),
    openapi_extra=openapi.LIST_PARAMETERS,
)
async def list_media(request: Request) -> Response:
    """The media that match all of the parameters, some at a time.

    next is where the next page begins: send it as after. complete is false while the index may
    lack some, as for a few minutes after it was removed.
    """
    page = await request.app.state.index.page(query.of_request(request))
    media = [status.listed(request, item) for item in page.media]
    answer = {"media": media, "next": page.next, "complete": page.is_complete}
    return await compression.json_answer(request, answer)


@app.get(
    "/media/{media_id}",
    response_model=Media,
    tags=["media"],
    responses=problems.responses(*refusals.READ_REFUSALS),
    openapi_extra=MEDIA_ID_PARAMETER,
)
def get_media(request: Request) -> Response:
    """What was received, what has happened to it since, and what comes next."""
    media_id = refusals.media_id_of(request)
    return JSONResponse(status.answer(request, media_id))


@app.post(
    "/media/{media_id}/retry",
    status_code=202,
    response_model=Media,
    tags=["media"],
    responses=problems.responses(*refusals.RETRY_REFUSALS),
    openapi_extra=MEDIA_ID_PARAMETER,
)
async def post_media_retry(request: Request) -> Response:
    """Retry one that failed. Its attempts are counted anew."""
    state, media_id = request.app.state, refusals.media_id_of(request)
    await retry.rerun(state.spool, state.queues, state.index, media_id)
    state.overview.forget()
    console.event(console.NOTICE, media_id=media_id, detail="rerun")
    answer = await asyncio.to_thread(status.answer, request, media_id)
    return JSONResponse(answer, 202)


@app.delete(
    "/media/{media_id}",
    status_code=204,
    tags=["media"],
    responses=problems.responses(*refusals.DELETE_REFUSALS),
    openapi_extra=MEDIA_ID_PARAMETER,
)
async def delete_media(request: Request) -> None:
    """Remove one that is stored or has failed, here and at central-server."""
    state, media_id = request.app.state, refusals.media_id_of(request)
    await deletion.delete(media_id, state.spool, state.claims, state.central)
    state.index.note(events.removal(media_id))
    state.overview.forget()
    await state.queues.enqueue((), [events.removed(media_id)])
    console.event(console.NOTICE, media_id=media_id, detail="removed")


@app.get(
    "/events",
    status_code=200,  # FastAPI looks for one in the class' __init__ else
    response_class=EventStream,
    tags=["media"],
    responses={**live_openapi.STREAM, **problems.responses(*refusals.EVENTS_REFUSALS)},
    openapi_extra=live_request.PARAMETERS,
)
async def get_events(request: Request) -> EventStream:
    """What happens to all media, or to those of one batch, or to one, as it happens.

    changed: all of the last 100 ms, the last state of each media; the first one after a quiet time
    comes at once. stats: every 2 s at most, when they have changed. resync: events were missed,
    so read the lists again. degraded: no events come until there is a resync.

    A client that comes back with Last-Event-ID goes on where it was, or gets a resync.
    """
    return EventStream(request.app.state.hub, *live_request.wanted(request))


@app.get("/ready", tags=["service"], responses=problems.responses(*refusals.READY_REFUSALS))
async def get_ready(request: Request) -> Ready:
    """Uploads can be taken: Redis takes jobs, and the uploads folder can be used."""
    state = request.app.state
    await admission.admit(state.queues, state.settings)
    await asyncio.to_thread(state.spool.probe)
    await asyncio.to_thread(state.claims.probe)
    return Ready(status="ready")


app.include_router(image_routes.router)
app.include_router(batch_routes.router)
app.include_router(overview_routes.router)
app.include_router(page_routes.router)
app.include_router(preview_routes.router)


def _open_uploads(app: FastAPI) -> None:
    """Raises SystemExit where the uploads folder cannot be used."""
    folder = app.state.settings.upload_dir
    spool = app.state.spool = Spool(folder)
    app.state.claims = Claims(spool)
    try:
        spool.prepare()
        app.state.claims.prepare()
    except OSError as error:
        raise SystemExit(environment.unusable("UPLOAD_DIR", folder, error)) from None
