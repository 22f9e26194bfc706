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
from types import ModuleType, SimpleNamespace

from ulid import ULID

from bench_client import CONTENT_TYPE, Form
from gateway import redis_server
from service_loader import load

CHUNK = 64 * 1024  # what one read of a socket brings at most
NAME = "photo.jpg"


def _modules(folder: str, names: str) -> SimpleNamespace:
    return SimpleNamespace(**{name: load(folder, name) for name in names.split()})


_FAST = "admission contract durable form_stream image_header jobs queueing settings spool writeback"
fast = _modules("fast-server", _FAST)
central = _modules("central-server", "activity durable form_stream receipts")


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
    settings = fast.settings.Settings(upload_dir=folder, redis_url=redis_url)
    spool = fast.spool.Spool(folder)
    spool.prepare()
    redis = fast.jobs.connect(redis_url, fast.contract.WATERMARK_QUEUE, timeout_s=2, retries=1)
    for _ in range(repeats):
        media_id = str(ULID())
        received = spool.folder(fast.contract.INCOMING, media_id)
        laps.start()
        await fast.admission.admit(fast.queueing.Queues(redis), settings)
        laps.lap("admission: Redis, room")
        chunks = await _parsed(fast.form_stream, body)
        laps.lap("streaming: the form parsed")
        sha256 = _hashed(chunks)
        laps.lap("hash: SHA-256")
        received.mkdir()
        record = {"media_id": media_id, "filename": NAME, "sha256": sha256}
        record_path = received / fast.contract.MEDIA_RECORD
        with (received / NAME).open("wb") as file, record_path.open("wb") as record_file:
            file.writelines(chunks)
            file.flush()
            laps.lap("written")
            fast.image_header.read_size(BytesIO(content))
            laps.lap("header check")
            record_file.write(fast.durable.as_json(record))
            record_file.flush()
            fast.writeback.start(record_file.fileno())
            os.fsync(file.fileno())
            laps.lap("fsync: the file")
            os.fsync(record_file.fileno())
            laps.lap("fsync: its record")
        spool.commit(media_id)
        laps.lap("fsync: two folders")
        await fast.jobs.enqueue(redis, [(media_id, fast.contract.Stage.WATERMARK, 1)])
        laps.lap("enqueue")
        shutil.rmtree(spool.folder(fast.contract.PENDING, media_id))
    await redis.aclose(close_connection_pool=True)
    return laps.medians()


def of_central(folder: Path, content: bytes, repeats: int) -> dict[str, float]:
    """The milliseconds of each step of POST /upload-final."""
    return asyncio.run(_of_central(folder, content, repeats))


async def _of_central(folder: Path, content: bytes, repeats: int) -> dict[str, float]:
    laps, body = Laps(), Form.of(content, worker_name="bench").body
    log, receipts = central.activity.ActivityLog(folder / "log"), central.receipts.Receipts(folder)
    receipts.prepare()
    for number in range(repeats):
        media_id, name = str(ULID()), f"{number}.jpg"
        incoming = folder / f"incoming-{number}"
        laps.start()
        chunks = await _parsed(central.form_stream, body)
        laps.lap("streaming: the form parsed")
        sha256 = _hashed(chunks)
        laps.lap("hash: SHA-256")
        with incoming.open("wb") as file:
            file.writelines(chunks)
            file.flush()
            laps.lap("written")
            os.fsync(file.fileno())
        laps.lap("fsync: the file")
        line = central.activity.format_line(central.activity.now(), "bench", name)
        intent = {"name": name, "sha256": sha256, "line": line, "log_offset": log.end()}
        receipts.claim(name, media_id)
        receipts.intend(media_id, intent)
        laps.lap("fsync: its receipt")
        (folder / name).hardlink_to(incoming)
        central.durable.fsync_dir(folder)
        laps.lap("fsync: its name")
        log.write_at(line.encode(), intent["log_offset"])
        laps.lap("fsync: the log's line")
        receipts.settle(media_id)
        laps.lap("receipt settled")
        incoming.unlink()
        (folder / name).unlink()
    return laps.medians()


async def _parsed(form_stream: ModuleType, body: bytes) -> list[bytes]:
    """The file's bytes, in the pieces they come in."""
    form = form_stream.FormStream(CONTENT_TYPE, _arriving(body))
    return [chunk async for part in form if part.name == "file" async for chunk in form.data()]


async def _arriving(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]


def _hashed(chunks: list[bytes]) -> str:
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
    return sha256.hexdigest()
