"""Live events: how late they come, and what their streams cost the gateway.

They are added to Redis as gateway and workers add them, without images. One thread adds them and
reads all streams, on the cores that it measures.
"""

import json
import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]
from redis import Redis
from ulid import ULID

from benchmarks.figures import Figure
from benchmarks.pipeline import percentile
from benchmarks.rig import Bench
from local_stack.host import StackError
from local_stack.stack import Stack
from shared.contract import DONE, PENDING, Stage, Status, job_id
from shared.redis import events
from shared.redis.events import EVENTS_KEY, MOST_EVENTS, Event

PART = "Live events"
IMAGES_A_SECOND = 200
TICK_S, TICKS_A_STEP = 0.02, 5
PAUSES_S = (0.01, 0.4)
MOST_LATE_MS, MOST_IDLE, MOST_LOADED = 150, 2, 50  # promised
LAST_S = 1.0  # for what is still on its way
GIVE_UP_S = 30
_MOST_BYTES = 1024 * 1024
_REQUEST = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def measure(bench: Bench) -> Iterator[Figure]:
    """Of one stream with an event now and then; of many, idle and while images flow."""
    number, seconds = bench.effort.streams, bench.effort.streaming_s
    with bench.product(WORKERS="0") as stack, closing(Redis.from_url(stack.redis_url)) as redis:
        bench.doing("live events, now and then")
        images, pauses = Images(redis), random.Random(0)
        with closing(Streams(stack.url, 1)) as one:
            for _ in range(bench.effort.small):
                one.read_for(pauses.uniform(*PAUSES_S))
                images.begin_one()
            one.read_for(LAST_S)
            yield from _lateness("now and then", Event.RECEIVED, images, one)
        bench.doing(f"live events, {number} streams")
        images, flow = Images(redis), f"{IMAGES_A_SECOND} images a second"
        with closing(Streams(stack.url, number)) as many:
            idle = _percent_of_a_core(stack, many, seconds)
            yield Figure(PART, f"{number} idle streams", idle, "% of a core", at_most=MOST_IDLE)
            busy = _percent_of_a_core(stack, many, seconds, images)
            row = f"{number} streams, {flow}"
            yield Figure(PART, row, busy, "% of a core", at_most=MOST_LOADED)
            many.read_for(LAST_S)
            yield from _lateness(flow, Event.STORED, images, many)
            whole = many.number_with(len(images.added_at[Event.STORED]))
            yield Figure(PART, "  with all, or a resync", whole, "streams", at_least=number)


def _lateness(what: str, event: Event, images: "Images", streams: "Streams") -> Iterator[Figure]:
    """From the moment an event is added until the first stream has it."""
    added_at, seen_at = images.added_at[event], streams.seen_at[event]
    late = [1000 * (seen_at[media_id] - at) for media_id, at in added_at.items()]
    for percent, most in ((50, None), (95, MOST_LATE_MS)):
        row = f"an event at its reader, {what}, p{percent}"
        yield Figure(PART, row, percentile(late, percent), "ms", at_most=most)


def _percent_of_a_core(
    stack: Stack, streams: "Streams", seconds: float, images: "Images | None" = None
) -> float:
    """What the gateway uses meanwhile."""
    gateway = psutil.Process(stack["gateway"].pid)
    before, started = gateway.cpu_times(), time.monotonic()
    while (now := time.monotonic()) < started + seconds:
        if images:
            images.tick()
        streams.read_for(TICK_S - (time.monotonic() - now))
    after, elapsed = gateway.cpu_times(), time.monotonic() - started
    used = (after.user - before.user) + (after.system - before.system)
    return float(100 * round(used, 2) / elapsed)  # counted in ticks of 10 ms


class Images:
    """Images that exist in events only."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begun = deque[list[str]](maxlen=1 + TICKS_A_STEP * len(_STEPS))  # newest first
        self.added_at: dict[str, dict[str, float]] = {event: {} for event in Event}

    def begin_one(self) -> None:
        self._add([(str(ULID()), _STEPS[0])])

    def tick(self) -> None:
        """Some are received, and those of earlier ticks get one step further."""
        self._begun.appendleft([str(ULID()) for _ in range(round(IMAGES_A_SECOND * TICK_S))])
        steps = zip(islice(self._begun, 0, None, TICKS_A_STEP), _STEPS, strict=False)
        self._add([(media_id, step) for images, step in steps for media_id in images])

    def _add(self, steps: "list[tuple[str, Step]]") -> None:
        for media_id, (event, _) in steps:
            self.added_at[event][media_id] = time.monotonic()
        with self._redis.pipeline(transaction=False) as pipe:
            for media_id, (_, entry) in steps:
                pipe.xadd(EVENTS_KEY, entry(media_id), maxlen=MOST_EVENTS)
            pipe.execute()


Step = tuple[Event, Callable[[str], dict[Any, Any]]]  # and its entry of the stream


def _recorded(status: Status, state: str, media_id: str) -> dict[str, bytes]:
    item: events.Item = {
        "media_id": media_id,
        "state": state,
        "status": status,
        "code": None,
        "filename": f"{media_id}.jpg",
        "ref": None,
        "batch": None,
        "size": 81_234,
        "changed_at": "2026-01-15T14:30:45.123Z",
    }
    return {"item": events.encoded(item)}


def _taken(stage: Stage, media_id: str) -> dict[str, str]:
    return {"taken": job_id(media_id, stage, 1)}


_STEPS: tuple[Step, ...] = (
    (Event.RECEIVED, partial(_recorded, Status.QUEUED, PENDING)),
    (Event.WATERMARKING, partial(_taken, Stage.WATERMARK)),
    (Event.WATERMARKED, partial(_recorded, Status.WATERMARKED, PENDING)),
    (Event.UPLOADING, partial(_taken, Stage.UPLOAD)),
    (Event.STORED, partial(_recorded, Status.STORED, DONE)),
)


class _Stream:
    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, GIVE_UP_S)
        self.socket.sendall(_REQUEST)
        self.rest = self.socket.recv(_MOST_BYTES)  # now it is open; later: half a line
        self.stored = 0
        self.is_told = False  # to read anew


class Streams:
    """Open streams, read by one thread."""

    def __init__(self, url: str, number: int) -> None:
        parts = urlsplit(url)
        self._streams = [
            _Stream((str(parts.hostname), int(parts.port or 80))) for _ in range(number)
        ]
        self._selector = selectors.DefaultSelector()
        for stream in self._streams:
            self._selector.register(stream.socket, selectors.EVENT_READ, stream)
        self.seen_at: dict[str, dict[str, float]] = {event: {} for event in Event}  # by the first

    def close(self) -> None:
        self._selector.close()
        for stream in self._streams:
            stream.socket.close()

    def number_with(self, stored: int) -> int:
        """How many were told of so many stored images, or to read anew."""
        return sum(stream.stored == stored or stream.is_told for stream in self._streams)

    def read_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                self._read(key.data)

    def _read(self, stream: _Stream) -> None:
        received = stream.socket.recv(_MOST_BYTES)
        if not received:
            raise StackError("a stream of GET /events has ended")
        *lines, stream.rest = (stream.rest + received).split(b"\n")
        for line in lines:
            stream.stored += line.count(b'"event":"stored"')
            stream.is_told = stream.is_told or line == b"event: resync"
            if stream is self._streams[0] and line.startswith(b"data: ["):
                for change in json.loads(line[6:]):
                    self.seen_at[change["event"]][change["media_id"]] = time.monotonic()
