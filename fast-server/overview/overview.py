"""What goes on, put together at most once a second. Whatever is down, the rest is told in time."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeVar

from arq.connections import ArqRedis
from ulid import ULID

from index.counts import Counts
from index.index import Index
from live.hub import Hub
from overview import central_state, redis_state
from overview.answers import Disk, ImageFormat, Limits, Pause, Reached, Stats
from overview.noticed import Noticed
from overview.rate import Rate
from overview.redis_state import RedisState
from overview.summary import NO_WORKER, summary, troubles
from shared import clock, pause
from shared.background import end, repeat
from shared.central_client import CentralClient
from shared.contract import DONE, FAILED, MIB, PENDING, VERSION
from shared.web.problems import Problem
from upload_api.settings import Settings
from upload_api.unsupported import CONTENT_TYPES

_FRESH_S = 1.0
_STREAM_S = 2.0
_CHECK_S = 5.0
_ANSWER_S = 1.0
_COUNTED = (PENDING, FAILED, DONE, "oldest_pending_seconds", "per_minute", "failures")
Result = TypeVar("Result")


class Overview:
    def __init__(
        self, settings: Settings, redis: ArqRedis, central: CentralClient, index: Index, hub: Hub
    ) -> None:
        self._settings = settings
        self._redis, self._central = redis, central
        self._index, self._hub = index, hub
        self._noticed, self._rate = Noticed(), Rate()
        self._central_state: Reached | None = None
        self._stats: tuple[float, Stats] | None = None
        self._is_outdated = False
        self._computing = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch Redis and central in the background, and tell the open streams."""
        tasks = [
            asyncio.create_task(repeat("looking at Redis and central", self._check, _CHECK_S)),
            asyncio.create_task(repeat("stats for the streams", self._tell_streams, _STREAM_S)),
        ]
        try:
            yield
        finally:
            await end(tasks)

    async def stats(self) -> Stats:
        """What goes on now, or did a second ago."""
        async with self._computing:
            if self._stats is None or time.monotonic() - self._stats[0] > _FRESH_S:
                self._is_outdated = False
                self._stats = time.monotonic(), await self._compute()
            stats = self._stats[1]
            if self._is_outdated:  # something was changed while they were put together
                self._stats = None
            return stats

    def forget(self) -> None:
        """This gateway has just changed something: the next stats have it."""
        self._stats, self._is_outdated = None, True

    async def _check(self) -> None:
        """So that it is known since when they are as they are."""
        (answers, reason), redis = await asyncio.gather(
            central_state.ask(self._central), redis_state.read(self._redis)
        )
        self._central_state = self._reached("central", answers, reason)
        self._reached("redis", redis.answers, redis.reason)
        self._noticed.since(NO_WORKER, redis.workers == [])

    async def _tell_streams(self) -> None:
        if self._hub.has_streams:
            stats = (await self.stats()).model_dump()
            if disk := stats["disk"]:  # other programs write to it all the time
                disk["free_bytes"] -= disk["free_bytes"] % max(1, disk["total_bytes"] // 1000)
            self._hub.set_stats(stats)

    async def _compute(self) -> Stats:
        redis, counts, disk, paused = await asyncio.gather(
            redis_state.read(self._redis),
            _in_time(self._index.counts()),
            _in_time(asyncio.to_thread(self._disk)),
            _in_time(asyncio.to_thread(pause.since, self._settings.upload_dir)),
        )
        stats = self._put_together(redis, counts, disk, paused)
        minutes = stats.per_minute if stats.complete else None
        per_minute = self._rate.per_minute(minutes or [], stats.workers or [])
        stats.eta_seconds = _eta_s(stats, per_minute)
        found = list(troubles(stats, self._settings.max_queue_depth, self._noticed))
        stats.healthy = not found
        stats.summary = summary(stats, per_minute, found)
        return stats

    def _put_together(
        self, redis: RedisState, counts: Counts | None, disk: Disk | None, paused: str | None
    ) -> Stats:
        return Stats(
            **_counted(counts),
            summary="",
            healthy=True,
            eta_seconds=None,
            queues=redis.queues,
            workers=redis.workers,
            limits=self._limits(),
            disk=disk,
            redis=self._reached("redis", redis.answers, redis.reason),
            central=self._central_state,
            paused=None if paused is None else Pause(since=paused or None),
            version=VERSION,
        )

    def _reached(self, name: str, answers: bool, reason: str | None) -> Reached:
        since = self._noticed.since(name, (answers, reason is None))
        return Reached(answers=answers, since=since, reason=reason)

    def _limits(self) -> Limits:
        formats = [
            ImageFormat(name=name, content_types=types) for name, types in CONTENT_TYPES.items()
        ]
        return Limits(
            max_upload_bytes=self._settings.max_upload_bytes,
            max_megapixels=self._settings.max_megapixels,
            formats=formats,
        )

    def _disk(self) -> Disk:
        usage = shutil.disk_usage(self._settings.upload_dir)
        least = self._settings.min_free_mb * MIB
        return Disk(
            free_bytes=usage.free,
            total_bytes=usage.total,
            least_free_bytes=least,
            enough=usage.free >= least,
        )


async def _in_time(asked: Coroutine[Any, Any, Result]) -> Result | None:
    """None where it fails, or takes too long."""
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await asked
    except (Problem, OSError):  # TimeoutError is an OSError
        return None


def _counted(counts: Counts | None) -> dict[str, Any]:
    """The fields of Stats that the index fills."""
    if counts is None:
        return {**dict.fromkeys(_COUNTED), "complete": False}
    oldest = counts.oldest_pending
    return {
        **{state: counts.states[state] for state in (PENDING, FAILED, DONE)},
        "oldest_pending_seconds": None if oldest is None else _age_s(oldest),
        "per_minute": [asdict(minute) for minute in counts.minutes],
        "failures": [asdict(group) for group in counts.failures],
        "complete": counts.is_complete,
    }


def _age_s(media_id: str) -> float:
    return round(max(0.0, clock.now_s() - ULID.from_str(media_id).timestamp), 1)


def _eta_s(stats: Stats, per_minute: float) -> int | None:
    """None where nobody can tell."""
    if stats.pending == 0:
        return 0
    works = stats.workers and not stats.paused and stats.central and stats.central.reason is None
    if not stats.pending or not works or not per_minute:
        return None
    return max(1, round(stats.pending / per_minute * 60))
