"""arq behind one module: where Redis is, how to talk to it, and the two kinds of job."""

import time
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from typing import Annotated, Any, cast

from arq.connections import ArqRedis
from arq.constants import job_key_prefix
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
    WATERMARK_QUEUE,
    WATERMARK_TASK,
    Stage,
    deserialize_job,
    job_id,
    serialize_job,
)

Job = tuple[str, Stage, int]  # media id, stage, run
QUEUE_AND_TASK = {
    Stage.WATERMARK: (WATERMARK_QUEUE, WATERMARK_TASK),
    Stage.UPLOAD: (UPLOAD_QUEUE, UPLOAD_TASK),
}

# Wake-ups for workers that wait for an image, each for one of them. Uploads need none: whoever
# watermarks an image uploads it as well, or another worker does half a second later.
WAKE = {WATERMARK_QUEUE: "media-processor:wake"}
_MOST_WAKES = "1000"  # that nobody waited for

# Lua: milliseconds since the epoch by Redis' clock, whatever that of its client says.
NOW_MS = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# Lua that queues jobs, of whose arguments common() are the first, and described() the last ones.
QUEUE_JOBS = f"""
{NOW_MS}
local prefix, ttl_ms, most_wakes = unpack(ARGV, 1, 3)
for i = first, #ARGV, 4 do
    local queue, wake, job, body = unpack(ARGV, i, i + 3)
    redis.call('SET', prefix .. job, body, 'PX', ttl_ms, 'NX')
    redis.call('ZADD', queue, 'NX', now_ms, job)
    if wake ~= '' then
        redis.call('LPUSH', wake, 1)
        redis.call('LTRIM', wake, 0, most_wakes - 1)
    end
end
"""
_ENQUEUE = f"""
local first = 4
{QUEUE_JOBS}
return {{redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2]), time[1], time[2]}}
"""
# The keys that this project has names for, and the type of each.
_TYPES = {
    WATERMARK_QUEUE: b"zset",
    UPLOAD_QUEUE: b"zset",
    WAKE[WATERMARK_QUEUE]: b"list",
}


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


async def enqueue(redis: ArqRedis, jobs: Iterable[Job]) -> int:
    """Queue the stage of each media, by media id and run, unless that job is there already.

    Returns how many wait or run in both queues together. Raises redis.exceptions.RedisError or
    OSError; then any of them may have been queued or not.

    What is written is what arq's enqueue_job writes, and a wake-up for a worker that waits. arq's
    takes four round trips a job, and leaves one alone whose payload is there though somebody
    deleted the queue.
    """
    queues = (WATERMARK_QUEUE, UPLOAD_QUEUE)
    arguments = *common(), *described(jobs)
    asked_at = time.monotonic()
    answer = redis.eval(_ENQUEUE, 2, *queues, *arguments)
    depth, *redis_time = await cast(Awaitable[list[int]], answer)
    measure(redis_time, asked_at)
    return depth


def measure(redis_time: Sequence[int | str | bytes], asked_at: float) -> None:
    """Set the clock by Redis' answer to TIME: seconds, and microseconds."""
    seconds, microseconds = map(int, redis_time)
    clock.measure(seconds + microseconds / 1e6, asked_at)


async def put_aside_foreign_keys(redis: ArqRedis) -> None:
    """Rename what has one of our names and is of another type: nothing could be queued. Raises
    RedisError."""
    for name, kind in _TYPES.items():
        if await redis.type(name) not in (kind, b"none"):
            aside = f"{name}:put-aside:{time.time_ns()}"
            await redis.rename(name, aside)
            detail = f"the key {name} in Redis was none of ours: it is {aside} now"
            console.event(console.NOTICE, detail=detail)


async def refuse_cluster(redis: ArqRedis) -> None:
    """Raises SystemExit where this is a node of a Redis Cluster. One that does not answer is left
    to whoever uses it first."""
    with suppress(RedisError, OSError):
        info = await redis.info("cluster")
        if info.get("cluster_enabled"):
            raise SystemExit(
                "REDIS_URL: this Redis is a node of a cluster, whose keys lie on many. "
                "Name one that is not: redis-server --cluster-enabled no."
            )


def common() -> list[str]:
    return [job_key_prefix, str(JOB_TTL_MS), _MOST_WAKES]


def described(jobs: Iterable[Job]) -> list[str]:
    """Queue, wake-up, id and payload of each in turn."""
    arguments: list[str] = []
    for media_id, stage, run in jobs:
        queue, task = QUEUE_AND_TASK[stage]
        now_ms = int(clock.now_s() * 1000)
        body = payload(task, (media_id, run), {}, None, now_ms, serializer=serialize_job)
        arguments += [queue, WAKE.get(queue, ""), job_id(media_id, stage, run), body.decode()]
    return arguments
