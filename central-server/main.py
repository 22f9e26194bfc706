"""central-server: stores the watermarked images and logs which worker delivered each."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse

from archive import startup
from archive.archive import Archive
from archive.expiry import Expiry
from archive.following import Followers
from archive.incoming import receive
from shared import console, durable, environment
from shared.web import problems, shutdown
from shared.web.application import Application
from shared.web.opened_file import OpenedFile
from shared.web.problems import Problem
from shared.web.refusals import STORAGE_UNAVAILABLE, too_large
from shared.web.request_body import open_form
from shared.web.schemas import IMAGE, LOG_LINES, MEDIA_ID_PARAMETER, LogFollow, LogTail
from shared.web.streaming import LOG_HEADERS, GeneratorResponse
from storage_api import disk_space, home_page, openapi, refusals
from storage_api.answers import MediaReceipt, Ready, Stored
from storage_api.settings import Settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    console.configure()
    try:
        settings = app.state.settings = environment.load(Settings)
        app.state.archive, app.state.log = startup.open_archive(settings)
    except (SystemExit, startup.Unusable) as error:
        sys.tracebacklimit = 0  # else uvicorn prints a traceback, too
        raise SystemExit(str(error)) from None
    app.state.expiry = Expiry(app.state.archive, settings.keep_receipts_days)
    with shutdown.noticed() as app.state.shutdown:
        app.state.followers = Followers(app.state.log, app.state.shutdown)
        async with app.state.expiry.running():
            yield
    app.state.archive.close()


app = Application(
    "Media processor: central storage",
    "Stores the watermarked images, each once, and logs which worker delivered it.",
    lifespan,
)
home_page.install(app)


@app.post(
    "/upload-final",
    response_model=Stored,
    tags=["media"],
    responses=problems.responses(*refusals.UPLOAD_REFUSALS),
    openapi_extra=openapi.UPLOAD_FORM,
)
async def post_upload_final(request: Request) -> Response:
    """Store one image and log its line. 200 means that both are on the disk."""
    started = time.monotonic()
    archive: Archive = request.app.state.archive
    settings: Settings = request.app.state.settings
    max_bytes = settings.max_store_bytes
    request.app.state.expiry.set_clock(request.headers.get("Date"))
    disk_space.require_free_space(settings)
    form = open_form(request, max_bytes, too_large(max_bytes, "MAX_STORE_MB"))
    async with receive(form, archive.incoming, max_bytes) as upload:
        receipt, duplicate = await archive.store(upload)
    answer = {**receipt, "status": "stored_and_logged", "duplicate": duplicate}
    stored = Stored.model_validate(answer)
    console.event(
        console.STORED,
        media_id=upload.media_id,
        **stored.model_dump(include={"name", "worker", "size", "duplicate"}),
        seconds=time.monotonic() - started,
    )
    root = request.scope.get("root_path", "")
    headers = {"Content-Location": f"{root}/media/{upload.media_id}"}
    return Response(stored.model_dump_json(), 200, headers, "application/json")


@app.get(
    "/media/{media_id}",
    response_class=FileResponse,
    tags=["media"],
    responses={**IMAGE, **problems.responses(*refusals.IMAGE_REFUSALS)},
    openapi_extra=MEDIA_ID_PARAMETER,
)
def get_media(request: Request) -> FileResponse:
    """The stored image."""
    media_id: str = request.path_params["media_id"]
    archive: Archive = request.app.state.archive
    found = archive.find(media_id)
    with suppress(FileNotFoundError):  # deleted this very moment
        if found is not None:
            path, content_type = found
            return OpenedFile(durable.reading(path), content_type, path.name)
    raise _not_found(media_id)


@app.get(
    "/media/{media_id}/receipt",
    response_model=MediaReceipt,
    tags=["media"],
    responses=problems.responses(*refusals.READ_REFUSALS, refusals.MEDIA_DELETED),
    openapi_extra=MEDIA_ID_PARAMETER,
)
def get_receipt(request: Request) -> Response:
    """What is known of a stored image, even if the image itself is gone."""
    media_id: str = request.path_params["media_id"]
    archive: Archive = request.app.state.archive
    receipt = archive.receipt(media_id)
    if receipt is None:
        raise _not_found(media_id)
    # Not validated: somebody may have edited the receipt, and it is shown as it is.
    known = MediaReceipt.model_construct(media_id=media_id, **receipt)
    return JSONResponse(known.model_dump())


@app.delete(
    "/media/{media_id}",
    status_code=204,
    tags=["media"],
    responses=problems.responses(*refusals.DELETE_REFUSALS),
    openapi_extra=MEDIA_ID_PARAMETER,
)
async def delete_media(request: Request) -> None:
    """Remove the stored image, and refuse every later delivery of it.

    Its line stays in the log, and its name is not given again.
    """
    media_id: str = request.path_params["media_id"]
    archive: Archive = request.app.state.archive
    if not await archive.delete(media_id):
        raise _not_found(media_id)
    console.event(console.NOTICE, deleted=media_id)


@app.get(
    "/activity",
    response_class=PlainTextResponse,
    tags=["log"],
    responses={**LOG_LINES, **problems.responses(*refusals.ACTIVITY_REFUSALS)},
)
async def get_activity(
    request: Request, tail: LogTail = 100, follow: LogFollow = False
) -> Response:
    """The last lines of worker_activity.log. With follow=1 each new line comes as it is written.

    Nothing is sent while there is no new line: a proxy may take that for the end.
    """
    state = request.app.state
    if follow:
        return GeneratorResponse(await state.followers.follow(tail), LOG_HEADERS)
    lines = await asyncio.to_thread(state.log.tail, tail)
    return StreamingResponse(lines, 200, LOG_HEADERS)


@app.get("/ready", tags=["service"], responses=problems.responses(*refusals.READY_REFUSALS))
async def get_ready(request: Request) -> Ready:
    """Images can be stored and logged: both folders can be used, and enough space is free."""
    state = request.app.state
    try:
        await asyncio.to_thread(startup.check, state.settings, state.archive, state.log)
        await asyncio.to_thread(disk_space.require_free_space, state.settings)
    except (startup.Unusable, Problem) as error:
        raise Problem(STORAGE_UNAVAILABLE, str(error)) from error
    return Ready(status="ready", keep_receipts_days=state.settings.keep_receipts_days)


def _not_found(media_id: str) -> Problem:
    return Problem(refusals.NOT_FOUND, media_id=media_id)
