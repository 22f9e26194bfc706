"""The open streams of GET /events. Each message is encoded once, and all get the same bytes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Literal

from live.entry_id import BEFORE_ALL, EntryId, is_entry_id
from live.ring import Filter, Ring, Told
from live.stream import MOST_WAITING, Stream
from shared.background import repeat
from shared.redis.events import Change
from shared.web.connection import max_connections
from shared.web.problems import Problem
from upload_api.refusals import TOO_MANY_STREAMS

PING_S = 15.0
MOST_STREAMS = 1000
Missed = Literal["unknown_id", "events_lost", "redis_returned", "too_slow"]
_PING = b": ping\n\n"


class Hub:
    def __init__(self) -> None:
        # Streams must not keep uploads out.
        self._most = min(MOST_STREAMS, max_connections() // 2)
        self._open = 0
        self._opened = asyncio.Event()
        self._streams: dict[Filter, set[Stream]] = {}
        self._ring = Ring()
        self._stats: str | None = None
        self._is_degraded = self._is_ended = False

    @property
    def has_streams(self) -> bool:
        return self._open > 0

    async def wait_for_streams(self, most_s: float) -> None:
        """Until there are some, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._opened.wait()

    @asynccontextmanager
    async def running(self, shutdown: asyncio.Event) -> AsyncIterator[None]:
        """Ping the streams, and end them all at shutdown."""
        pinging = asyncio.create_task(repeat("pinging the streams", self._ping, PING_S))
        ending = asyncio.create_task(self._end_at(shutdown))
        try:
            yield
        finally:
            pinging.cancel()
            ending.cancel()

    @contextmanager
    def stream(self, wanted: Filter, last_id: str | None = None) -> Iterator[Stream]:
        """A new stream. last_id: the last event that its client had. Raises Problem."""
        if self._open >= self._most:
            raise Problem(TOO_MANY_STREAMS, streams=self._most)
        stream, same = Stream(), self._streams.setdefault(wanted, set())
        stream.put(self._beginning(wanted, last_id))
        if self._is_ended:
            stream.end()
        same.add(stream)
        self._open += 1
        self._opened.set()
        try:
            yield stream
        finally:
            self._open -= 1
            same.discard(stream)
            if not same:
                self._streams.pop(wanted, None)
            if not self._open:
                self._opened.clear()
                self._stats = None  # nobody renews it now

    def remember(self, changes: Sequence[tuple[EntryId, Change]]) -> list[Told]:
        """Keep the changes for clients that come back. Their ids must grow."""
        told = [_told(entry_id, change) for entry_id, change in changes]
        for each in told:
            self._ring.add(each)
        return told

    def publish(self, changes: Sequence[tuple[EntryId, Change]]) -> None:
        """Tell the streams, each what it wants to hear of."""
        texts: dict[Filter, list[str]] = {}
        told = self.remember(changes)
        for each in told if self._streams else ():
            if listening := each.filters() & self._streams.keys():
                text = _as_json(each.change)
                for wanted in listening:
                    texts.setdefault(wanted, []).append(text)
        for wanted, some in texts.items():
            self._put(self._changed(some), self._streams[wanted])

    def resync(self, reason: Missed, at: EntryId) -> None:
        """Events before at were missed: each client must read anew."""
        self._is_degraded = False
        self._ring.restart(at)
        self._put_to_all(self._resync(reason))

    def degraded(self) -> None:
        """No events come for now."""
        self._is_degraded = True
        self._put_to_all(self._degraded())

    def set_stats(self, payload: dict[str, Any]) -> None:
        """Tell the streams, if it has changed. Those that begin later get it at once."""
        stats = _as_json(payload)
        if stats != self._stats:
            self._stats = stats
            self._put_to_all(self._message("stats", stats))

    def _beginning(self, wanted: Filter, last_id: str | None) -> bytes:
        """What a new stream gets first. Its id tells a client where it is before any event."""
        messages = [b": open\n" + self._id_line() + b"\n"]
        if last_id is not None:
            messages.append(self._missed_since(last_id, wanted))
        return b"".join(messages) + self._state()

    def _missed_since(self, last_id: str, wanted: Filter) -> bytes:
        is_id = is_entry_id(last_id)
        told = self._ring.since(EntryId.of(last_id), wanted) if is_id else None
        if told is None:
            return self._resync("unknown_id")
        texts = [_as_json(each.change) for each in told]
        if sum(map(len, texts)) > MOST_WAITING:  # a thousand of these would take gigabytes
            return self._resync("too_slow")
        return self._changed(texts) if texts else b""

    def _state(self) -> bytes:
        """What holds until it changes."""
        stats = b"" if self._stats is None else self._message("stats", self._stats)
        return stats + (self._degraded() if self._is_degraded else b"")

    def _changed(self, texts: Sequence[str]) -> bytes:
        return self._message("changed", f"[{','.join(texts)}]")

    def _resync(self, reason: Missed) -> bytes:
        return self._message("resync", _as_json({"reason": reason}))

    def _degraded(self) -> bytes:
        return self._message("degraded", _as_json({"reason": "redis_unavailable"}))

    def _message(self, event: str, data: str) -> bytes:
        return f"event: {event}\ndata: {data}\n".encode() + self._id_line() + b"\n"

    def _id_line(self) -> bytes:
        last = self._ring.last
        return b"" if last == BEFORE_ALL else f"id: {last}\n".encode()

    def _put_to_all(self, message: bytes) -> None:
        for streams in self._streams.values():
            self._put(message, streams)

    def _put(self, message: bytes, streams: set[Stream]) -> None:
        for stream in streams:
            if not stream.put(message):
                stream.replace(self._resync("too_slow") + self._state())

    async def _ping(self) -> None:
        self._put_to_all(_PING)

    async def _end_at(self, shutdown: asyncio.Event) -> None:
        await shutdown.wait()
        self._is_ended = True
        for streams in self._streams.values():
            for stream in streams:
                stream.end()


def _told(entry_id: EntryId, change: Change) -> Told:
    return Told(entry_id, change["media_id"], change.get("batch"), change)


def _as_json(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))
