"""The pipeline as one would glue it together in an afternoon: the product is compared with it.

UploadFile copied out, an RGBA round trip, a new HTTP client for each job, arq's defaults. It
promises nothing after a crash, except the upload's fsync; a second endpoint shows what more costs.
"""

import asyncio
import hashlib
import json
import os
import shutil
import time
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast
from uuid import uuid4

import httpx
from arq.connections import ArqRedis, RedisSettings
from fastapi import FastAPI, Form, UploadFile
from PIL import Image

UPLOADS = Path(os.environ["UPLOAD_DIR"])
STORAGE = Path(os.environ["STORAGE_DIR"])
app = FastAPI()  # of the gateway and of central
redis = ArqRedis.from_url(os.environ["REDIS_URL"])


@app.get("/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/media", status_code=202)
async def post_media(file: UploadFile) -> dict[str, str]:
    path = UPLOADS / f"{uuid4()}.jpg"
    await asyncio.to_thread(_copy_out, file.file, path)
    await redis.enqueue_job("watermark", str(path))
    return {"message": "Task Enqueued", "filename": path.name}


@app.post("/media-durable", status_code=202)
async def post_media_durable(file: UploadFile) -> dict[str, str]:
    """With all that a 202 of the product stands for: a hash, and every file and name fsynced."""
    path = await asyncio.to_thread(_commit, file)
    await redis.enqueue_job("watermark", str(path))
    return {"message": "Task Enqueued", "filename": path.name}


@app.post("/upload-final")
def post_upload_final(file: UploadFile, worker_name: str = Form()) -> dict[str, str]:
    name = Path(file.filename or "upload").name
    with (STORAGE / name).open("wb") as stored:
        shutil.copyfileobj(file.file, stored)
    with Path(os.environ["ACTIVITY_LOG"]).open("a") as log:
        log.write(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] WORKER: {worker_name} | IMAGE: {name}\n")
    return {"status": "stored_and_logged"}


async def watermark(ctx: dict[str, Any], path: str) -> None:
    marked = await asyncio.to_thread(_mark, Path(path))
    await ctx["redis"].enqueue_job("upload", str(marked))


async def upload(_: dict[str, Any], path: str) -> None:
    content = await asyncio.to_thread(Path(path).read_bytes)
    async with httpx.AsyncClient(timeout=15) as client:
        url, files = os.environ["CENTRAL_SERVER_URL"], {"file": (Path(path).name, content)}
        answer = await client.post(url, data={"worker_name": "plain"}, files=files)
    answer.raise_for_status()


class Worker:
    """For `arq benchmarks.plain.Worker`."""

    functions: ClassVar = [watermark, upload]
    redis_settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])


def _copy_out(file: BinaryIO, path: Path) -> None:
    with path.open("wb") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _commit(file: UploadFile) -> Path:
    pending, folder = UPLOADS / "pending", UPLOADS / "incoming" / uuid4().hex
    pending.mkdir(exist_ok=True)
    folder.mkdir(parents=True)
    sha256 = hashlib.file_digest(cast(Any, file.file), "sha256").hexdigest()
    file.file.seek(0)
    record = {"filename": file.filename, "size": file.size, "sha256": sha256}
    _copy_out(file.file, folder / "photo.jpg")
    _copy_out(BytesIO(json.dumps(record).encode()), folder / "media.json")
    _fsync_names(folder)
    committed = folder.rename(pending / folder.name)
    _fsync_names(pending)
    return committed


def _fsync_names(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def _mark(path: Path) -> Path:
    image = Image.open(path).convert("RGBA")
    logo = Image.open(os.environ["GOOGLE_LOGO"]).convert("RGBA")
    logo.thumbnail((image.width // 5, image.height // 5))
    layer = Image.new("RGBA", image.size)
    layer.paste(logo, (image.width - logo.width - 10, 10))
    target = path.with_name(f"watermarked_{path.name}")
    Image.alpha_composite(image, layer).convert("RGB").save(target)
    return target
