"""What the tests of worker-server share: media on a disk, a Redis, a worker process."""

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from arq.connections import ArqRedis
from redis import Redis
from ulid import ULID

from local_stack.host import free_ports, redis_binary
from local_stack.service import Service, redis_trouble
from local_stack.stack import ROOT
from shared.contract import Stage
from shared.redis import jobs
from shared.spool import Spool
from support import images
from support.services import until

FOLDER = ROOT / "worker-server"
STATES = ("incoming", "pending", "failed", "done")
QUEUES = ("arq:watermark", "arq:upload")


def add_media(
    uploads: Path,
    content: bytes | None = None,
    name: str = "photo.jpg",
    state: str = "pending",
    media_id: str | None = None,
    **progress: Any,
) -> str:
    """Add a media as fast-server leaves it, or with that progress."""
    content = images.jpeg(size=(160, 120)) if content is None else content
    media_id = media_id or str(ULID())
    for folder in STATES:
        (uploads / folder).mkdir(parents=True, exist_ok=True)
    being_made = uploads / "incoming" / media_id
    being_made.mkdir()
    (being_made / name).write_bytes(content)
    record = {
        "media_id": media_id,
        "filename": name,
        "content_type": "image/jpeg",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "width": None,
        "height": None,
        "received_at": "2026-01-15T14:30:45.123Z",
        "format_version": 1,
    }
    (being_made / "media.json").write_text(json.dumps(record))
    received_at = ULID.from_str(media_id).timestamp
    os.utime(being_made / "media.json", (received_at, received_at))
    if progress:
        (being_made / "progress.json").write_text(json.dumps(progress))
    being_made.rename(uploads / state / media_id)
    return media_id


def state_of(uploads: Path, media_id: str) -> str | None:
    return next((state for state in STATES if (uploads / state / media_id).is_dir()), None)


def progress_of(uploads: Path, media_id: str) -> dict[str, Any]:
    """What GET /media would answer about it."""
    return Spool(uploads).describe(media_id)


def errors_of(uploads: Path, media_id: str) -> list[str | None]:
    """The code each attempt ended with, in order."""
    attempts = progress_of(uploads, media_id)["attempts"]
    return [attempt["error"] and attempt["error"]["code"] for attempt in attempts]


@contextmanager
def running_redis(folder: Path) -> Iterator[tuple[Service, Redis]]:
    """A Redis that forgets everything when it is restarted."""
    [port] = free_ports(1)
    client = Redis(port=int(port))
    command = [redis_binary(), "--bind", "127.0.0.1", "--port", port, "--save", ""]
    trouble = partial(redis_trouble, client)
    service = Service("redis", command, folder, os.environ, lambda *_: None, trouble=trouble)
    service.start()
    try:
        yield service, client
    finally:
        client.close()
        service.kill()


def dsn(redis: Redis) -> str:
    return f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}"


@asynccontextmanager
async def connected(redis: Redis) -> AsyncIterator[ArqRedis]:
    """arq's own client."""
    pool = jobs.connect(dsn(redis), QUEUES[0], timeout_s=5, retries=0)
    try:
        yield pool
    finally:
        await pool.aclose(close_connection_pool=True)


def enqueue(redis: Redis, media_id: str, stage: str = "watermark", run: int = 1) -> None:
    """Queue a job as fast-server does."""

    async def scenario() -> None:
        async with connected(redis) as pool:
            await jobs.enqueue(pool, [(media_id, Stage(stage), run)])

    asyncio.run(scenario())


def queued(redis: Redis) -> set[str]:
    """The ids of all jobs, waiting and running."""
    found: set[str] = set()
    for queue in QUEUES:
        found |= {job.decode() for job in cast(list[bytes], redis.zrange(queue, 0, -1))}
    return found


class Worker:
    """`python worker.py` with its decoder processes."""

    def __init__(self, uploads: Path, redis: Redis, central_url: str, **settings: str) -> None:
        self.name = settings.get("WORKER_NAME", "worker-1")
        self.env = {
            **os.environ,
            "UPLOAD_DIR": str(uploads),
            "REDIS_URL": dsn(redis),
            "CENTRAL_SERVER_URL": central_url,
            "GOOGLE_LOGO": str(FOLDER / "bundled_logo.png"),
            "WORKER_NAME": self.name,
            "WATERMARK_PROCESSES": "2",
            "RETRY_BACKOFF_SECONDS": "0.05",
            "RECONCILE_SECONDS": "1",
            **settings,
        }
        self.uploads = uploads
        self.redis = redis
        self._console = uploads.with_name(f"{self.name}.console")

    def start(self) -> None:
        """Start and wait until it is at work."""
        self.redis.delete(*(f"{queue}:health-check:{self.name}" for queue in QUEUES))
        self.spawn()
        until(lambda: self.process.poll() is not None or self.at_work())
        assert self.process.poll() is None, self.console()

    def spawn(self) -> None:
        with self._console.open("ab") as console:
            self.process = subprocess.Popen(
                [sys.executable, "worker.py"],
                cwd=FOLDER,
                env=self.env,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def at_work(self) -> bool:
        keys = [f"{queue}:health-check:{self.name}" for queue in QUEUES]
        return bool(self.redis.exists(*keys) == len(keys))

    def console(self) -> str:
        return self._console.read_text()

    def kill(self) -> None:
        """kill -9, children included, as when a container dies."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_worker(
    uploads: Path, redis: Redis, central_url: str, **settings: str
) -> Iterator[Worker]:
    worker = Worker(uploads, redis, central_url, **settings)
    worker.start()
    try:
        yield worker
    finally:
        worker.kill()
        print(worker.console())
