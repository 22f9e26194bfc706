"""central-server as a process: connections that break, kill -9, a start that must fail."""

import os
import re
import select
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from ulid import ULID

from support.central import FORM_HEAD, dial, request_head
from support.services import Server, running, until

MIB = 1024 * 1024


def stored_names(cwd: Path) -> list[str]:
    storage = cwd / "central_storage"
    return sorted(path.name for path in storage.iterdir() if path.name[0] != ".")


def logged_names(cwd: Path) -> list[str]:
    log = (cwd / "worker_activity.log").read_text()
    return sorted(line.split(" | IMAGE: ")[1] for line in log.splitlines())


def test_a_form_as_curl_sends_it_is_stored_under_the_working_directory(tmp_path: Path) -> None:
    form = FORM_HEAD + b"bytes\r\n--x--\r\n"
    expect = f"Content-Length: {len(form)}\r\nExpect: 100-continue\r\nConnection: close"
    with running("central-server", tmp_path, {"MAX_STORE_MB": ""}) as server:
        with dial(server) as call:
            call.sendall(request_head(expect))
            assert call.recv(1000).startswith(b"HTTP/1.1 100 ")
            call.sendall(form)
            answer = b"".join(iter(lambda: call.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert "📦 stored media_id=" in server.console()
    assert (tmp_path / "central_storage" / "photo.jpg").read_bytes() == b"bytes"
    assert logged_names(tmp_path) == ["photo.jpg"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process' memory")
def test_clients_that_do_not_read_the_log_cost_no_memory(tmp_path: Path) -> None:
    line = f"[2026-01-15 14:30:45] WORKER: worker-1 | IMAGE: {'x' * 400}.jpg\n"
    (tmp_path / "worker_activity.log").write_text(line * 100_001)
    request = b"GET /activity?tail=100000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with running("central-server", tmp_path, {}) as server, ExitStack() as opened:
        for _ in range(40):
            opened.enter_context(dial(server)).sendall(request)
        url = f"{server.url}/activity?tail=100000"
        answer = httpx.get(url, trust_env=False, timeout=60)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.text == line * 100_000
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    [most_kb] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert int(most_kb) < 100 * 1024


def test_an_aborted_upload_leaves_nothing_and_no_traceback(tmp_path: Path) -> None:
    incoming = tmp_path / "central_storage" / ".incoming"
    with running("central-server", tmp_path, {}) as server:
        with dial(server) as call:
            call.sendall(request_head(f"Content-Length: {10 * MIB}") + FORM_HEAD)
            call.sendall(bytes(MIB))
            until(lambda: list(incoming.iterdir()))
        until(lambda: not list(incoming.iterdir()))
        until(lambda: "code=upload_aborted" in server.console())
        assert "Traceback" not in server.console()
    assert stored_names(tmp_path) == []


def test_an_upload_whose_file_was_removed_meanwhile_is_not_stored_without_its_beginning(
    tmp_path: Path,
) -> None:
    incoming = tmp_path / "central_storage" / ".incoming"
    form = FORM_HEAD + bytes(2 * MIB) + b"\r\n--x--\r\n"
    with running("central-server", tmp_path, {}) as server, dial(server) as call:
        call.sendall(request_head(f"Content-Length: {len(form)}") + form[:MIB])
        until(lambda: list(incoming.glob("*")))
        shutil.rmtree(incoming)
        assert httpx.get(f"{server.url}/ready", trust_env=False).status_code == 200
        assert deliver(server, str(ULID()))
        call.sendall(form[MIB:])
        assert call.recv(1000).startswith(b"HTTP/1.1 503 ")
    assert len(stored_names(tmp_path)) == len(logged_names(tmp_path)) == 1


def test_a_file_that_says_it_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with running("central-server", tmp_path, {"MAX_STORE_MB": "1"}) as server, dial(server) as call:
        call.sendall(request_head(f"Content-Length: {2 * MIB}"))
        assert call.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("field", [b"file", b"elif"])
def test_what_turns_out_too_large_is_refused_while_it_is_sent(tmp_path: Path, field: bytes) -> None:
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    form_head = FORM_HEAD.replace(b'"file"', b'"%b"' % field)
    first_chunk = b"%x\r\n%b\r\n" % (len(form_head), form_head)
    incoming = tmp_path / "central_storage" / ".incoming"
    with running("central-server", tmp_path, {"MAX_STORE_MB": "1"}) as server:
        with dial(server) as call:
            call.sendall(request_head("Transfer-Encoding: chunked") + first_chunk)
            while not select.select([call], [], [], 0)[0]:
                call.sendall(chunk)
            assert call.recv(1000).startswith(b"HTTP/1.1 413 ")
        assert list(incoming.iterdir()) == []


@pytest.mark.slow
def test_kill_9_under_load_costs_no_image_and_no_line(tmp_path: Path) -> None:
    media_ids = [str(ULID()) for _ in range(60)]
    with running("central-server", tmp_path, {}) as server, ThreadPoolExecutor(8) as workers:
        tries = [workers.submit(deliver, server, media_id) for media_id in media_ids]
        until(lambda: len(stored_names(tmp_path)) > 20)
        server.process.kill()
        acknowledged = [answer for attempt in tries if (answer := attempt.result())]
    assert 0 < len(acknowledged) < len(media_ids)
    with running("central-server", tmp_path, {}) as server:
        assert stored_names(tmp_path) == logged_names(tmp_path)
        assert {answer["name"] for answer in acknowledged} <= set(stored_names(tmp_path))
        again = [deliver(server, media_id) for media_id in media_ids]
    assert all(again)
    assert len(set(stored_names(tmp_path))) == len(media_ids)
    assert stored_names(tmp_path) == logged_names(tmp_path)


def deliver(server: Server, media_id: str) -> dict[str, object] | None:
    """The answer; None where the connection broke."""
    url, data = f"{server.url}/upload-final", {"worker_name": "me", "media_id": media_id}
    files = {"file": ("photo.jpg", os.urandom(50_000))}
    try:
        answer = httpx.post(url, data=data, files=files, trust_env=False)
    except httpx.TransportError:
        return None
    return dict(answer.raise_for_status().json())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("MAX_STORE_MB", "many", "Input should be a valid number"),
        ("MAX_STORE_MB", "0", "Input should be greater than 0"),
        ("MAX_STORE_MB", "inf", "Input should be a finite number"),
        ("MIN_FREE_MB", "-1", "Input should be greater than or equal to 0"),
        ("KEEP_RECEIPTS_DAYS", "0", "Input should be greater than 0"),
        ("KEEP_RECEIPTS_DAYS", "nan", "Input should be less than or equal to 36500"),
        ("STORAGE_DIR", "a_file", "File exists"),
        ("ACTIVITY_LOG", "a_folder", "Is a directory"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path, variable: str, value: str, reason: str
) -> None:
    (tmp_path / "a_file").touch()
    (tmp_path / "a_folder").mkdir()
    assert f"{variable}={value}: {reason}" in refused_start(tmp_path, {variable: value})


def test_a_second_process_on_the_same_storage_does_not_start(tmp_path: Path) -> None:
    with running("central-server", tmp_path, {}):
        line = refused_start(tmp_path, {"ACTIVITY_LOG": "other.log"})
    assert "STORAGE_DIR=central_storage: another process uses it" in line


def refused_start(cwd: Path, env: dict[str, str]) -> str:
    """The one line, besides uvicorn's own, that a start has ended with."""
    server = Server("central-server", cwd, env)
    assert server.process.wait(30) != 0
    lines = [line for line in server.console().splitlines() if line]
    [reason] = [line for line in lines if "=" in line]
    assert "Traceback" not in server.console()
    return reason
