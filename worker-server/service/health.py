"""Whether a worker is healthy, as Redis knows it. Imported by health checks, so kept light."""

from typing import cast

from redis import Redis, RedisError

from service import worker_name
from settings import Settings
from shared import environment
from shared.contract import UPLOAD_QUEUE, WATERMARK_QUEUE

_ANSWER_S = 5.0


def key(queue: str, worker: str) -> str:
    """One for each worker; arq's own default is shared, and deleted by any that stops."""
    return f"{queue}:health-check:{worker}"


def unhealthy_key(worker: str) -> str:
    """Where a worker that is at work says why it is unhealthy."""
    return f"media-processor:unhealthy:{worker}"


def unhealthy_reason() -> str | None:
    """None if both queues of this worker have reported lately, and nothing is wrong with it."""
    settings = environment.load(Settings)
    name = worker_name.resolve(settings)
    keys = [key(queue, name) for queue in (WATERMARK_QUEUE, UPLOAD_QUEUE)]
    try:
        with Redis.from_url(settings.redis_dsn, socket_timeout=_ANSWER_S) as redis:
            if redis.exists(*keys) == len(keys):
                reason = cast(bytes | None, redis.get(unhealthy_key(name)))
                return None if reason is None else f"{name}: {reason.decode()}"
    except RedisError as error:
        return f"Redis does not answer, so nobody knows whether {name} is at work: {error}"
    return f"{name} has not reported to Redis lately that it is at work; see its console."
