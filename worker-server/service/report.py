"""This worker's report in Redis: that it lives, and what it is at."""

import json
import os
from contextlib import suppress
from pathlib import Path

from arq.connections import ArqRedis
from redis.exceptions import RedisError

from pipeline.stages import Stages
from shared import clock
from shared.contract import MIB, VERSION, Status, timestamp
from shared.redis.worker_report import GONE_AFTER_S, WORKERS_KEY, WorkerReport, report_key

_NAMES_KEPT_S = 60.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Reporter:
    """Writes the report of one worker process. unhealthy says why it is, if it is."""

    def __init__(self, stages: Stages) -> None:
        self.unhealthy: str | None = None
        self._stages = stages
        self._started_at = timestamp(clock.now())

    async def send(self, redis: ArqRedis) -> None:
        """A report that Redis does not take is not missed: the next one comes soon."""
        name, now_s = self._stages.worker, clock.now_s()
        with suppress(RedisError, OSError):
            async with redis.pipeline(transaction=False) as pipe:
                pipe.set(report_key(name), json.dumps(self._report()), ex=GONE_AFTER_S)
                pipe.zadd(WORKERS_KEY, {name: now_s})
                pipe.zremrangebyscore(WORKERS_KEY, "-inf", now_s - _NAMES_KEPT_S)
                await pipe.execute()

    def _report(self) -> WorkerReport:
        stages, log = self._stages, self._stages.work_log
        return {
            "worker": stages.worker,
            "version": VERSION,
            "started_at": self._started_at,
            "memory_mb": _memory_bytes() // MIB,
            "processes": stages.settings.processes,
            "at": log.current(),
            "stored_last_minute": log.last_minute(Status.STORED),
            "failed_last_minute": log.last_minute(Status.FAILED),
            "unhealthy": self.unhealthy,
        }


def _memory_bytes() -> int:
    """What this process and its decoder processes hold in memory."""
    pids = ["self"]
    for children in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # that thread has just ended
            pids += children.read_text().split()
    return sum(_resident_pages(pid) for pid in pids) * _PAGE_BYTES


def _resident_pages(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:  # that process has just ended
        return 0
