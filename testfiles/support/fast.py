"""fast-server as a process with a Redis of its own, its index alone, and forms."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from redis import Redis, RedisError

from index.counts import Counts
from index.index import Index
from index.pages import Page
from index.query import Query
from local_stack.host import free_ports, redis_binary
from shared.redis.events import Change, Item
from shared.spool import Spool
from support.services import Server, running, until

MIB = 1024 * 1024
FORM_TYPE = "multipart/form-data; boundary=x"


class RedisServer:
    """A Redis that a test may end, freeze and start again on the same port."""

    def __init__(self, folder: Path, *options: str, login: str = "") -> None:
        [port] = free_ports(1)
        self._command = [redis_binary(), "--bind", "127.0.0.1", "--port", port, "--save", ""]
        self._command += ["--dir", str(folder), *options]
        self.url = f"redis://{login}127.0.0.1:{port}"
        self.client: Any = Redis.from_url(self.url)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(self._answers)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False


@contextmanager
def redis_server(folder: Path, *options: str, login: str = "") -> Iterator[RedisServer]:
    server = RedisServer(folder, *options, login=login)
    try:
        yield server
    finally:
        server.client.close()
        server.stop()


@dataclass
class Gateway:
    """A running fast-server, and what one sees of it from outside."""

    server: Server
    redis: RedisServer
    uploads: Path
    http: httpx.Client

    def post(
        self, content: bytes, name: str = "photo.jpg", key: str | None = None
    ) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.http.post("/media", files={"file": (name, content)}, headers=headers)

    def post_form(self, body: bytes) -> httpx.Response:
        return self.http.post("/media", content=body, headers={"Content-Type": FORM_TYPE})

    def folders(self, state: str) -> set[str]:
        return {path.name for path in (self.uploads / state).iterdir()}

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class RunningIndex:
    """An index without a gateway, as a gateway uses it."""

    def __init__(self, index: Index, portal: BlockingPortal) -> None:
        self.index = index
        self._portal = portal

    def complete(self, *changes: Change) -> list[Change]:
        return self._portal.call(self.index.complete, changes)

    def page(self, query: Query | None = None) -> Page:
        return self._portal.call(self.index.page, query or Query())

    def counts(self) -> Counts:
        return self._portal.call(self.index.counts)

    def media(self) -> dict[str, Item]:
        """All that it has, by small pages."""
        found, page = dict[str, Item](), self.page(Query(limit=7))
        while True:
            found |= {item["media_id"]: item for item in page.media}
            if page.next is None:
                return found
            page = self.page(Query(limit=7, below=page.next))

    def wait(self) -> None:
        """Until the folders have been read."""
        until(lambda: self.index.is_complete)


@contextmanager
def running_index(uploads: Path, folder: Path | None = None) -> Iterator[RunningIndex]:
    index = Index(folder or uploads / ".index", Spool(uploads))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(index.running()):
        yield RunningIndex(index, portal)


@contextmanager
def tiny_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1 MB at folder. Skips the test where none can be mounted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("to mount a tiny disk one must be root, and may be")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def gateway(folder: Path, **env: str) -> Iterator[Gateway]:
    """With small limits, so that small bodies reach them; env has others."""
    uploads = folder / "uploads"
    with redis_server(folder) as redis:
        settings = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(uploads), "MIN_FREE_MB": "0"}
        settings |= {"MAX_UPLOAD_MB": "1", "MAX_MEGAPIXELS": "100"} | env
        with running("fast-server", folder, settings) as server, client(server.url) as http:
            yield Gateway(server, redis, uploads, http)


class Received(NamedTuple):
    """A server-sent event."""

    kind: str
    data: Any
    id: str


class EventSource:
    """An open GET /events, read one event at a time."""

    def __init__(self, server: Server, query: str = "", **headers: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._connection.request("GET", f"/events{query}", headers=headers)
        self.answer = self._connection.getresponse()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._connection.close()

    def next(self, *, but: str = "stats") -> Received:
        """Waits for it; those of one kind are passed over. Raises EOFError at the end."""
        while True:
            fields = dict(line.split(": ", 1) for line in self._block())
            if fields.get("event", but) != but:
                return Received(fields["event"], json.loads(fields["data"]), fields.get("id", ""))

    def next_changes(self) -> list[tuple[str, str]]:
        """Of the next event, which has changes: each media, and what happened to it."""
        kind, changes, _ = self.next()
        assert kind == "changed", kind
        return [(change["media_id"], change["event"]) for change in changes]

    def _block(self) -> list[str]:
        """The lines up to an empty one, without comments."""
        lines = []
        while (line := self.answer.readline().decode()) != "\n":
            if not line:
                raise EOFError
            lines.append(line.removesuffix("\n"))
        return [line for line in lines if line[0] != ":"]


def client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, trust_env=False, timeout=30)


def form(content: bytes, name: bytes = b"photo.jpg") -> bytes:
    """A form with one file, its name as raw as it is given."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n' % name
    return head + content + b"\r\n--x--\r\n"


def head(*headers: str, version: str = "1.1") -> bytes:
    """A request's head with these headers besides those every upload has."""
    lines = [f"POST /media HTTP/{version}", "Host: localhost", f"Content-Type: {FORM_TYPE}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that the answer is a whole problem document, and return it."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem.keys() == {"type", "title", "status", "detail", "code"}
    assert (problem["type"], problem["status"]) == (f"urn:problem:{code}", status)
    assert problem["title"]
    assert problem["detail"]
    return problem
