"""What comes before and around a request is bounded: bytes, seconds, connections."""

import json
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from local_stack.stack import ROOT
from support import images
from support.central import FORM_HEAD
from support.fast import FORM_TYPE, form, redis_server
from support.services import UVICORN, Server, running, until

PHOTO = images.jpeg(size=(64, 48))
UPLOADS = {"fast-server": "/media", "central-server": "/upload-final"}
# uvicorn with as few descriptors as some systems give a process
LAUNCHER = (
    "-c",
    "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200));"
    "runpy.run_module('uvicorn', run_name='__main__')",
)
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture(params=["fast-server", "central-server"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    with service(request.param, tmp_path) as started:
        yield started


@contextmanager
def service(
    folder: str, path: Path, launcher: Sequence[str] = UVICORN, **settings: str
) -> Iterator[Server]:
    with redis_server(path) as redis:
        env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(path / "uploads"), "MIN_FREE_MB": "0"}
        env |= {"STORAGE_DIR": str(path / "storage"), "ACTIVITY_LOG": str(path / "log")}
        with running(folder, path, {**env, **settings}, launcher) as started:
            yield started
        assert "Traceback" not in started.console()


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def answer_to(server: Server, *pieces: bytes) -> bytes:
    with dial(server) as connection:
        with suppress(ConnectionError):  # it may answer, and close, before all is sent
            for piece in pieces:
                connection.sendall(piece)
        return read_all(connection)


def answer_in_pieces(server: Server, request: bytes) -> bytes:
    """The answer to a request whose pieces are read one by one."""
    with dial(server) as connection:
        with suppress(ConnectionError):  # it may answer, and close, before all is sent
            for start in range(0, len(request), 20_000):
                connection.sendall(request[start : start + 20_000])
                assert is_up(server)  # the piece has been read by now
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            received += piece
    return received


def problem_in(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower()
    problem = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    assert problem["detail"]
    return problem["status"], problem["code"]


def upload_of(folder: str) -> tuple[str, bytes]:
    """The path and body of an upload."""
    if folder == "fast-server":
        return "/media", form(PHOTO)
    return "/upload-final", FORM_HEAD + PHOTO + b"\r\n--x--\r\n"


def is_up(server: Server) -> bool:
    return b"200 OK" in answer_to(
        server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    "endless",
    [
        [b"GET /" + b"a" * 100_000],
        [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000],
        [b"GET / HTTP/1.1\r\nHost: localhost\r\n", *[b"X-%d: a\r\n" % n for n in range(20_000)]],
        [
            f"POST /media HTTP/1.1\r\nHost: localhost\r\n{CHUNKED}\r\n".encode(),
            b"1\r\na\r\n0\r\n",
            *[b"X-%d: a\r\n" % n for n in range(20_000)],
        ],
        [
            f"POST /media HTTP/1.1\r\nHost: localhost\r\n{CHUNKED}\r\n1;".encode(),
            *[b"a" * 10_000] * 20,
        ],
    ],
    ids=["url", "header", "headers", "trailers", "chunk-extension"],
)
def test_what_never_ends_is_cut_off(server: Server, endless: list[bytes]) -> None:
    answer = answer_to(server, *endless)
    # A trailer's request may have had its answer before: then the connection just ends.
    assert not answer or problem_in(answer)[0] in (404, 415, 431)
    assert is_up(server)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 66_000 + b"\r\n\r\n",
        b"GET /health?" + b"a" * 66_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=["lines", "header", "url"],
)
def test_a_head_that_is_whole_and_too_large_is_refused(server: Server, head: bytes) -> None:
    assert problem_in(answer_to(server, head)) == (431, "headers_too_large")
    assert problem_in(answer_in_pieces(server, head)) == (431, "headers_too_large")
    small = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert answer_to(server, small + head).count(b"HTTP/1.1 ") == 2  # pipelined, too


def test_two_lengths_of_one_body_are_refused(server: Server) -> None:
    """Else what follows is a request to one of two that stand in a row, and a body to the other."""
    smuggled = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = f"POST /media/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n{CHUNKED}\r\n"
    answer = answer_to(server, head.encode() + b"0\r\n\r\n" + smuggled)
    assert problem_in(answer) == (400, "malformed_request")


def test_a_target_may_be_a_whole_url_which_names_the_host(server: Server) -> None:
    request = "GET http://{}/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    own, foreign = (answer_to(server, request.format(h).encode()) for h in ("a:1", "evil.example"))
    assert own.startswith(b"HTTP/1.1 200 ")
    assert problem_in(foreign) == (421, "wrong_host")


def test_an_empty_line_before_a_request_is_ignored(server: Server) -> None:
    request = b"\r\nGET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert answer_to(server, request).startswith(b"HTTP/1.1 200 ")
    with dial(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"\r\n")  # alone
        assert is_up(server)  # it has been read by now
        connection.sendall(request)
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
def test_a_request_that_was_answered_before_its_body_came_is_over_soon(server: Server) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    with dial(server) as silent, dial(server) as dripping:
        for connection in (silent, dripping):
            connection.sendall(head)
        with suppress(ConnectionError):  # once it is closed
            for _ in range(60):
                dripping.sendall(b"x")
                select.select([], [], [dripping], 1)  # a byte a second
            pytest.fail("it is open still")
        assert read_all(silent).startswith(b"HTTP/1.1 200 ")
    assert is_up(server)


def test_a_head_of_60_kb_is_taken(server: Server) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: %b\r\n\r\n"
    request %= b"a" * 60_000
    assert b"200 OK" in answer_to(server, request)
    assert b"200 OK" in answer_in_pieces(server, request)


def test_what_is_no_http_is_told_so(server: Server) -> None:
    for request in (b"\x16\x03\x01\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
        assert problem_in(answer_to(server, request)) == (400, "malformed_request")


@pytest.mark.slow
def test_a_head_has_15_seconds(server: Server) -> None:
    begun = [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: localh",
        f"POST /media HTTP/1.1\r\nHost: localhost\r\n{CHUNKED}\r\n1\r\na\r\n0\r\nX: ".encode(),
    ]
    with ExitStack() as opened:
        connections = [opened.enter_context(dial(server)) for _ in begun]
        for connection, piece in zip(connections, begun, strict=True):
            connection.sendall(piece)
        answers = [read_all(connection) for connection in connections]
    assert answers[0] == b""
    assert [problem_in(a) for a in answers[1:3]] == [(408, "request_timeout")] * 2
    assert problem_in(answers[3])[0] in (404, 408, 415)
    assert is_up(server)


@pytest.mark.parametrize("folder", UPLOADS)
def test_an_upgrade_that_is_not_taken_loses_no_body(folder: str, tmp_path: Path) -> None:
    """As Java's HttpClient asks by default, and curl --http2."""
    path, body = upload_of(folder)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM_TYPE}\r\n"
        f"Connection: Upgrade, HTTP2-Settings\r\nContent-Length: {len(body)}\r\n"
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\n\r\n"
    ).encode()
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with service(folder, tmp_path) as server:
        answer = answer_to(server, head + body + last)
        assert answer.startswith((b"HTTP/1.1 202 ", b"HTTP/1.1 200 "))
        assert answer.count(b"HTTP/1.1 ") == 2
        assert "Unsupported" not in server.console()


@pytest.mark.parametrize("folder", UPLOADS)
def test_connections_are_bounded(folder: str, tmp_path: Path) -> None:
    with service(folder, tmp_path, MAX_CONNECTIONS="20") as server, ExitStack() as opened:
        held = [opened.enter_context(dial(server)) for _ in range(20)]
        request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        for connection in held[:-1]:  # none but the last has asked yet
            connection.sendall(request[:10])
        until(lambda: problem_in(answer_to(server)) == (503, "too_many_connections"))
        assert b"retry-after: 5" in answer_to(server).lower()
        held[0].sendall(request[10:])
        assert b"200 OK" in read_all(held[0])
        assert is_up(server)


@pytest.mark.parametrize("folder", UPLOADS)
def test_more_connections_than_descriptors_do_no_harm(folder: str, tmp_path: Path) -> None:
    with service(folder, tmp_path, LAUNCHER) as server:
        with ExitStack() as opened:
            for _ in range(250):
                opened.enter_context(dial(server))
            until(lambda: problem_in(answer_to(server)) == (503, "too_many_connections"))
        until(lambda: is_up(server))


# With 2 s in place of a minute, and 3 s in place of 15.
HASTY = (
    "-c",
    "import runpy; from shared.web import connection, request_body;"
    "request_body._WINDOW_S = 2; connection._HEAD_S = 3;"
    "runpy.run_module('uvicorn', run_name='__main__')",
)


def upload(folder: str) -> tuple[bytes, bytes]:
    """The head and body of one."""
    path, body = upload_of(folder)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM_TYPE}\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode(), body


@pytest.mark.parametrize("folder", UPLOADS)
def test_a_body_that_drips_is_ended(folder: str, tmp_path: Path) -> None:
    head, body = upload(folder)
    with service(folder, tmp_path, HASTY, PYTHONPATH=str(ROOT / folder)) as server:
        with dial(server) as connection:
            connection.sendall(head)
            for byte in body:
                connection.sendall(bytes([byte]))
                if select.select([connection], [], [], 0.2)[0]:
                    break
            assert problem_in(read_all(connection)) == (408, "upload_stalled")
        assert is_up(server)


@pytest.mark.parametrize("folder", UPLOADS)
def test_time_in_which_the_service_was_frozen_does_not_count(folder: str, tmp_path: Path) -> None:
    head, body = upload(folder)
    with (
        service(folder, tmp_path, HASTY, PYTHONPATH=str(ROOT / folder)) as server,
        dial(server) as in_its_head,
        dial(server) as in_its_body,
    ):
        in_its_head.sendall(head[:20])
        in_its_body.sendall(head + body[:500])
        until(lambda: in_its_body in select.select([], [in_its_body], [])[1])
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(5)  # it must be more than its limits, and nothing happens meanwhile
        server.process.send_signal(signal.SIGCONT)
        in_its_head.sendall(head[20:] + body)
        in_its_body.sendall(body[500:])
        for connection in (in_its_head, in_its_body):
            assert read_all(connection)[:12] in (b"HTTP/1.1 202", b"HTTP/1.1 200")
