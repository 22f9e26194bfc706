"""central-server: stores the watermarked images and logs which worker delivered each."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

import console
import environment
import media_type
import openapi
import problems
import refusals
from activity import ActivityLog
from archive import Archive
from body import open_form
from incoming import receive
from lingering import Lingering
from problems import Problem
from settings import Settings


class Stored(BaseModel):
    """What POST /upload-final answers; the timestamp is the log line's own."""

    status: str = "stored_and_logged"
    worker: str
    timestamp: str
    name: str
    sha256: str
    size: int
    duplicate: bool


class Unusable(Exception):
    """A path from the settings does not do what it must; the text names both."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    console.configure()
    try:
        archive = _open_archive(app)
    except (SystemExit, Unusable) as error:
        sys.tracebacklimit = 0  # of a start that fails, uvicorn prints more than the reason
        raise SystemExit(str(error)) from None
    yield
    archive.close()


app = FastAPI(title="Media processor: central storage", lifespan=lifespan)
app.add_middleware(Lingering)
problems.install(app)


@app.post(
    "/upload-final",
    responses=problems.responses(*refusals.UPLOAD_REFUSALS),
    openapi_extra=openapi.UPLOAD_FORM,
)
async def post_upload_final(request: Request, response: Response) -> Stored:
    """Store one image and log its line. 200 means that both are on the disk."""
    started = time.monotonic()
    archive: Archive = request.app.state.archive
    max_bytes: int = request.app.state.settings.max_store_bytes
    with refusals.translated():
        form = open_form(request, max_bytes)
        async with receive(form, archive.incoming, max_bytes) as upload:
            receipt, duplicate = await archive.store(upload)
    stored = Stored(
        worker=receipt["worker"],
        timestamp=receipt["timestamp"],
        name=receipt["name"],
        sha256=receipt["sha256"],
        size=receipt["size"],
        duplicate=duplicate,
    )
    seconds = time.monotonic() - started
    console.event(
        console.STORED,
        media_id=upload.media_id,
        **stored.model_dump(include={"name", "worker", "size", "duplicate"}),
        seconds=seconds,
    )
    location = request.url_for("get_media", media_id=upload.media_id)
    response.headers["Content-Location"] = location.path
    return stored


@app.get(
    "/media/{media_id}",
    response_class=FileResponse,
    responses={
        **openapi.IMAGE,
        **problems.responses(refusals.NOT_FOUND, refusals.STORAGE_UNAVAILABLE),
    },
    openapi_extra=openapi.MEDIA_ID_PARAMETER,
)
def get_media(request: Request) -> FileResponse:
    """The stored image."""
    media_id: str = request.path_params["media_id"]
    archive: Archive = request.app.state.archive
    with refusals.translated():
        path = archive.find(media_id)
        if path is None:
            raise Problem(refusals.NOT_FOUND, f"No image of media {media_id} is stored.")
        return FileResponse(
            path,
            filename=path.name,
            content_disposition_type="inline",
            media_type=media_type.guess(path),
            headers={"X-Content-Type-Options": "nosniff"},
        )


@app.get(
    "/activity",
    response_class=Response,
    responses={
        **openapi.LOG_LINES,
        **problems.responses(refusals.INVALID_REQUEST, refusals.STORAGE_UNAVAILABLE),
    },
)
def get_activity(request: Request, tail: Annotated[int, Query(ge=1, le=100_000)] = 100) -> Response:
    """The last lines of worker_activity.log."""
    log: ActivityLog = request.app.state.log
    with refusals.translated():
        text = log.tail(tail).decode(errors="replace")
    return Response(text, media_type="text/plain; charset=utf-8")


@app.get("/health")
async def get_health() -> dict[str, str]:
    """The process lives."""
    return {"status": "ok"}


@app.get("/ready", responses=problems.responses(refusals.STORAGE_UNAVAILABLE))
async def get_ready(request: Request) -> dict[str, str]:
    """Images can be stored and logged: both folders do what they must."""
    try:
        await asyncio.to_thread(_check, request.app)
    except Unusable as error:
        raise Problem(refusals.STORAGE_UNAVAILABLE, str(error)) from error
    return {"status": "ready"}


def _open_archive(app: FastAPI) -> Archive:
    """Raises SystemExit (a bad value) or Unusable."""
    settings = app.state.settings = environment.load(Settings)
    log = app.state.log = ActivityLog(settings.activity_log)
    archive = app.state.archive = Archive(settings.storage_dir, log)
    with _named("ACTIVITY_LOG", settings.activity_log):
        log.prepare()
    with _named("STORAGE_DIR", settings.storage_dir):
        archive.open()
    storage, path = settings.storage_dir.resolve(), log.path.resolve()
    console.event(console.READY, service="central-server", storage=storage, log=path)
    return archive


def _check(app: FastAPI) -> None:
    settings: Settings = app.state.settings
    with _named("STORAGE_DIR", settings.storage_dir):
        app.state.archive.check()
    with _named("ACTIVITY_LOG", settings.activity_log):
        app.state.log.check()


@contextmanager
def _named(variable: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unusable(f"{variable}={path}: {error.strerror}") from error
