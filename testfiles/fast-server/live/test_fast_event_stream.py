"""GET /events over HTTP: its head, its refusals, its clients that are slow, many or gone."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ulid import ULID

from shared.contract import PENDING, Status
from shared.redis import events
from shared.redis.events import EVENTS_KEY
from support import images
from support.fast import EventSource, Gateway, assert_problem, gateway
from support.services import until

REQUEST = b"GET /events HTTP/1.%d\r\nHost: localhost\r\n\r\n"
SITE = "https://shop.example"


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, MAX_CONNECTIONS="60", ALLOWED_ORIGINS=SITE) as running:
        yield running


def add(fast: Gateway, number: int = 1, ref: str | None = None) -> list[str]:
    """Events of so many new media, all at once. Returns their media ids."""
    media_ids = [str(ULID()) for _ in range(number)]
    with fast.redis.client.pipeline() as pipe:
        for media_id in media_ids:
            item: events.Item = {
                "media_id": media_id,
                "state": PENDING,
                "status": Status.QUEUED,
                "code": None,
                "filename": "photo.jpg",
                "ref": ref,
                "batch": None,
                "size": 81_234,
                "changed_at": "2026-01-15T14:30:45.123Z",
            }
            pipe.xadd(EVENTS_KEY, {"item": events.encoded(item)})
        pipe.execute()
    return media_ids


def test_it_begins_at_once_and_no_proxy_or_cache_keeps_it(fast: Gateway) -> None:
    with EventSource(fast.server) as source:
        assert source.answer.status == 200
        headers = source.answer.headers
        assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Accel-Buffering"] == "no"
        assert source.answer.readline() == b": open\n"


def test_head_is_answered_and_ends(fast: Gateway) -> None:
    answer = fast.http.head("/events")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    refused = fast.http.head("/events?batch=x")
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("query", "code", "detail"),
    [
        ("media_id=", "bad_parameter", "media_id is a ULID."),
        (
            "last_event_id=1-x",
            "bad_parameter",
            "last_event_id is the id of an event, such as 1768487445123-0.",
        ),
        (
            "batch=x",
            "bad_batch",
            "batch is one ULID that you make for all that belong together, such as "
            "01KAP3V8Z4J5N6Q7R8S9T0VWXY.",
        ),
        (
            "state=done",
            "unknown_parameter",
            "state is no parameter of this request; batch, media_id and last_event_id are.",
        ),
        ("batch=1&batch=2", "repeated_parameter", "batch comes more than once. Send it once."),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(
    fast: Gateway, query: str, code: str, detail: str
) -> None:
    problem = assert_problem(fast.http.get(f"/events?{query}"), 422, code)
    assert problem["detail"] == detail


def test_a_media_or_batch_that_nobody_knows_is_waited_for(fast: Gateway) -> None:
    with EventSource(fast.server, f"?batch={ULID()}") as source, EventSource(fast.server) as all_:
        [media_id] = add(fast)
        assert all_.next_changes() == [(media_id, "received")]
        with EventSource(fast.server, f"?media_id={media_id}") as of_one:
            assert source.answer.readline() == b": open\n"
            assert of_one.answer.readline() == b": open\n"


def test_a_page_of_an_allowed_site_may_listen_and_go_on(fast: Gateway) -> None:
    with EventSource(fast.server, Origin=SITE) as source:
        assert source.answer.headers["Access-Control-Allow-Origin"] == SITE
        [media_id] = add(fast)
        assert source.next_changes() == [(media_id, "received")]
    asked = {"Origin": SITE, "Access-Control-Request-Method": "GET"}
    asked["Access-Control-Request-Headers"] = "Last-Event-ID"
    answer = fast.http.options("/events", headers=asked)
    assert answer.is_success
    assert "Last-Event-ID" in answer.headers["Access-Control-Allow-Headers"]


def test_http_1_0_gets_the_stream_too(fast: Gateway) -> None:
    """As nginx asks, unless it is told otherwise."""
    with fast.connect() as connection:
        connection.sendall(REQUEST % 0)
        received = connection.recv(65536)
        [media_id] = add(fast)
        while media_id.encode() not in received:
            received += connection.recv(65536)
    assert b"chunked" not in received.lower()


def test_streams_take_half_of_the_connections_and_those_that_end_make_room(fast: Gateway) -> None:
    with ExitStack() as opened:
        for _ in range(30):
            opened.enter_context(EventSource(fast.server))
        refused = fast.http.get("/events")
        assert_problem(refused, 503, "too_many_streams")
        assert refused.headers["Retry-After"] == "5"
        assert fast.post(images.jpeg(size=(64, 64))).status_code == 202
    until(lambda: fast.http.head("/events").is_success)
    for _ in range(60):  # HEAD and refusals take none of them
        assert fast.http.head("/events").is_success
        assert fast.http.get("/events?batch=x").status_code == 422
    with EventSource(fast.server) as source:
        assert source.answer.status == 200


def test_a_client_that_does_not_read_gets_a_resync_later_and_the_others_all_events(
    fast: Gateway,
) -> None:
    ref = "x" * 1000
    with EventSource(fast.server) as source, not_reading(fast) as slow:
        for _ in range(60):
            added = add(fast, 100, ref)
            seen: list[str] = []
            while len(seen) < len(added):
                seen += [media_id for media_id, _ in source.next_changes()]
            assert seen == added
        received = slow.recv(65536)
        while b'event: resync\ndata: {"reason":"too_slow"}' not in received:
            received = received[-100:] + slow.recv(65536)
        [media_id] = add(fast)
        while media_id.encode() not in received:
            received = received[-100:] + slow.recv(65536)


def not_reading(fast: Gateway) -> socket.socket:
    """A client with a stream, and little room for what it has not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", fast.server.port))
    connection.sendall(REQUEST % 1)
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    return connection


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_open_streams_do_not_keep_it_from_ending(tmp_path: Path, stop: signal.Signals) -> None:
    """Nor does one whose client does not read."""
    with gateway(tmp_path) as fast, ExitStack() as opened:
        of_none = f"?media_id={ULID()}"
        idle = [opened.enter_context(EventSource(fast.server, of_none)) for _ in range(50)]
        opened.enter_context(not_reading(fast))
        with EventSource(fast.server) as source:
            for _ in range(40):
                add(fast, 100, "x" * 1000)
                source.next()
            fast.server.process.send_signal(stop)
            fast.server.process.wait(20)
            for stream in (source, *idle):
                with pytest.raises(EOFError):  # and no IncompleteRead
                    [*iter(stream.next, None)]
    assert "Traceback" not in fast.server.console()


def test_a_client_that_has_gone_makes_room(tmp_path: Path) -> None:
    with gateway(tmp_path, MAX_CONNECTIONS="2") as fast:
        with fast.connect() as connection:
            connection.sendall(REQUEST % 1)
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
            assert_problem(fast.http.get("/events"), 503, "too_many_streams")
        until(lambda: fast.http.head("/events").is_success)
