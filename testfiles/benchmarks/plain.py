"""The pipeline as one would glue it together in an afternoon: what the product is measured against.

UploadFile copied out, an RGBA round trip, a new HTTP client for each job, arq's defaults. It
promises nothing of a crash, but for the upload's fsync; a second endpoint shows what more costs.
"""

import asyncio
import hashlib
import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, ClassVar, cast
from uuid import uuid4

import httpx
from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Form, UploadFile
from PIL import Image

UPLOADS = Path(os.environ.get("UPLOAD_DIR", "uploads"))
STORAGE = Path(os.environ.get("STORAGE_DIR", "storage"))
LOG = Path(os.environ.get("ACTIVITY_LOG", "activity.log"))
REDIS = RedisSettings.from_dsn(os.environ.get("REDIS_URL", "redis://localhost"))
CENTRAL = os.environ.get("CENTRAL_SERVER_URL", "")
LOGO = os.environ.get("GOOGLE_LOGO", "")


@asynccontextmanager
async def _with_redis(app: FastAPI) -> AsyncIterator[None]:
    await asyncio.to_thread(UPLOADS.mkdir, parents=True, exist_ok=True)
    app.state.redis = await create_pool(REDIS)
    yield
    await app.state.redis.aclose()


gateway = FastAPI(lifespan=_with_redis)
central = FastAPI()


@gateway.get("/health")
@central.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@gateway.post("/media", status_code=202)
async def post_media(file: UploadFile) -> dict[str, str]:
    path = UPLOADS / f"{uuid4()}.jpg"
    await asyncio.to_thread(_copy_out, file, path)
    await gateway.state.redis.enqueue_job("watermark", str(path))
    return {"message": "Task Enqueued", "filename": path.name}


@gateway.post("/media-durable", status_code=202)
async def post_media_durable(file: UploadFile) -> dict[str, str]:
    """With what a 202 of the product's stands for: a hash, and all fsynced, names too."""
    folder = await asyncio.to_thread(_committed, file)
    await gateway.state.redis.enqueue_job("watermark", str(folder))
    return {"message": "Task Enqueued", "media_id": folder.name}


@central.post("/upload-final")
def post_upload_final(file: UploadFile, worker_name: str = Form()) -> dict[str, str]:
    STORAGE.mkdir(parents=True, exist_ok=True)
    name = Path(file.filename or "upload").name
    with (STORAGE / name).open("wb") as stored:
        shutil.copyfileobj(file.file, stored)
    with LOG.open("a") as log:
        log.write(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] WORKER: {worker_name} | IMAGE: {name}\n")
    return {"status": "stored_and_logged"}


async def watermark(ctx: dict[str, Any], path: str) -> None:
    marked = await asyncio.to_thread(_marked, Path(path))
    await ctx["redis"].enqueue_job("upload", str(marked))


async def upload(_: dict[str, Any], path: str) -> None:
    content = await asyncio.to_thread(Path(path).read_bytes)
    async with httpx.AsyncClient(timeout=15) as client:
        files = {"file": (Path(path).name, content)}
        answer = await client.post(CENTRAL, data={"worker_name": "plain"}, files=files)
    answer.raise_for_status()


class Worker:
    """For `arq benchmarks.plain.Worker`."""

    functions: ClassVar = [watermark, upload]
    redis_settings = REDIS


def _copy_out(file: UploadFile, path: Path) -> None:
    with path.open("wb") as copy:
        shutil.copyfileobj(file.file, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _committed(file: UploadFile) -> Path:
    incoming, pending = UPLOADS / "incoming", UPLOADS / "pending"
    pending.mkdir(parents=True, exist_ok=True)
    folder = incoming / uuid4().hex
    folder.mkdir(parents=True)
    content = cast(SpooledTemporaryFile[bytes], file.file)
    sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    file.file.seek(0)
    _copy_out(file, folder / "photo.jpg")
    with (folder / "media.json").open("w") as record:
        json.dump({"filename": file.filename, "size": file.size, "sha256": sha256}, record)
        record.flush()
        os.fsync(record.fileno())
    _fsync_names(folder)
    committed = folder.rename(pending / folder.name)
    _fsync_names(pending)
    return committed


def _fsync_names(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def _marked(path: Path) -> Path:
    image = Image.open(path).convert("RGBA")
    logo = Image.open(LOGO).convert("RGBA")
    logo.thumbnail((image.width // 5, image.height // 5))
    layer = Image.new("RGBA", image.size)
    layer.paste(logo, (image.width - logo.width - 10, 10))
    target = path.with_name(f"watermarked_{path.name}")
    Image.alpha_composite(image, layer).convert("RGB").save(target)
    return target
