"""Whether a worker is at work, as Redis knows it. Imported by health checks, so kept light."""

from redis import Redis

from service import worker_name
from settings import Settings
from shared import environment
from shared.contract import UPLOAD_QUEUE, WATERMARK_QUEUE

_ANSWER_S = 5.0


def key(queue: str, worker: str) -> str:
    """One for each worker; arq's own default is shared, and deleted by any that stops."""
    return f"{queue}:health-check:{worker}"


def check() -> int:
    """0 if both queues of this worker have reported lately, else 1."""
    settings = environment.load(Settings)
    name = worker_name.resolve(settings)
    keys = [key(queue, name) for queue in (WATERMARK_QUEUE, UPLOAD_QUEUE)]
    with Redis.from_url(settings.redis_dsn, socket_timeout=_ANSWER_S) as redis:
        return 0 if redis.exists(*keys) == len(keys) else 1
