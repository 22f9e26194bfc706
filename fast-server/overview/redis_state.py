"""What Redis tells: how deep the queues are, whether it takes jobs, and what its workers are at."""

import asyncio
import json
from dataclasses import dataclass

from arq.connections import ArqRedis
from redis.exceptions import RedisError, ResponseError

from overview.answers import Queues, Worker, WorkInHand
from shared import secrets
from shared.contract import UPLOAD_QUEUE, WATERMARK_QUEUE
from shared.records import fits
from shared.redis.worker_report import WORKERS_KEY, WorkerReport, report_key
from upload_api.refusals import why_redis_refuses

_ANSWER_S = 1.0
_MOST_WORKERS = 1000


@dataclass(frozen=True)
class RedisState:
    """reason: what is wrong, None if nothing is."""

    answers: bool
    reason: str | None = None
    queues: Queues | None = None
    workers: list[Worker] | None = None


async def read(redis: ArqRedis) -> RedisState:
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await _read(redis)
    except TimeoutError:
        return RedisState(False, f"Redis gave no answer within {_ANSWER_S:g} s.")
    except (RedisError, OSError) as error:
        if why := why_redis_refuses(error):
            return RedisState(True, why)
        said = secrets.masked(str(error)) or type(error).__name__
        return RedisState(isinstance(error, ResponseError), f"Redis cannot be used: {said}")


async def _read(redis: ArqRedis) -> RedisState:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zcard(WATERMARK_QUEUE)
        pipe.zcard(UPLOAD_QUEUE)
        pipe.zrevrange(WORKERS_KEY, 0, _MOST_WORKERS - 1)
        pipe.zadd(WATERMARK_QUEUE, {"no such job": 0}, xx=True)  # as in upload_api/queues.py
        watermark, upload, names, written = await pipe.execute(raise_on_error=False)
    for answer in (watermark, upload, names):
        if isinstance(answer, Exception):
            raise answer
    keys = [report_key(name.decode(errors="replace")) for name in sorted(names)]
    reports = await redis.mget(keys) if keys else []
    workers = [worker for report in reports if report and (worker := _worker(report))]
    reason = None
    if isinstance(written, Exception):
        reason = why_redis_refuses(written) or str(written)
    return RedisState(True, reason, Queues(watermark=watermark, upload=upload), workers)


def _worker(encoded: bytes) -> Worker | None:
    """None for what is no report: anybody may write to Redis."""
    try:
        report: WorkerReport = json.loads(encoded)
        if not fits(report, WorkerReport):
            return None
        work = [WorkInHand.model_validate(work) for work in report["at"]]
        return Worker.model_validate({**report, "name": report["worker"], "at": work})
    except (ValueError, RecursionError):
        return None
