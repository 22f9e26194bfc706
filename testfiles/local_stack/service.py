"""One service of the local stack: a process, and what it prints."""

import ctypes
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from redis import Redis, RedisError

from local_stack.host import Say, StackError

READY_S = 60
GRACE_S = 32  # a worker ends its jobs for 30 s
PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 0.5, 10, 30

_libc = ctypes.CDLL(None)


@dataclass
class Service:
    """A process. It is ready once trouble() returns no text."""

    name: str
    command: list[str]
    folder: Path
    env: Mapping[str, str]
    say: Say
    trouble: Callable[[], str]
    forget: Callable[[], object] = lambda: None  # what a killed predecessor may have left behind
    output: deque[str] = field(default_factory=lambda: deque(maxlen=20_000))
    _process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0
    _pause_s: float = 0
    _due: float | None = None

    @property
    def pid(self) -> int:
        assert self._process, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self.status is None

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs, and before."""
        return self._process.poll() if self._process else None

    def spawn(self) -> None:
        """Start the process and wait for nothing."""
        self.forget()
        # Started by another thread, it would end with that thread and not with the program.
        in_main = threading.current_thread() is threading.main_thread()
        self._process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the runner alone
            preexec_fn=_die_with_parent if in_main else None,
        )
        self._started_at = time.monotonic()
        self._reader = threading.Thread(target=self._read, args=[self._process.stdout], daemon=True)
        self._reader.start()

    def is_ready(self) -> bool:
        """Raises StackError when the process ended by itself or is not ready in time.

        A process that somebody killed is started again.
        """
        trouble = self.trouble()
        if not trouble:
            return True
        if self.status is not None and self.status > 0:
            self._reader.join(1)
            raise StackError(f"{self.name} {self._end()}; it said:{self._last_lines()}")
        if time.monotonic() > self._started_at + READY_S:
            late = f"{self.name} is not ready after {READY_S} s: {trouble}"
            raise StackError(f"{late}; it said:{self._last_lines()}")
        self.revive()
        return False

    def wait_ready(self) -> None:
        """Raises StackError as is_ready does."""
        while not self.is_ready():
            time.sleep(0.03)

    def start(self) -> None:
        """Start the process and wait until the service can be used."""
        self.spawn()
        self.wait_ready()

    def terminate(self) -> None:
        """SIGTERM, and wait for nothing."""
        if self._process:
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for what outlives its grace."""
        self.terminate()
        wait_until(lambda: not self.running, GRACE_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL for the process and its children, as when a container dies."""
        if self._process:
            with suppress(ProcessLookupError, PermissionError):  # macOS: only zombies left
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._reader.join(1)  # its last lines
            self._process = None

    def restart(self) -> None:
        """Stop and start, on the same port and with the same files."""
        self.stop()
        self.start()

    def revive(self) -> None:
        """Start again what died, after a pause that grows while it keeps dying."""
        now = time.monotonic()
        if self.running:
            return
        if self._due is None:
            pause_s = 2 * self._pause_s if now - self._started_at < STEADY_S else 0
            self._pause_s = min(max(pause_s, PAUSE_S), LONGEST_PAUSE_S)
            self._due = now + self._pause_s
            self.say("stack", f"{self.name} {self._end()}, starts again in {self._pause_s:g} s")
            self.kill()  # its children
        elif now >= self._due:
            self._due = None
            self.spawn()

    def _read(self, stdout: IO[bytes]) -> None:
        with stdout:
            for line in stdout:
                text = line.decode(errors="replace").rstrip()
                self.output.append(text)
                self.say(self.name, text)

    def _end(self) -> str:
        if self.status is not None and self.status < 0:
            return f"was ended by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"

    def _last_lines(self) -> str:
        return "".join(f"\n    {line}" for line in [*self.output][-8:]) or " nothing"


def web_trouble(url: str) -> str:
    """Why GET /ready says that a web service cannot be used yet; empty where it can."""
    try:
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)) as connection:
            connection.request("GET", "/ready")
            answer = connection.getresponse()
            return "" if answer.status == 200 else f"{url}/ready says {answer.read().decode()}"
    except (OSError, http.client.HTTPException) as error:
        return f"{url}/ready does not answer: {error}"


def redis_trouble(redis: Redis, *keys: str) -> str:
    """Why Redis cannot be used yet: no answer, or a missing key; empty where it can."""
    try:
        redis.ping()
        missing = [key for key in keys if not redis.exists(key)]
    except RedisError as error:
        return f"Redis does not answer: {error}"
    return f"Redis has no {' and no '.join(missing)}" if missing else ""


def delete_keys(redis: Redis, *keys: str) -> None:
    """Delete them; without Redis there is nothing to delete."""
    with suppress(RedisError):
        redis.delete(*keys)


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether done() came true in that time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def _die_with_parent() -> None:
    """Linux: SIGKILL for this process when the one that started it is gone, kill -9 included."""
    if sys.platform == "linux":
        _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
