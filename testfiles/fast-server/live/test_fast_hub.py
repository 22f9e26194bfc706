"""What the hub sends to which stream, without Redis and HTTP."""

import asyncio
import json
from contextlib import ExitStack
from itertools import count
from typing import Any

import pytest
from ulid import ULID

from live import hub as hub_module
from live import ring as ring_module
from live.entry_id import EntryId
from live.hub import MOST_STREAMS, Hub
from live.ring import Filter
from live.stream import MOST_WAITING, Stream
from shared.redis.events import Change, Event
from shared.web.problems import Problem

pytestmark = pytest.mark.anyio
ALL = Filter()
IDS = (EntryId(1000, number) for number in count())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(hub_module, "max_connections", lambda: 5000)
    return Hub()


def change(batch: str | None = None, media_id: str | None = None, name: str = "") -> Change:
    return {
        "event": Event.RECEIVED,
        "media_id": media_id or str(ULID()),
        "status": "queued",
        "changed_at": "2026-01-15T14:30:45.123Z",
        "filename": name,
        "batch": batch,
    }


def publish(hub: Hub, *changes: Change) -> EntryId:
    """Returns the id of the last one."""
    numbered = [(next(IDS), each) for each in changes]
    hub.publish(numbered)
    return numbered[-1][0]


async def sent(stream: Stream) -> list[tuple[str, Any]]:
    """The events that wait; none only if the stream has ended."""
    async with asyncio.timeout(10):
        text = (await stream.next()).decode()
    blocks = [dict(line.split(": ", 1) for line in b.split("\n")) for b in text.split("\n\n") if b]
    return [(b["event"], json.loads(b["data"])) for b in blocks if "event" in b]


async def test_a_stream_gets_what_fits_its_filter_and_equal_filters_the_same_bytes(
    hub: Hub,
) -> None:
    mine, other = str(ULID()), str(ULID())
    one, two, three = change(mine), change(mine), change(other)
    wanted = [
        (ALL, [one, two, three]),
        (Filter(batch=mine), [one, two]),
        (Filter(media_id=two["media_id"]), [two]),
        (Filter(other, three["media_id"]), [three]),
        (Filter(mine, three["media_id"]), []),
    ]
    with ExitStack() as opened:
        pairs = [[opened.enter_context(hub.stream(each)) for _ in "12"] for each, _ in wanted]
        for stream in [stream for pair in pairs for stream in pair]:
            assert await sent(stream) == []
        publish(hub, one, two, three)
        hub.set_stats({"depth": 1})
        for (_, expected), (first, second) in zip(wanted, pairs, strict=True):
            changed = [("changed", expected)] if expected else []
            assert first._waiting[0] is second._waiting[0]
            assert await sent(first) == await sent(second) == [*changed, ("stats", {"depth": 1})]


async def test_stats_come_when_they_change_and_first_to_a_new_stream(hub: Hub) -> None:
    with hub.stream(ALL) as stream:
        assert hub.has_streams
        for depth in (1, 1, 2):
            hub.set_stats({"depth": depth})
        assert await sent(stream) == [("stats", {"depth": 1}), ("stats", {"depth": 2})]
        with hub.stream(ALL) as late:
            assert await sent(late) == [("stats", {"depth": 2})]
    assert not hub.has_streams
    with hub.stream(ALL) as stream:
        assert await sent(stream) == [], "nobody has renewed them meanwhile"
        hub.set_stats({"depth": 2})
        assert await sent(stream) == [("stats", {"depth": 2})]


async def test_a_stream_that_is_far_behind_gets_a_resync_in_place_of_what_waits(hub: Hub) -> None:
    hub.set_stats({"depth": 1})
    with hub.stream(ALL) as slow, hub.stream(ALL) as fast:
        name, published = "x" * 1000, 0
        while published <= MOST_WAITING:
            publish(hub, change(name=name))
            published += len(name)
            assert [kind for kind, _ in await sent(fast)][-1] == "changed"
        publish(hub, last := change())
        received = await sent(slow)
        assert received[:2] == [("resync", {"reason": "too_slow"}), ("stats", {"depth": 1})]
        assert received[-1] == ("changed", [last])
        assert len(json.dumps(received)) < MOST_WAITING


async def test_an_event_that_is_larger_than_may_wait_goes_to_a_stream_that_is_not_behind(
    hub: Hub,
) -> None:
    with hub.stream(ALL) as stream:
        await sent(stream)
        publish(hub, large := change(name="x" * MOST_WAITING))
        assert await sent(stream) == [("changed", [large])]


async def test_pings_come_as_long_as_nothing_else_does(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "PING_S", 0.01)
    async with hub.running(asyncio.Event()):
        with hub.stream(ALL) as stream:
            await stream.next()
            async with asyncio.timeout(10):
                assert {await stream.next(), await stream.next()} == {b": ping\n\n"}


async def test_all_streams_end_at_shutdown_and_those_that_begin_later_at_once(hub: Hub) -> None:
    shutdown = asyncio.Event()
    async with hub.running(shutdown):
        with hub.stream(ALL) as stream, hub.stream(Filter(media_id=str(ULID()))) as other:
            await stream.next()
            await other.next()
            shutdown.set()
            async with asyncio.timeout(10):
                assert [await stream.next(), await other.next()] == [b"", b""]
        with hub.stream(ALL) as late:
            assert await late.next() == b""


def test_there_are_so_many_streams_and_no_more(hub: Hub) -> None:
    assert MOST_STREAMS == 1000
    with ExitStack() as opened:
        for _ in range(MOST_STREAMS):
            opened.enter_context(hub.stream(ALL))
        with pytest.raises(Problem, match="1000 streams are open") as refused, hub.stream(ALL):
            pass
    assert (refused.value.kind.code, refused.value.kind.retry_after_s) == ("too_many_streams", 5)
    with hub.stream(ALL):
        pass


async def test_only_so_many_media_are_remembered(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring_module, "MOST_MEDIA", 2)
    first = publish(hub, change())
    again = change()
    second = publish(hub, again)
    third = publish(hub, other := change())
    publish(hub, again)
    assert await missed(hub, first) == [("changed", [other, again])]
    publish(hub, newest := change())
    assert await missed(hub, first) == await missed(hub, second)
    assert await missed(hub, second) == [("resync", {"reason": "unknown_id"})]
    assert await missed(hub, third) == [("changed", [again, newest])]


async def test_a_client_that_has_missed_more_than_may_wait_gets_a_resync(hub: Hub) -> None:
    first = publish(hub, change())
    publish(hub, *(change(name="x" * 1000) for _ in range(MOST_WAITING // 1000)))
    assert await missed(hub, first) == [("resync", {"reason": "too_slow"})]
    last = publish(hub, change())
    assert await missed(hub, last) == []


async def missed(hub: Hub, last_id: EntryId) -> list[tuple[str, Any]]:
    with hub.stream(ALL, str(last_id)) as stream:
        return await sent(stream)
