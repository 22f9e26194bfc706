"""A service's app in this process, or the service as a process of its own."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from local_stack.stack import ROOT

UVICORN = ("-m", "uvicorn")
# Before a command: SIGINT is ignored from the start, as after the & of a shell's script.
IN_THE_BACKGROUND = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
_START_S = 30
_GIVE_UP_S = 90


def app_of(folder: str) -> FastAPI:
    """The app in a service's main.py, which is imported once, under a name of its own."""
    name = f"main_of_{folder}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / folder / "main.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    app = sys.modules[name].app
    assert isinstance(app, FastAPI)
    return app


class InProcess:
    """An HTTP client of an app that runs in this process; any thread may use it."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.get, url, **options))

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.post, url, **options))

    def options(self, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.options, url, **options))

    def delete(self, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.delete, url, **options))


@contextmanager
def in_process(folder: str, env: Mapping[str, str]) -> Iterator[InProcess]:
    """The service's app between its start and its end, with these settings."""
    app = app_of(folder)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    client = httpx.AsyncClient(transport=transport, base_url="http://service")
    with patch.dict(os.environ, env), start_blocking_portal() as portal:
        lifespan = app.router.lifespan_context(app)
        with (
            portal.wrap_async_context_manager(lifespan),
            portal.wrap_async_context_manager(client),
        ):
            yield InProcess(portal, client)


class Server:
    """A service in a process of its own: uvicorn's, or a launcher's that runs it."""

    def __init__(
        self, folder: str, cwd: Path, env: Mapping[str, str], launcher: Sequence[str] = UVICORN
    ) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._console = cwd / f"{folder}.console"
        options = ["--port", str(self.port), "--no-access-log"]
        options += ["--http", "shared.web.connection:Connection"]
        with self._console.open("wb") as console:
            self.process = subprocess.Popen(
                [sys.executable, *launcher, "--app-dir", ROOT / folder, "main:app", *options],
                cwd=cwd,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env},
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def console(self) -> str:
        """What it has said so far."""
        return self._console.read_text(encoding="utf-8")

    def wait_until_up(self) -> None:
        until(lambda: self.process.poll() is not None or self._answers())
        assert self.process.poll() is None, self.console()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextmanager
def running(
    folder: str, cwd: Path, env: Mapping[str, str], launcher: Sequence[str] = UVICORN
) -> Iterator[Server]:
    """The service as a process that is up; ended, if the test did not, when the test ends."""
    server = Server(folder, cwd, env, launcher)
    try:
        server.wait_until_up()
        yield server
    finally:
        server.process.terminate()
        server.process.wait(_START_S)


def until(true: Callable[[], object], every_s: float = 0.02) -> None:
    """Wait for a condition. Raises TimeoutError when it does not come."""
    give_up = time.monotonic() + _GIVE_UP_S
    while not true():
        if time.monotonic() > give_up:
            raise TimeoutError("waited too long for a condition")
        time.sleep(every_s)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
