"""What each step of taking an upload takes, by the services' own functions, one after the other.

In order of use, and with nothing else going on: together they are less than an upload takes,
whose rest is HTTP.
"""

import asyncio
import hashlib
import os
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

from ulid import ULID

from archive import activity_log
from archive.receipts import Receipt, Receipts
from benchmarks.client import CONTENT_TYPE, Form
from ingest import image_header
from shared import contract, durable, jobs
from shared.spool import Spool
from shared.web.multipart import Chunk, FormStream
from support.fast import redis_server
from upload_api import admission
from upload_api.queues import Queues
from upload_api.settings import Settings

CHUNK = 64 * 1024  # what one read of a socket brings at most
NAME = "photo.jpg"


class Laps:
    """What each step took, time after time."""

    def __init__(self) -> None:
        self._ms: dict[str, list[float]] = defaultdict(list)

    def start(self) -> None:
        self._since = time.perf_counter()

    def lap(self, step: str) -> None:
        """The step ends, and the next one begins."""
        self._ms[step].append(1000 * (time.perf_counter() - self._since))
        self._since = time.perf_counter()

    def medians(self) -> dict[str, float]:
        return {step: statistics.median(ms) for step, ms in self._ms.items()}


def of_gateway(folder: Path, content: bytes, repeats: int) -> dict[str, float]:
    """The milliseconds of each step of POST /media."""
    with redis_server(folder) as redis:
        return asyncio.run(_of_gateway(folder, redis.url, content, repeats))


async def _of_gateway(
    folder: Path, redis_url: str, content: bytes, repeats: int
) -> dict[str, float]:
    laps, body = Laps(), Form.of(content).body
    settings = Settings(upload_dir=folder, redis_url=redis_url)
    spool = Spool(folder)
    spool.prepare()
    redis = jobs.connect(redis_url, contract.WATERMARK_QUEUE, timeout_s=2, retries=1)
    for _ in range(repeats):
        media_id = str(ULID())
        received = spool.folder(contract.INCOMING, media_id)
        laps.start()
        await admission.admit(Queues(redis), settings)
        laps.lap("admission: Redis, room")
        chunks = await _parsed(body)
        laps.lap("streaming: the form parsed")
        sha256 = _hashed(chunks)
        laps.lap("hash: SHA-256")
        received.mkdir()
        record = {"media_id": media_id, "filename": NAME, "sha256": sha256}
        record_path = received / contract.MEDIA_RECORD
        with (received / NAME).open("wb") as file, record_path.open("wb") as record_file:
            file.writelines(chunks)
            file.flush()
            laps.lap("written")
            image_header.read_size(BytesIO(content))
            laps.lap("header check")
            record_file.write(durable.as_json(record))
            record_file.flush()
            os.fsync(file.fileno())
            laps.lap("fsync: the file")
            os.fsync(record_file.fileno())
            laps.lap("fsync: its record")
        spool.commit(media_id)
        laps.lap("fsync: two folders")
        await jobs.enqueue(redis, [(media_id, contract.Stage.WATERMARK, 1)])
        laps.lap("enqueue")
        shutil.rmtree(spool.folder(contract.PENDING, media_id))
    await redis.aclose(close_connection_pool=True)
    return laps.medians()


def of_central(folder: Path, content: bytes, repeats: int) -> dict[str, float]:
    """The milliseconds of each step of POST /upload-final."""
    return asyncio.run(_of_central(folder, content, repeats))


async def _of_central(folder: Path, content: bytes, repeats: int) -> dict[str, float]:
    laps, body = Laps(), Form.of(content, worker_name="bench").body
    log, receipts = activity_log.ActivityLog(folder / "log"), Receipts(folder)
    receipts.prepare()
    for number in range(repeats):
        media_id, name = str(ULID()), f"{number}.jpg"
        incoming = folder / f"incoming-{number}"
        laps.start()
        chunks = await _parsed(body)
        laps.lap("streaming: the form parsed")
        sha256 = _hashed(chunks)
        laps.lap("hash: SHA-256")
        with incoming.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            laps.lap("written")
            os.fsync(file.fileno())
        laps.lap("fsync: the file")
        line = activity_log.format_line(activity_log.now(), "bench", name)
        intent: Receipt = {
            "name": name,
            "sha256": sha256,
            "size": len(content),
            "worker": "bench",
            "timestamp": activity_log.now(),
            "line": line,
            "log_offset": log.end(),
        }
        receipts.claim(name, media_id)
        receipts.intend(media_id, intent)
        laps.lap("fsync: its receipt")
        (folder / name).hardlink_to(incoming)
        durable.fsync_dir(folder)
        laps.lap("fsync: its name")
        log.write_at(line.encode(), intent["log_offset"])
        laps.lap("fsync: the log's line")
        receipts.settle(media_id)
        laps.lap("receipt settled")
        incoming.unlink()
        (folder / name).unlink()
    return laps.medians()


async def _parsed(body: bytes) -> list[Chunk]:
    """The file's bytes, in the pieces they come in."""
    form = FormStream(CONTENT_TYPE, _arriving(body))
    return [chunk async for part in form if part.name == "file" async for chunk in form.data()]


async def _arriving(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]


def _hashed(chunks: list[Chunk]) -> str:
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
    return sha256.hexdigest()
