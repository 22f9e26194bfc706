"""A service's modules, or the running service, out of its folder and into a test.

Several folders have a main.py, a settings.py and more of the same name; each is imported as it
is in its container, flat, and its names are then taken out of the way of the next.
"""

import importlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal

ROOT = Path(__file__).parent.parent
UVICORN = ("-m", "uvicorn")
_START_S = 30
_GIVE_UP_S = 90
_loaded: dict[str, dict[str, ModuleType]] = {}


def load(folder: str, module: str = "main") -> ModuleType:
    """Import a module of a service. A folder's modules are imported once and stay together."""
    path = ROOT / folder
    names = {file.stem for file in path.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
    sys.modules.update(_loaded.get(folder, {}))
    sys.path.insert(0, str(path))
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(str(path))
        _loaded[folder] = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
        sys.modules.update(others)


class InProcess:
    """An HTTP client of an app that runs in this process; any thread may use it."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.get, url, **options))

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.post, url, **options))

    def delete(self, url: str, **options: Any) -> httpx.Response:
        return self._portal.call(partial(self._client.delete, url, **options))


@contextmanager
def in_process(folder: str, env: Mapping[str, str]) -> Iterator[InProcess]:
    """The service's app between its start and its end, with these settings."""
    app = load(folder).app
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


def until(true: Callable[[], object]) -> None:
    """Wait for a condition. Raises TimeoutError when it does not come."""
    give_up = time.monotonic() + _GIVE_UP_S
    while not true():
        if time.monotonic() > give_up:
            raise TimeoutError("waited too long for a condition")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
