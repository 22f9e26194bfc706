"""What each step of an upload takes, by the services' own functions, one after the other.

Nothing else runs meanwhile. Together the steps take less than an upload: the rest is HTTP. The
coroutines yield a step's name when it ends.
"""

import hashlib
import os
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from statistics import median

from ulid import ULID

from archive import activity_log
from archive.receipts import Receipt, Receipts
from benchmarks.client import CONTENT_TYPE, form
from ingest import image_header
from shared import contract, durable
from shared.redis import jobs
from shared.spool import Spool
from shared.web.multipart import Chunk, FormStream
from upload_api import admission
from upload_api.queues import Queues
from upload_api.settings import Settings

PREPARED = ""  # ends what comes before an upload
SOCKET_READ = 64 * 1024  # bytes at most


async def milliseconds(steps: AsyncIterator[str]) -> dict[str, float]:
    """The median of each step."""
    taken, since = defaultdict[str, list[float]](list), time.perf_counter()
    async for step in steps:
        taken[step].append(1000 * (time.perf_counter() - since))
        since = time.perf_counter()
    del taken[PREPARED]
    return {step: median(each) for step, each in taken.items()}


async def of_gateway(
    folder: Path, redis_url: str, content: bytes, repeats: int
) -> AsyncIterator[str]:
    """POST /media."""
    body, spool = form(content), Spool(folder)
    spool.prepare()
    settings = Settings(upload_dir=folder, redis_url=redis_url)
    redis = jobs.connect(redis_url, contract.WATERMARK_QUEUE, timeout_s=2, retries=1)
    for _ in range(repeats):
        media_id = str(ULID())
        received = spool.folder(contract.INCOMING, media_id)
        record_path = received / contract.MEDIA_RECORD
        yield PREPARED
        await admission.admit(Queues(redis), settings)
        yield "admission: Redis, room"
        chunks = await _parsed(body)
        yield "streaming: the form parsed"
        sha256 = hashlib.sha256()
        for chunk in chunks:
            sha256.update(chunk)
        yield "hash: SHA-256"
        received.mkdir()
        with (received / "photo.jpg").open("wb") as file, record_path.open("wb") as record:
            file.writelines(chunks)
            file.flush()
            yield "written"
            image_header.read_size(BytesIO(content))
            yield "header check"
            record.write(durable.as_json({"media_id": media_id, "sha256": sha256.hexdigest()}))
            record.flush()
            os.fsync(file.fileno())
            yield "fsync: the file"
            os.fsync(record.fileno())
            yield "fsync: its record"
        spool.commit(media_id)
        yield "fsync: two folders"
        await jobs.enqueue(redis, [(media_id, contract.Stage.WATERMARK, 1)])
        yield "enqueue"
        shutil.rmtree(spool.folder(contract.PENDING, media_id))
    await redis.aclose(close_connection_pool=True)


async def of_central(folder: Path, content: bytes, repeats: int) -> AsyncIterator[str]:
    """POST /upload-final."""
    body, incoming = form(content, worker_name="bench"), folder / "incoming"
    log, receipts = activity_log.ActivityLog(folder / "log"), Receipts(folder)
    receipts.prepare()
    for _ in range(repeats):
        media_id = str(ULID())
        name, now = f"{media_id}.jpg", activity_log.now()
        yield PREPARED
        chunks = await _parsed(body)
        yield "streaming: the form parsed"
        sha256 = hashlib.sha256()
        for chunk in chunks:
            sha256.update(chunk)
        yield "hash: SHA-256"
        with incoming.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            yield "written"
            os.fsync(file.fileno())
        yield "fsync: the file"
        line = activity_log.format_line(now, "bench", name)
        receipt: Receipt = {
            "name": name,
            "sha256": sha256.hexdigest(),
            "size": len(content),
            "worker": "bench",
            "timestamp": now,
            "line": line,
            "log_offset": log.next_offset(),
        }
        receipts.claim(name, media_id)
        receipts.intend(media_id, receipt)
        yield "fsync: its receipt"
        (folder / name).hardlink_to(incoming)
        durable.fsync_dir(folder)
        yield "fsync: its name"
        log.write_at(line.encode(), receipt["log_offset"])
        yield "fsync: the log's line"
        receipts.make_receipt(media_id)
        yield "receipt settled"
        incoming.unlink()
        (folder / name).unlink()


async def _parsed(body: bytes) -> list[Chunk]:
    """The file's bytes, in the pieces they come in."""
    parts = FormStream(CONTENT_TYPE["Content-Type"], _arriving(body))
    return [chunk async for part in parts if part.name == "file" async for chunk in parts.data()]


async def _arriving(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), SOCKET_READ):
        yield body[start : start + SOCKET_READ]
