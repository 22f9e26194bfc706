"""GET /activity?follow=1: each whole line once, whatever is done to the log meanwhile."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from archive.following import MOST_FOLLOWERS
from support.central import dial
from support.fast import assert_problem, client
from support.services import Server, running, until

FOLLOW = {"follow": "1"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker_activity.log"


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Server]:
    with running("central-server", tmp_path, {"MIN_FREE_MB": "0"}) as server:
        yield server


@contextmanager
def following(url: str, **parameters: str) -> Iterator[Iterator[str]]:
    """The lines as they come."""
    query = FOLLOW | parameters
    with client(url) as http, http.stream("GET", "/activity", params=query) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        yield answer.iter_lines()


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def store(central: Server, name: str) -> None:
    files = {"file": (name, b"bytes")}
    url = f"{central.url}/upload-final"
    httpx.post(url, files=files, data={"worker_name": "me"}, trust_env=False).raise_for_status()


def test_the_last_lines_come_then_each_new_one(central: Server, log: Path) -> None:
    append(log, "one\ntwo\nthree\n")
    with following(central.url, tail="2") as lines:
        assert [next(lines), next(lines)] == ["two", "three"]
        append(log, "four\nfi")
        assert next(lines) == "four"
        append(log, "ve\n")
        assert next(lines) == "five"
        store(central, "six.jpg")
        assert next(lines).endswith(" WORKER: me | IMAGE: six.jpg")


def test_a_line_that_is_not_whole_yet_is_left_out_and_comes_when_it_is(
    central: Server, log: Path
) -> None:
    append(log, "one\nha")
    with following(central.url) as first:
        assert next(first) == "one"
        with following(central.url) as second:
            assert next(second) == "one"
            append(log, "lf\n")
            assert [next(first), next(second)] == ["half", "half"]


@pytest.mark.parametrize("how", ["renamed", "recreated", "copied", "longer", "deleted"])
def test_a_log_that_is_rotated_goes_on(central: Server, log: Path, how: str) -> None:
    append(log, "one\n")
    with following(central.url) as lines:
        assert next(lines) == "one"
        append(log, "two\n")
        if how == "renamed":
            log.rename(f"{log}.1")
        elif how == "recreated":
            log.rename(f"{log}.1")
            log.touch()
        elif how == "deleted":
            log.unlink()
        else:
            assert next(lines) == "two"
            os.truncate(log, 0)  # as copytruncate does
            if how == "longer":
                append(log, "a line that is longer than those before it\n")
                assert next(lines) == "a line that is longer than those before it"
        if how in ("renamed", "recreated", "deleted"):
            assert next(lines) == "two"
        store(central, "three.jpg")
        assert next(lines).endswith("three.jpg")


def test_a_log_that_is_not_there_yet_is_followed(central: Server, log: Path) -> None:
    log.unlink()
    with following(central.url) as lines:
        store(central, "one.jpg")
        assert next(lines).endswith("one.jpg")


def test_a_log_that_cannot_be_read_ends_the_streams_and_is_followed_again(
    central: Server, log: Path
) -> None:
    append(log, "one\n")
    with following(central.url) as lines:
        assert next(lines) == "one"
        log.unlink()
        log.symlink_to(log)
        assert list(lines) == []
    log.unlink()
    append(log, "two\n")
    with following(central.url) as lines:
        assert next(lines) == "two"
        append(log, "three\n")
        assert next(lines) == "three"
    assert "nobody can follow the log" in central.console()


def test_a_long_end_of_the_log_comes_whole_and_then_what_is_new(central: Server, log: Path) -> None:
    old = [f"{number:06} {'x' * 60}" for number in range(100_000)]
    append(log, "\n".join(old) + "\n")
    with following(central.url, tail="100000") as lines:
        assert [next(lines) for _ in old] == old
        append(log, "new\n")
        assert next(lines) == "new"


def test_sigterm_ends_the_streams_at_once(central: Server, log: Path) -> None:
    append(log, "one\n")
    with ExitStack() as opened:
        streams = [opened.enter_context(following(central.url)) for _ in range(50)]
        assert {next(lines) for lines in streams} == {"one"}
        central.process.send_signal(signal.SIGTERM)
        assert {next(lines, "the end") for lines in streams} == {"the end"}
        assert central.process.wait(20) in (0, -signal.SIGTERM)
    assert "Traceback" not in central.console()


def test_a_central_that_is_killed_breaks_the_stream(central: Server, log: Path) -> None:
    append(log, "one\n")
    with following(central.url) as lines:
        assert next(lines) == "one"
        central.process.kill()
        with pytest.raises(httpx.TransportError):
            next(lines)


def test_more_than_so_many_are_refused_and_taken_when_one_has_left(
    central: Server, log: Path
) -> None:
    append(log, "one\n")
    with client(central.url) as http, ExitStack() as opened:
        streams = [opened.enter_context(following(central.url)) for _ in range(MOST_FOLLOWERS)]
        assert {next(lines) for lines in streams} == {"one"}
        refused = http.get("/activity", params=FOLLOW)
        assert str(MOST_FOLLOWERS) in assert_problem(refused, 503, "too_many_followers")["detail"]
        assert refused.headers["Retry-After"] == "5"
        assert http.get("/activity").text == "one\n"
        append(log, "two\n")
        assert {next(lines) for lines in streams} == {"two"}
        opened.close()
        until(lambda: http.head("/activity", params=FOLLOW).is_success)


def test_a_client_that_reads_nothing_holds_up_nobody(central: Server, log: Path) -> None:
    append(log, "one\n")
    with dial(central) as mute, following(central.url) as lines:
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.sendall(b"GET /activity?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert next(lines) == "one"
        for number in range(3):
            append(log, f"{'x' * 900_000}{number}\n")
            assert next(lines).endswith(f"x{number}")


def test_head_ends_behind_the_headers_and_leaves_no_follower(central: Server, log: Path) -> None:
    append(log, "one\n")
    with client(central.url) as http:
        for _ in range(MOST_FOLLOWERS + 1):
            answer = http.head("/activity", params=FOLLOW)
            assert (answer.status_code, answer.content) == (200, b"")
    until(lambda: str(log) not in open_files(central))


def open_files(central: Server) -> set[str]:
    links = Path(f"/proc/{central.process.pid}/fd").iterdir()
    return {str(link.readlink()) for link in links if link.is_symlink()}


def test_follow_is_yes_or_no(central: Server) -> None:
    with client(central.url) as http:
        assert http.get("/activity", params={"follow": "0"}).status_code == 200
        assert_problem(http.get("/activity", params={"follow": "often"}), 422, "invalid_request")
