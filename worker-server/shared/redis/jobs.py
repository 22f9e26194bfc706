"""Redis' address, a client for it, and how the two kinds of job are queued for arq."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from arq.connections import ArqRedis
from arq.jobs import serialize_job as payload
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis import exceptions as redis_errors
from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from shared import clock, console
from shared.contract import (
    JOB_TTL_MS,
    UPLOAD_QUEUE,
    UPLOAD_TASK,
    WAKE_KEY,
    WATERMARK_QUEUE,
    WATERMARK_TASK,
    ProgressRecord,
    Stage,
    deserialize_job,
    job_id,
    serialize_job,
)
from shared.records import next_stage
from shared.redis.events import EVENTS_KEY, MOST_EVENTS
from shared.redis.previews import WANTED_KEYS

Job = tuple[str, Stage, int]  # media id, stage, run
QUEUE_AND_TASK = {
    Stage.WATERMARK: (WATERMARK_QUEUE, WATERMARK_TASK),
    Stage.UPLOAD: (UPLOAD_QUEUE, UPLOAD_TASK),
}

_TYPES = {
    WATERMARK_QUEUE: b"zset",
    UPLOAD_QUEUE: b"zset",
    WAKE_KEY: b"list",
    EVENTS_KEY: b"stream",
    **dict.fromkeys(WANTED_KEYS.values(), b"zset"),
}
_ENQUEUE = Path(__file__).with_name("enqueue.lua").read_text()


class RedisAddress(BaseSettings):
    """REDIS_URL (redis, rediss or unix) or else REDIS_HOST and REDIS_PORT."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    redis_host: str = "localhost"
    redis_port: Annotated[int, Field(ge=1, le=65535)] = 6379
    redis_url: str | None = None

    @field_validator("redis_url")
    @classmethod
    def _parsable(cls, url: str | None) -> str | None:
        if url is not None:
            parse_url(url)  # raises ValueError with a sentence of its own
        return url

    @property
    def redis_dsn(self) -> str:
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        return self.redis_url or f"redis://{host}:{self.redis_port}"


def connect(dsn: str, queue: str, *, timeout_s: float, retries: int) -> ArqRedis:
    """A pool for one queue; no command of it hangs on a frozen Redis.

    arq's own RedisSettings has no socket_timeout and does not decode %xx in a password;
    redis-py's URL has both. A failed command is retried after 0.1, 0.2, 0.4 ... 2 s.
    """
    options: dict[str, Any] = {} if dsn.startswith("unix:") else {"socket_keepalive": True}
    pool = ConnectionPool.from_url(
        dsn,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(ExponentialBackoff(cap=2, base=0.1), retries),
        retry_on_error=[
            redis_errors.ConnectionError,
            redis_errors.TimeoutError,
            redis_errors.BusyLoadingError,
        ],
        **options,
    )
    return ArqRedis(
        pool,
        job_serializer=serialize_job,
        job_deserializer=deserialize_job,
        default_queue_name=queue,
        expires_extra_ms=JOB_TTL_MS,
    )


async def enqueue(redis: ArqRedis, wanted: Sequence[Job], events: Sequence[bytes] = ()) -> None:
    """Queue each job unless it is there already, and add the encoded events. Sets the clock.

    Raises RedisError or OSError; then each job may have been queued or not. Not arq's enqueue_job:
    that takes four round trips a job, and queues none whose payload outlived a deleted queue.
    """
    facts = [fact for job in wanted for fact in encoded(job)]
    asked_at = time.monotonic()
    script = redis.register_script(_ENQUEUE)
    # Wake-ups for workers that wait for an image, one each. Uploads need none: the worker that
    # watermarked an image uploads it as well, or another one does half a second later.
    keys = [WATERMARK_QUEUE, WAKE_KEY, EVENTS_KEY]
    arguments = [JOB_TTL_MS, MOST_EVENTS, len(wanted), *facts, *events]
    measure(await script(keys=keys, args=arguments), asked_at)


def next_job(media_id: str, progress: ProgressRecord) -> Job:
    """The job of a pending media's next stage."""
    return media_id, next_stage(progress), progress["run"]


def encoded(job: Job) -> tuple[str, str, bytes]:
    """The job's queue, id and payload, as arq has them."""
    media_id, stage, run = job
    queue, task = QUEUE_AND_TASK[stage]
    now_ms = int(clock.now_s() * 1000)
    body = payload(task, (media_id, run), {}, None, now_ms, serializer=serialize_job)
    return queue, job_id(media_id, stage, run), body


def measure(redis_time: Sequence[int | str | bytes], asked_at: float) -> None:
    """Set the clock by Redis' answer to TIME: seconds, and microseconds."""
    seconds, microseconds = map(int, redis_time)
    clock.measure(seconds + microseconds / 1e6, asked_at)


async def put_aside_foreign_keys(redis: ArqRedis) -> None:
    """Rename each key in Redis that has a name of this project, but not its type.

    Nothing could be queued while it is there. Raises RedisError.
    """
    for name, kind in _TYPES.items():
        if await redis.type(name) not in (kind, b"none"):
            aside = f"{name}:put-aside:{time.time_ns()}"
            await redis.rename(name, aside)
            detail = f"the key {name} in Redis was none of ours: it is {aside} now"
            console.event(console.NOTICE, detail=detail)


async def refuse_cluster(redis: ArqRedis) -> None:
    """Raises SystemExit where this is a node of a Redis Cluster, if it answers."""
    with suppress(RedisError, OSError):
        info = await redis.info("cluster")
        if info.get("cluster_enabled"):
            raise SystemExit(
                "REDIS_URL: this Redis is a node of a cluster, whose keys lie on many. "
                "Name one that is not: redis-server --cluster-enabled no."
            )
