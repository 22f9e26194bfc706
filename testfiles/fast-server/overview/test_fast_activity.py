"""GET /activity: central's log through the gateway, as it comes, and nothing of a stranger's."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from support.fast import Gateway, assert_problem, gateway, read_all
from support.services import Server, running, until
from support.web_server import Request, Web

FOLLOW = {"follow": "1"}
HEAD = b"GET /activity?follow=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PLAIN = "text/plain; charset=utf-8"


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "central"
    folder.mkdir()
    with running("central-server", folder, {"MIN_FREE_MB": "0"}) as server:
        yield server


@pytest.fixture
def log(central: Server, tmp_path: Path) -> Path:
    path = tmp_path / "central" / "worker_activity.log"
    path.write_text("one\ntwo\n")
    return path


@pytest.fixture
def fast(central: Server, tmp_path: Path) -> Iterator[Gateway]:
    with gateway(tmp_path, CENTRAL_SERVER_URL=f"{central.url}/upload-final") as service:
        yield service


@contextmanager
def following(fast: Gateway, **parameters: str) -> Iterator[Iterator[str]]:
    with fast.http.stream("GET", "/activity", params=FOLLOW | parameters) as answer:
        assert answer.status_code == 200, answer.read()
        yield answer.iter_lines()


def append(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(f"{line}\n")


def test_the_last_lines_come_as_central_has_them(fast: Gateway, log: Path) -> None:
    answer = fast.http.get("/activity")
    assert (answer.status_code, answer.text) == (200, "one\ntwo\n")
    assert answer.headers["Content-Type"] == PLAIN
    assert "Server" not in answer.headers or answer.headers["Server"] == "uvicorn"
    assert fast.http.get("/activity?tail=1").text == "two\n"
    append(log, "x" * 10_000_000)
    assert len(fast.http.get("/activity?tail=1").text) == 10_000_001


def test_each_new_line_comes_while_it_is_followed(fast: Gateway, log: Path) -> None:
    with ExitStack() as opened:
        streams = [opened.enter_context(following(fast, tail="1")) for _ in range(3)]
        assert [next(lines) for lines in streams] == ["two"] * 3
        for new in ("three", "four"):
            append(log, new)
            assert [next(lines) for lines in streams] == [new] * 3


def test_a_client_that_leaves_is_left_by_central_too(
    fast: Gateway, central: Server, log: Path
) -> None:
    with following(fast) as lines:
        next(lines)
        assert str(log) in open_files(central)
    until(lambda: str(log) not in open_files(central))
    assert fast.http.head("/activity", params=FOLLOW).status_code == 200
    until(lambda: str(log) not in open_files(central))
    assert "Traceback" not in fast.server.console()


def open_files(server: Server) -> set[str]:
    links = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return {str(link.readlink()) for link in links if link.is_symlink()}


def test_central_killed_in_the_middle_breaks_the_connection(
    fast: Gateway, central: Server, log: Path
) -> None:
    with following(fast) as lines:
        assert [next(lines), next(lines)] == ["one", "two"]
        central.process.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            next(lines)
    assert "central's answer broke off" in fast.server.console()
    assert "Traceback" not in fast.server.console()
    assert_problem(fast.http.get("/activity"), 503, "central_unreachable")


def test_central_ending_in_order_ends_the_stream_in_order(
    fast: Gateway, central: Server, log: Path
) -> None:
    with following(fast) as lines:
        next(lines)
        central.process.terminate()
        assert list(lines) == ["two"]


def test_sigterm_of_the_gateway_ends_all_streams_at_once(fast: Gateway, log: Path) -> None:
    with ExitStack() as opened:
        streams = [opened.enter_context(following(fast)) for _ in range(20)]
        assert {next(lines) for lines in streams} == {"one"}
        fast.server.process.send_signal(signal.SIGTERM)
        assert [list(lines) for lines in streams] == [["two"]] * 20
        assert fast.server.process.wait(20) in (0, -signal.SIGTERM)
    assert "Traceback" not in fast.server.console()


def test_a_frozen_central_is_not_waited_for(fast: Gateway, central: Server) -> None:
    os.kill(central.process.pid, signal.SIGSTOP)
    try:
        refused = fast.http.get("/activity", params=FOLLOW)
    finally:
        os.kill(central.process.pid, signal.SIGCONT)
    assert "within 5 s" in assert_problem(refused, 503, "central_unreachable")["detail"]
    assert refused.headers["Retry-After"] == "5"


def test_a_senseless_parameter_is_refused(fast: Gateway) -> None:
    for query in ("tail=0", "tail=100001", "tail=ten", "follow=often"):
        assert_problem(fast.http.get(f"/activity?{query}"), 422, "invalid_request")
    assert_problem(fast.http.get("/activity?folow=1"), 422, "unknown_parameter")
    assert_problem(fast.http.get("/activity?tail=1&tail=2"), 422, "repeated_parameter")


def refuses(request: Request) -> None:
    request.refuse(503, "too_many_followers", "100 clients follow the log.")


def test_centrals_own_refusal_is_passed_on(tmp_path: Path) -> None:
    with Web(refuses) as web, gateway(tmp_path, CENTRAL_SERVER_URL=web.url) as fast:
        refused = fast.http.get("/activity", params=FOLLOW)
    assert refused.json()["detail"] == "100 clients follow the log."
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_followers")
    assert refused.headers["Retry-After"] == "5"
    assert refused.headers["Content-Type"] == "application/problem+json"


def login(request: Request) -> None:
    request.respond(200, b"<form>", Content_Type="text/html", X_Content_Type_Options="nosniff")


def plain(request: Request) -> None:
    request.respond(200, b"It works!\n", Content_Type=PLAIN)


def elsewhere(request: Request) -> None:
    request.respond(302, Location=f"{request.web.url}/other")


def packed(request: Request) -> None:
    named = {"Content_Type": PLAIN, "X_Content_Type_Options": "nosniff"}
    request.respond(200, b"\x1f\x8b", Content_Encoding="gzip", **named)


def praises(request: Request) -> None:
    request.refuse(200, "fine", "All is well.")


def is_missing(request: Request) -> None:
    request.respond(404, b"x" * 1_000_000)


@pytest.mark.parametrize("stranger", [login, plain, elsewhere, packed, praises, is_missing])
def test_what_is_not_centrals_own_is_not_passed_on(
    tmp_path: Path, stranger: Callable[[Request], None]
) -> None:
    with Web(stranger) as web, gateway(tmp_path, CENTRAL_SERVER_URL=web.url) as fast:
        refused = fast.http.get("/activity")
        assert [request.path.partition("?")[0] for request in web.requests] == ["/activity"]
    assert_problem(refused, 503, "central_unreachable")


def breaks_off(request: Request) -> None:
    named = {"Content_Type": PLAIN, "Content_Length": "1000", "Set_Cookie": "a=b"}
    request.respond(200, b"one\n", X_Content_Type_Options="nosniff", **named)


def test_half_a_log_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    with (
        Web(breaks_off) as web,
        gateway(tmp_path, CENTRAL_SERVER_URL=web.url) as fast,
        fast.http.stream("GET", "/activity") as answer,
    ):
        assert "Set-Cookie" not in answer.headers
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_a_client_that_reads_nothing_holds_up_nobody(fast: Gateway, log: Path) -> None:
    with fast.connect() as mute, following(fast) as lines:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.sendall(HEAD)
        assert [next(lines), next(lines)] == ["one", "two"]
        for number in range(3):
            append(log, f"{'x' * 900_000}{number}")
            assert next(lines).endswith(f"x{number}")


def test_an_old_client_gets_the_lines_as_well(fast: Gateway, log: Path) -> None:
    with fast.connect() as call:
        call.sendall(HEAD.replace(b"follow=1", b"tail=1").replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert read_all(call).endswith(b"\r\n\r\ntwo\n")
