"""Reads the events out of Redis, for the index and for the hub. One a process.

It notices when it has missed some: Redis counts all entries that were ever added to a stream.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from operator import itemgetter
from typing import NamedTuple

from arq.connections import ArqRedis
from redis.exceptions import RedisError, ResponseError

from index.index import Index
from live.entry_id import BEFORE_ALL, EntryId
from live.hub import Hub, Missed
from shared import console
from shared.background import end, repeat
from shared.contract import WATERMARK_QUEUE
from shared.redis import events, jobs
from shared.redis.events import EVENTS_KEY, Change

_TOGETHER_S = 0.1  # what comes within it is one message
_UNHEARD_TOGETHER_S = 0.5  # where only the index hears of it
_BLOCK_MS = 2000
_ANSWER_S = 4.0  # longer than it blocks
_RETRY_S = 1.0
_BEGIN_S = 2.0
_MOST_ENTRIES = 500  # at once
_MOST_REMEMBERED = 2000

Entry = tuple[bytes, Mapping[bytes, bytes]]


class _Position(NamedTuple):
    """An entry, and how many were added up to it. Redis before version 7 does not count."""

    entry_id: EntryId
    added: int | None


class EventReader:
    def __init__(self, dsn: str, index: Index, hub: Hub) -> None:
        self._redis: ArqRedis = jobs.connect(dsn, WATERMARK_QUEUE, timeout_s=_ANSWER_S, retries=0)
        self._index, self._hub = index, hub
        self._missed: Missed | None = None  # why a run that begins now has missed events
        self._has_begun = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Clients that come back at once find what they have missed, unless Redis is slow."""
        task = asyncio.create_task(repeat("reading events", self._follow, _RETRY_S))
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEGIN_S):
                await self._has_begun.wait()
        try:
            yield
        finally:
            await end([task])
            await self._redis.aclose(close_connection_pool=True)

    async def _follow(self) -> None:
        """Read until Redis is gone."""
        try:
            at = await self._begin()
            self._has_begun.set()
            while True:
                at = await self._read(at)
        except (RedisError, OSError) as error:
            await self._lose(error)

    async def _begin(self) -> _Position:
        if self._missed is None:
            at = await self._position()
            await self._remember(at)
        else:
            at = await self._skip(self._missed)
        if self._missed == "redis_returned":
            console.event(console.NOTICE, detail="live events: Redis answers again")
        self._missed = "events_lost"  # if an error ends this run
        return at

    async def _remember(self, until: _Position) -> None:
        """Let clients that come back after a restart go on where they were."""
        newest = await self._redis.xrevrange(
            EVENTS_KEY, max=str(until.entry_id), count=_MOST_REMEMBERED
        )
        self._hub.remember(await self._completed(newest[::-1], are_old=True))

    async def _read(self, at: _Position) -> _Position:
        """Wait for the next entries, and tell of them together."""
        now = await self._position()
        if _is_another_stream(at, now):
            return await self._skip("events_lost")
        read = await self._redis.xread({EVENTS_KEY: str(at.entry_id)}, _MOST_ENTRIES, _BLOCK_MS)
        entries: list[Entry] = read[0][1] if read else []
        if _are_too_few(entries, at, now):
            return await self._skip("events_lost")
        if not entries:
            return at
        started = time.monotonic()
        self._hub.publish(await self._completed(entries))
        if len(entries) < _MOST_ENTRIES:
            if not self._hub.has_streams:
                await self._hub.wait_for_streams(_UNHEARD_TOGETHER_S)
            await asyncio.sleep(_TOGETHER_S - (time.monotonic() - started))
        added = None if at.added is None else at.added + len(entries)
        return _Position(EntryId.of(entries[-1][0]), added)

    async def _skip(self, reason: Missed) -> _Position:
        """Go on from the newest entry: the folders must be read again."""
        at = await self._position()
        self._index.rescan()
        self._hub.resync(reason, at.entry_id)
        return at

    async def _position(self) -> _Position:
        """Where the stream is now."""
        try:
            info = await self._redis.xinfo_stream(EVENTS_KEY)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return _Position(BEFORE_ALL, 0)
        return _Position(EntryId.of(info["last-generated-id"]), info.get("entries-added"))

    async def _completed(
        self, entries: list[Entry], *, are_old: bool = False
    ) -> list[tuple[EntryId, Change]]:
        """The last change of each media, oldest first. The index hears of all of them."""
        decoded = [(EntryId.of(entry[0]), events.decoded(*entry)) for entry in entries]
        changes = [change for _, change in decoded if change]
        ids = {change["media_id"]: entry_id for entry_id, change in decoded if change}
        completed = await self._index.complete(changes, are_old=are_old)
        whole = {change["media_id"]: change for change in completed}
        return sorted(((ids[media_id], whole[media_id]) for media_id in whole), key=itemgetter(0))

    async def _lose(self, error: Exception) -> None:
        self._has_begun.set()
        if self._missed != "redis_returned":
            self._missed = "redis_returned"
            self._hub.degraded()
            console.event(console.NOTICE, detail=f"no live events, Redis says: {error!r}")
        if str(error).startswith("WRONGTYPE"):
            with suppress(RedisError, OSError):
                await jobs.put_aside_foreign_keys(self._redis)


def _is_another_stream(at: _Position, now: _Position) -> bool:
    """Whether the one that was read has gone."""
    return now.entry_id < at.entry_id or (now.added or 0) < (at.added or 0)


def _are_too_few(entries: list[Entry], at: _Position, now: _Position) -> bool:
    """Whether some of those between the two positions were lost, or others counted."""
    if len(entries) == _MOST_ENTRIES or at.added is None or now.added is None:
        return False
    until_now = sum(1 for entry_id, _ in entries if EntryId.of(entry_id) <= now.entry_id)
    return until_now != now.added - at.added
