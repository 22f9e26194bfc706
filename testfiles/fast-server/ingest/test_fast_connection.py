"""POST /media over connections that are refused, break off, or lie, and what it costs in memory."""

import hashlib
import re
import select
import socket
import struct
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images
from support.fast import (
    FORM_TYPE,
    MIB,
    Gateway,
    assert_problem,
    form,
    gateway,
    head,
    read_all,
)
from support.services import until

PHOTO = images.jpeg(size=(64, 64))
FORM_HEAD = form(b"").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


@pytest.fixture(scope="module")
def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running:
        yield running


@pytest.fixture
def fast(running_gateway: Gateway) -> Iterator[Gateway]:
    """A gateway that has nothing when the test ends, and still works."""
    yield running_gateway
    until(lambda: running_gateway.folders("incoming") == set())
    assert running_gateway.folders("pending") == set()
    assert "Traceback" not in running_gateway.server.console()
    assert running_gateway.http.get("/ready").status_code == 200


@pytest.mark.parametrize("content", [PHOTO.ljust(8 * MIB), b"a note " * MIB])
def test_a_client_that_sends_all_before_it_reads_hears_why(fast: Gateway, content: bytes) -> None:
    """urllib sends Connection: close, then the whole body, and only then looks for an answer."""
    request = urllib.request.Request(f"{fast.server.url}/media", form(content))  # noqa: S310
    request.add_header("Content-Type", FORM_TYPE)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(5):
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(request)
        assert refused.value.code in (413, 415)
        assert refused.value.read().startswith(b'{"type":"urn:problem:u')
        refused.value.close()


@pytest.mark.parametrize("options", [{"version": "1.0"}, {"version": "1.1"}])
def test_a_refused_client_that_reads_at_the_end_hears_why(
    fast: Gateway, options: dict[str, str]
) -> None:
    body = form(PHOTO.ljust(8 * MIB))
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {len(body)}", "Connection: close", **options))
        connection.sendall(body)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"upload_too_large"' in answer


@pytest.mark.parametrize("expect", [[], ["Expect: 100-continue"]])
def test_a_file_that_says_it_is_too_large_is_refused_before_it_is_sent(
    fast: Gateway, expect: list[str]
) -> None:
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {2 * MIB}", *expect))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("field", [b"file", b"other"])
def test_a_body_that_turns_out_too_large_is_refused_while_it_is_sent(
    fast: Gateway, field: bytes
) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    first = FORM_HEAD.replace(b'"file"', b'"%b"' % field) + PHOTO
    with fast.connect() as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        connection.sendall(b"%x\r\n%b\r\n" % (len(first), first))
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(chunk)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_text_is_refused_while_it_is_sent(fast: Gateway) -> None:
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {MIB}") + FORM_HEAD + b"a note, for all one sees")
        connection.sendall(b", and no image" * 100)
        assert connection.recv(65536).startswith(b"HTTP/1.1 415 ")


@pytest.mark.parametrize("reset", [False, True])
def test_an_aborted_upload_leaves_nothing_and_no_traceback(fast: Gateway, reset: bool) -> None:
    said = fast.server.console().count("code=upload_aborted")
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {MIB}") + FORM_HEAD + PHOTO.ljust(MIB // 2))
        until(lambda: fast.folders("incoming"))
        if reset:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    until(lambda: fast.server.console().count("code=upload_aborted") > said)


def test_a_content_length_that_is_too_short_ends_the_form_early(fast: Gateway) -> None:
    body = form(PHOTO)
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {len(body) - 50}", "Connection: close") + body)
        assert read_all(connection).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize(
    "request_head",
    [
        head("Content-Length: " + "9" * 5000),
        head("Content-Length: 10", "Content-Length: 20"),
        head("Content-Length: -1"),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a TLS client hello\r\n\r\n",
    ],
)
def test_what_is_no_http_request_is_a_400(fast: Gateway, request_head: bytes) -> None:
    with fast.connect() as connection:
        connection.sendall(request_head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_50_mb_are_taken_by_default_and_cost_no_memory(tmp_path: Path) -> None:
    content = PHOTO.ljust(50 * MIB, b"\0")
    with gateway(tmp_path, MAX_UPLOAD_MB="") as fast:
        assert fast.post(PHOTO).status_code == 202
        before_kb = most_memory_kb(fast)
        accepted = fast.post(content)
        after_kb = most_memory_kb(fast)
        record = fast.http.get(accepted.headers["Location"]).json()
        assert_problem(fast.post(content + b"\0"), 413, "upload_too_large")
    assert accepted.status_code == 202
    assert (record["size"], record["sha256"]) == (50 * MIB, hashlib.sha256(content).hexdigest())
    assert after_kb - before_kb < 20 * 1024


def most_memory_kb(fast: Gateway) -> int:
    """The most that was ever resident; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    status = Path(f"/proc/{fast.server.process.pid}/status").read_text()
    [most] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(most)
