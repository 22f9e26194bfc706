"""What is added to the events in Redis comes out of GET /events, or a resync does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from ulid import ULID

from live.openapi import ChangedMedia
from shared import clock
from shared.contract import DONE, PENDING, Stage, Status, job_id, timestamp
from shared.redis import events
from shared.redis.events import EVENTS_KEY, MOST_EVENTS, Event, Item
from support import images
from support.fast import EventSource, Gateway, RedisServer, gateway, redis_server
from support.services import Server, running, until
from support.worker import add_media

PHOTO = images.jpeg(size=(64, 64))
LIVE, LIVE_NOT = "live events: Redis answers again", "no live events, Redis says"


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running_gateway:
        yield running_gateway


def media(
    media_id: str | None = None, status: str = Status.QUEUED, *, name: str = "photo.jpg"
) -> Item:
    return {
        "media_id": media_id or str(ULID()),
        "state": DONE if status == Status.STORED else PENDING,
        "status": status,
        "code": None,
        "filename": name,
        "ref": None,
        "batch": None,
        "size": 81_234,
        "changed_at": "2026-01-15T14:30:45.123Z",
    }


def add(redis: RedisServer, *items: Item) -> list[str]:
    """All of them at once. Returns their media ids."""
    with redis.client.pipeline() as pipe:
        for item in items:
            pipe.xadd(EVENTS_KEY, {"item": events.encoded(item)}, maxlen=MOST_EVENTS)
        pipe.execute()
    return [item["media_id"] for item in items]


def take(redis: RedisServer, media_id: str, stage: Stage = Stage.WATERMARK) -> None:
    """As take_jobs.lua does."""
    redis.client.xadd(EVENTS_KEY, {"taken": job_id(media_id, stage, 1)})


def test_events_come_in_order_each_whole_and_with_the_id_of_its_entry(fast: Gateway) -> None:
    with EventSource(fast.server) as source:
        photo, ids = media(name="日本\r\n\u2028.jpg"), []
        steps = [("queued", "received"), ("watermarked", "watermarked"), ("stored", "stored")]
        for status, happened in steps:
            item = media(photo["media_id"], status, name=photo["filename"])
            add(fast.redis, item)
            event = source.next()
            assert event.kind == "changed"
            assert event.data == [{**item, "event": happened}]
            ids.append(event.id.encode())
    newest = fast.redis.client.xrevrange(EVENTS_KEY, count=len(steps))
    assert ids == [entry_id for entry_id, _ in reversed(newest)]


def test_what_comes_together_is_one_event_with_the_last_state_of_each_media(
    fast: Gateway,
) -> None:
    one, other = str(ULID()), str(ULID())
    steps = [(one, Status.QUEUED), (other, Status.QUEUED), (one, Status.WATERMARKED)]
    with EventSource(fast.server) as source:
        add(fast.redis, *(media(media_id, status) for media_id, status in steps))
        assert source.next_changes() == [(other, "received"), (one, "watermarked")]


def test_a_job_that_was_taken_is_a_whole_change_too(fast: Gateway) -> None:
    with EventSource(fast.server) as source:
        media_id = fast.post(PHOTO).json()["media_id"]
        take(fast.redis, media_id)
        changes: list[dict[str, object]] = []
        while not changes or changes[-1]["event"] != Event.WATERMARKING:
            changes += source.next().data
    assert changes[-1].keys() == {"event", *Item.__annotations__}
    assert [ChangedMedia.model_validate(change, strict=True) for change in changes]
    assert (changes[-1]["media_id"], changes[-1]["filename"]) == (media_id, "photo.jpg")


def test_what_is_no_event_is_left_out(fast: Gateway) -> None:
    with EventSource(fast.server) as source:
        for fields in ({"item": "{"}, {"item": "[]"}, {"taken": "none"}, {"other": "program"}):
            fast.redis.client.xadd(EVENTS_KEY, fields)
        [media_id] = add(fast.redis, media())
        assert source.next_changes() == [(media_id, "received")]


def test_many_at_once_all_come(fast: Gateway) -> None:
    with EventSource(fast.server) as source:
        added, seen = add(fast.redis, *(media() for _ in range(1300))), list[str]()
        while len(seen) < len(added):
            seen += [media_id for media_id, _ in source.next_changes()]
    assert seen == added


@pytest.mark.parametrize("lose", ["delete", "flushall", "rename"])
def test_a_stream_that_has_gone_is_a_resync(fast: Gateway, lose: str) -> None:
    with EventSource(fast.server) as source:
        add(fast.redis, media())
        old = source.next().id
        keys = {"delete": [EVENTS_KEY], "flushall": [], "rename": [EVENTS_KEY, "elsewhere"]}[lose]
        getattr(fast.redis.client, lose)(*keys)
        event = source.next()
        assert (event.kind, event.data) == ("resync", {"reason": "events_lost"})
        assert event.id == "", "there is no event to go on from"
        [media_id] = add(fast.redis, media())
        assert source.next_changes() == [(media_id, "received")]
    with EventSource(fast.server, f"?last_event_id={old}") as source:
        assert source.next().data == {"reason": "unknown_id"}


def test_events_that_were_dropped_before_they_were_read_are_a_resync(fast: Gateway) -> None:
    with EventSource(fast.server) as source:
        add(fast.redis, media())
        source.next()
        os.kill(fast.server.process.pid, signal.SIGSTOP)
        try:
            add(fast.redis, media())  # Redis sends this one to whoever waits for it
            add(fast.redis, *(media() for _ in range(30)))
            fast.redis.client.xtrim(EVENTS_KEY, maxlen=5, approximate=False)
        finally:
            os.kill(fast.server.process.pid, signal.SIGCONT)
        until(lambda: source.next().data == {"reason": "events_lost"})
        [media_id] = add(fast.redis, media())
        assert source.next_changes() == [(media_id, "received")]


def test_a_foreign_key_of_its_name_is_put_aside(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast, EventSource(fast.server) as source:
        add(fast.redis, media())
        source.next()
        fast.redis.client.set(EVENTS_KEY, "none of ours")
        assert source.next().kind == "degraded"
        assert source.next().kind == "resync"
        [aside] = fast.redis.client.keys("*:put-aside:*")
        assert fast.redis.client.get(aside) == b"none of ours"
        [media_id] = add(fast.redis, media())
        assert source.next_changes() == [(media_id, "received")]


def test_without_redis_streams_say_so_once_and_when_it_is_back(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast, EventSource(fast.server) as source:
        add(fast.redis, media())
        source.next()
        fast.redis.stop()
        gone = source.next()
        assert (gone.kind, gone.data) == ("degraded", {"reason": "redis_unavailable"})
        with EventSource(fast.server) as late:
            assert late.next().kind == "degraded"
            fast.redis.start()
            for stream in (source, late):
                back = stream.next()
                assert (back.kind, back.data) == ("resync", {"reason": "redis_returned"})
            [media_id] = add(fast.redis, media())
            assert source.next_changes() == late.next_changes() == [(media_id, "received")]
        said = fast.server.console()
        assert (said.count(LIVE_NOT), said.count(LIVE)) == (1, 1)


def test_a_gateway_that_starts_before_redis_reads_events_as_soon_as_it_is_there(
    tmp_path: Path,
) -> None:
    with redis_server(tmp_path) as redis:
        redis.stop()
        env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path / "uploads")}
        with running("fast-server", tmp_path, env) as server, EventSource(server) as source:
            assert source.next().kind == "degraded"
            redis.start()
            assert source.next().kind == "resync"
            [media_id] = add(redis, media())
            assert source.next_changes() == [(media_id, "received")]


@pytest.mark.slow
def test_a_frozen_redis_is_noticed(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast, EventSource(fast.server) as source:
        fast.redis.freeze()
        try:
            assert source.next().kind == "degraded"
        finally:
            fast.redis.thaw()
        assert source.next().kind == "resync"


def test_a_client_goes_on_where_it_was_also_at_a_gateway_that_has_just_started(
    fast: Gateway, tmp_path: Path
) -> None:
    with EventSource(fast.server) as source:
        add(fast.redis, media())
        had = source.next().id
    one, other = str(ULID()), str(ULID())
    with EventSource(fast.server) as source:
        add(fast.redis, media(one), media(other))
        source.next()
        add(fast.redis, media(one, Status.STORED))
        source.next()
    missed = [(other, "received"), (one, "stored")]
    env = {"REDIS_URL": fast.redis.url, "UPLOAD_DIR": str(tmp_path)}
    with running("fast-server", tmp_path, env) as restarted:
        for server in (fast.server, restarted):
            with EventSource(server, f"?last_event_id={had}") as source:
                assert source.next_changes() == missed
            with EventSource(server, f"?media_id={one}&last_event_id={had}") as source:
                assert source.next_changes() == [(one, "stored")]
            # The header wins: it is newer.
            header = {"Last-Event-ID": had}
            with EventSource(server, "?last_event_id=1-0", **header) as source:
                assert source.next_changes() == missed


def test_a_gateway_that_starts_again_counts_nothing_twice(tmp_path: Path) -> None:
    """Redis has the events of before, from the reception on."""
    with redis_server(tmp_path) as redis:
        env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path / "uploads")}
        media_id = add_media(tmp_path / "uploads", state="done", status="stored")
        with running("fast-server", tmp_path, env) as server:
            until(lambda: counted(server) == 1)  # that the folders show
            for status in (Status.QUEUED, Status.STORED):
                add(redis, {**media(media_id, status), "changed_at": timestamp(clock.now())})
            until(lambda: counted(server) == 2)
        with running("fast-server", tmp_path, env) as server:
            until(lambda: counted(server) is not None)
            assert counted(server) == 2


def counted(server: Server) -> int | None:
    """How many were stored in the last hour; None while they are counted."""
    stats = httpx.get(f"{server.url}/stats", trust_env=False).json()
    return sum(minute["stored"] for minute in stats["per_minute"]) if stats["complete"] else None


@pytest.mark.parametrize("had", ["1-0", "99999999999999-0", "none"])
def test_an_id_that_is_too_old_or_of_no_event_here_is_a_resync(fast: Gateway, had: str) -> None:
    with EventSource(fast.server, **{"Last-Event-ID": had}) as source:
        event = source.next()
        assert (event.kind, event.data) == ("resync", {"reason": "unknown_id"})
        [media_id] = add(fast.redis, media())
        assert source.next_changes() == [(media_id, "received")]
