"""What the bench loads services with: as little of the two cores as Python can do with."""

import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

GIVE_UP_S = 300
_LOOK_S = 0.002  # at the log
_BOUNDARY = "8f14e45fceea167a5a36dedd4bea2543"  # as long as httpx makes them
CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
Item = TypeVar("Item")


@dataclass(frozen=True)
class Form:
    """A multipart body, encoded once: a client that encodes takes from what it measures."""

    body: bytes

    @classmethod
    def of(cls, content: bytes, name: str = "photo.jpg", **texts: str) -> "Form":
        parts = [
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}\r\n'
            for key, text in texts.items()
        ]
        parts.append(
            f"--{_BOUNDARY}\r\nContent-Disposition: form-data; "
            f'name="file"; filename="{name}"\r\nContent-Type: image/jpeg\r\n\r\n'
        )
        return cls("".join(parts).encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode())


class Poster:
    """Keep-alive connections to one URL, one for each thread that posts."""

    def __init__(self, url: str, clients: int) -> None:
        address = urlsplit(url)
        self._host, self._path = address.netloc, address.path
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._threads = ThreadPoolExecutor(clients)
        self._posted: deque[Future[None]] = deque()

    def __enter__(self) -> "Poster":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def post(self, form: Form) -> None:
        """Raises RuntimeError unless it is taken."""
        connection = self._connection()
        connection.request("POST", self._path, form.body, {"Content-Type": CONTENT_TYPE})
        answer = connection.getresponse()
        said = answer.read()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{self._path} answered {answer.status}: {said.decode()}")

    def post_all(self, forms: Sequence[Form]) -> float:
        """Post them, as many at once as there are clients; the seconds it took."""
        started = time.monotonic()
        for _ in self._threads.map(self.post, forms):
            pass
        return time.monotonic() - started

    def start(self, forms: Sequence[Form]) -> None:
        """Post them, and wait for nothing."""
        self._posted.extend(self._threads.submit(self.post, form) for form in forms)

    def check(self) -> None:
        """Raises what went wrong with those started."""
        while self._posted and self._posted[0].done():
            self._posted.popleft().result()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._host, timeout=GIVE_UP_S)
            self._local.connection = connection
            self._connections.append(connection)
        return connection


@dataclass(frozen=True)
class Line:
    """[2026-01-15 14:30:45] WORKER: worker-1 | IMAGE: watermarked_photo.jpg"""

    text: str
    seen_at: float  # time.monotonic's

    @property
    def worker(self) -> str:
        return self.text.split("WORKER: ")[1].split(" | ")[0]


@dataclass
class Tail:
    """The lines that are added to a log."""

    path: Path
    lines: list[Line] = field(default_factory=list)
    _read: int = 0
    _torn: bytes = b""

    def __post_init__(self) -> None:
        self._read = self._size()

    def look(self) -> int:
        """How many there are by now."""
        if self._size() > self._read:
            with self.path.open("rb") as file:
                file.seek(self._read)
                added = file.read()
            self._read += len(added)
            *whole, self._torn = (self._torn + added).split(b"\n")
            now = time.monotonic()
            self.lines += [Line(line.decode(), now) for line in whole]
        return len(self.lines)

    def wait(self, count: int, seen: Callable[[int], object] = lambda _: None) -> None:
        """Until there are count lines; seen is told of them. Raises TimeoutError."""
        self.wait_until(lambda: len(self.lines) >= count, seen)

    def wait_until(
        self, enough: Callable[[], bool], seen: Callable[[int], object] = lambda _: None
    ) -> None:
        """The same, for another condition of the lines."""
        give_up = time.monotonic() + GIVE_UP_S
        while True:
            seen(self.look())
            if enough():
                return
            if time.monotonic() > give_up:
                raise TimeoutError(f"only {len(self.lines)} lines came in {self.path}")
            time.sleep(_LOOK_S)

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def in_turn(items: Sequence[Item], count: int) -> list[Item]:
    return list(islice((item for _ in range(count) for item in items), count))
