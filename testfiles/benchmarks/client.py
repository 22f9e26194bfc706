"""The load client. It shares the cores with what it loads, so it does as little as it can."""

import time
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from local_stack.host import StackError

CONTENT_TYPE = {"Content-Type": "multipart/form-data; boundary=8f14e45fceea167a5a36dedd4bea2543"}
CLIENTS = 8
GIVE_UP_S = 300
LOOK_S = 0.002  # between two looks at a log


def form(content: bytes, name: str = "photo.jpg", **texts: str) -> bytes:
    """A multipart body with one file. It is encoded here, before the clock starts."""
    files = {"file": (name, content, "image/jpeg")}
    request = httpx.Request("POST", "http://bench", headers=CONTENT_TYPE, data=texts, files=files)
    return request.read()


def posting(url: str, forms: Iterable[bytes]) -> Generator[None, None, None]:
    """Post one form at each step, by one connection. Raises StackError where one is refused."""
    address = urlsplit(url)
    with closing(HTTPConnection(address.netloc, timeout=GIVE_UP_S)) as connection:
        for body in forms:
            connection.request("POST", address.path, body, CONTENT_TYPE)
            answer = connection.getresponse()
            text = answer.read().decode()
            if not 200 <= answer.status < 300:
                raise StackError(f"{url} answered {answer.status}: {text}")
            yield


def post_all(url: str, forms: Sequence[bytes], clients: int = CLIENTS) -> float:
    """Post the forms with several clients at once, and return the seconds that it took."""
    waiting, started = iter(forms), time.monotonic()
    with ThreadPoolExecutor(clients) as threads:
        try:
            for posted in [threads.submit(list, posting(url, waiting)) for _ in range(clients)]:
                posted.result()
        finally:
            list(waiting)  # after an error or Ctrl-C no more are posted
    return time.monotonic() - started


class Tail:
    """The lines that are added to a log."""

    def __init__(self, log: Path) -> None:
        log.touch()
        self._log, self._start = log, log.stat().st_size
        self.lines: list[str] = []

    def wait(self, count: int) -> int:
        """Wait for so many lines, and return how many there are. Raises TimeoutError."""
        give_up, seen = time.monotonic() + GIVE_UP_S, self._start
        while len(self.lines) < count:
            if time.monotonic() > give_up:
                raise TimeoutError(f"only {len(self.lines)} lines came in {self._log}")
            time.sleep(LOOK_S)
            if (end := self._log.stat().st_size) > seen:
                seen = end
                added = self._log.read_bytes()[self._start :].decode()
                *self.lines, _ = added.split("\n")
        return len(self.lines)
