"""The load client: it shares the cores with what it loads, so it does as little as it can."""

import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from local_stack.host import StackError

CONTENT_TYPE = "multipart/form-data; boundary=8f14e45fceea167a5a36dedd4bea2543"
CLIENTS = 8
GIVE_UP_S = 300
LOOK_S = 0.002  # between two looks at a log


def form(content: bytes, name: str = "photo.jpg", **texts: str) -> bytes:
    """A multipart body with one file. It is encoded here, before the clock starts."""
    files = {"file": (name, content, "image/jpeg")}
    headers = {"Content-Type": CONTENT_TYPE}
    return httpx.Request("POST", "http://bench", headers=headers, data=texts, files=files).read()


class Client(HTTPConnection):
    """A keep-alive connection that posts forms to one URL."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        super().__init__(address.netloc, timeout=GIVE_UP_S)
        self._path = address.path

    def post(self, body: bytes) -> None:
        """Raises StackError where the form is refused."""
        self.request("POST", self._path, body, {"Content-Type": CONTENT_TYPE})
        answer = self.getresponse()
        text = answer.read().decode()
        if not 200 <= answer.status < 300:
            raise StackError(f"{self._path} answered {answer.status}: {text}")


def post_all(url: str, forms: Iterable[bytes], clients: int = CLIENTS) -> float:
    """Post the forms with several clients at once, and return the seconds that it took."""
    waiting = deque(forms)

    def post_waiting() -> None:
        with closing(Client(url)) as client, suppress(IndexError):  # none is left
            while True:
                client.post(waiting.popleft())

    started = time.monotonic()
    with ThreadPoolExecutor(clients) as threads:
        try:
            for posted in [threads.submit(post_waiting) for _ in range(clients)]:
                posted.result()
        finally:
            waiting.clear()  # after Ctrl-C or an error no more are posted
    return time.monotonic() - started


class Tail:
    """The lines that are added to a log."""

    def __init__(self, log: Path) -> None:
        log.touch()
        self.lines: list[str] = []
        self._log = log
        self._start = self._end = log.stat().st_size

    def wait(self, count: int) -> int:
        """Wait for so many lines, and return how many there are. Raises TimeoutError."""
        give_up = time.monotonic() + GIVE_UP_S
        while len(self.lines) < count:
            if time.monotonic() > give_up:
                raise TimeoutError(f"only {len(self.lines)} lines came in {self._log}")
            time.sleep(LOOK_S)
            if (end := self._log.stat().st_size) > self._end:
                self._end = end
                with self._log.open() as file:
                    file.seek(self._start)
                    *self.lines, _ = file.read().split("\n")
        return len(self.lines)
