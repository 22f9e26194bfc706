"""The whole stack as processes of this machine: Redis, central, gateway and workers.

Tests and tools start, kill and restart single services:

    with Stack(tmp_path, {"WORKERS": "2"}) as stack:
        stack["worker-1"].kill()
        stack["worker-1"].start()
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from redis import Redis

from local_stack.host import Say, StackError, check_ports, free_ports, lock, redis_binary
from local_stack.service import Service, delete_keys, redis_trouble, wait_until, web_trouble

ROOT = Path(__file__).resolve().parent.parent.parent
PORTS = {"PORT": "8000", "CENTRAL_PORT": "8003"}  # of `make run`, as are these files
FILES = {
    "UPLOAD_DIR": "fast-server/uploads",
    "STORAGE_DIR": "central-server/central_storage",
    "ACTIVITY_LOG": "central-server/worker_activity.log",
}
REDIS = {"REDIS_URL", "REDIS_HOST", "REDIS_PORT"}
OWN = {*PORTS, *FILES, *REDIS, "BIND", "WORKERS", "WORKER_NAME", "CENTRAL_SERVER_URL"}
# Nothing on the disk: all can be rebuilt, and what a power cut leaves could not be read.
REDIS_OPTIONS = "--appendonly no --maxmemory-policy noeviction --loglevel warning"
WEB_OPTIONS = "--no-access-log --log-level warning --timeout-graceful-shutdown 10"
WEB_OPTIONS += " --http shared.web.connection:Connection"
# A service ends before the one that it hands work to. After so many seconds the next is asked to
# end as well: nobody needs to wait for the end of a slow upload.
STOP_ORDER_S = {"gateway": 1, "worker": 31, "central": 1, "redis": 1}


class Stack:
    """The services of one installation."""

    def __init__(
        self, run_dir: Path, env: Mapping[str, str] | None = None, say: Say = lambda *_: None
    ) -> None:
        """env goes to every service. What it leaves out is the stack's own: free ports, files
        in run_dir, an embedded Redis. Raises StackError for a setting that is wrong."""
        given = {name: value for name, value in (env or {}).items() if value}
        self._run_dir, self._say = run_dir.absolute(), say
        self._embeds_redis = not REDIS & given.keys()
        self._env = _completed(given, self._run_dir)
        self.upload_dir, self.storage_dir, self.activity_log = (Path(self._env[n]) for n in FILES)
        self.url, self.central_url = (_url(self._env, name) for name in PORTS)
        self._env.setdefault("CENTRAL_SERVER_URL", f"{self.central_url}/upload-final")
        self.redis_url = self._env["REDIS_URL"]
        try:
            self._redis = Redis.from_url(self.redis_url, socket_timeout=5)
        except ValueError as error:
            raise StackError(f"REDIS_URL: {error}") from error
        self._services = {service.name: service for service in self._definitions()}

    def __getitem__(self, name: str) -> Service:
        """redis (where it is embedded), central, gateway, worker-1, worker-2 ..."""
        return self._services[name]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it can be used; StackError where that fails."""
        self._run_dir.joinpath("redis").mkdir(parents=True, exist_ok=True)
        self._locks = ExitStack()
        try:
            self._lock()
            check_ports(self._env, PORTS)
            if self._embeds_redis:
                self["redis"].start()
            elif trouble := redis_trouble(self._redis):
                raise StackError(f"{trouble} Start it, or set no REDIS_ variable.")
            for service in self._services.values():
                if not service.running:
                    service.spawn()
            ready = [False]
            while not all(ready):
                ready = [service.is_ready() for service in self._services.values()]
                time.sleep(0.03)
        except BaseException:
            self.stop()
            raise

    def _lock(self) -> None:
        """Raises StackError where another stack uses one of the folders."""
        to_set = {
            self._run_dir / "lock": "RUN_DIR, PORT and CENTRAL_PORT",
            self.upload_dir / ".stack.lock": "UPLOAD_DIR",
            self.storage_dir / ".stack.lock": "STORAGE_DIR",
        }
        for path, settings in to_set.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._locks.enter_context(lock(path, settings))
            except OSError as error:
                raise StackError(f"{settings}={path.parent}: {error.strerror}.") from error

    def supervise(self) -> None:
        """Restart services that die, for ever."""
        while True:
            for service in self._services.values():
                service.revive()
            time.sleep(0.05)

    def stop(self) -> None:
        """End everything in order; by SIGKILL what takes too long, or all when interrupted."""
        asked: list[Service] = []
        try:
            for kind, grace_s in STOP_ORDER_S.items():
                wave = [s for s in self._services.values() if s.name.startswith(kind)]
                for service in wave:
                    service.terminate()
                asked += wave
                wait_until(partial(_all_ended, asked), grace_s)
        finally:
            for service in self._services.values():
                service.kill()
            self._redis.close()
            self._locks.close()

    def _definitions(self) -> Iterator[Service]:
        service = partial(Service, say=self._say)
        if self._embeds_redis:
            folder, port = self._run_dir / "redis", str(urlsplit(self.redis_url).port)
            command = [redis_binary(), "--bind", "127.0.0.1", "--port", port, "--save", ""]
            command += ["--dir", str(folder), *REDIS_OPTIONS.split()]
            yield service(
                "redis", command, folder, self._env, trouble=partial(redis_trouble, self._redis)
            )
        for name, url in (("central", self.central_url), ("gateway", self.url)):
            folder = ROOT / ("fast-server" if name == "gateway" else "central-server")
            command = [sys.executable, "-m", "uvicorn", "main:app", "--host", self._env["BIND"]]
            command += ["--port", str(urlsplit(url).port), *WEB_OPTIONS.split()]
            command += ["--workers", "1"]  # whatever WEB_CONCURRENCY says
            env = dict(self._env)
            if name == "central":  # the gateway's is not its own
                env["PUBLIC_URL"] = env.get("CENTRAL_PUBLIC_URL", "")
            yield service(name, command, folder, env, trouble=partial(web_trouble, url))
        count, base = _number(self._env, "WORKERS", 0, 99), self._env.get("WORKER_NAME", "worker")
        for number in range(1, count + 1):
            alone = count == 1 and "WORKER_NAME" in self._env
            yield self._worker(f"worker-{number}", base if alone else f"{base}-{number}")

    def _worker(self, name: str, own_name: str) -> Service:
        # In a container the worker would add the container's number to its name.
        env = {**self._env, "WORKER_NAME": own_name, "HOSTNAME": ""}
        keys = [f"arq:{queue}:health-check:{own_name}" for queue in ("watermark", "upload")]
        return Service(
            name,
            [sys.executable, "worker.py"],
            ROOT / "worker-server",
            env,
            self._say,
            trouble=partial(redis_trouble, self._redis, *keys),
            forget=partial(delete_keys, self._redis, *keys),
        )


def _all_ended(services: list[Service]) -> bool:
    return not any(service.running for service in services)


def _completed(given: Mapping[str, str], run_dir: Path) -> dict[str, str]:
    """The services' environment: all that is given, and something for what is not."""
    env = {name: value for name, value in os.environ.items() if value and name not in OWN}
    redis_port, *ports = free_ports(3)
    env |= dict(zip(PORTS, ports, strict=True)) | {"BIND": "127.0.0.1", "WORKERS": "1"}
    env |= {name: str(run_dir / Path(file).name) for name, file in FILES.items()}
    env |= {**given, "PYTHONUTF8": "1"}  # file names are UTF-8 whatever the locale
    for name in {*FILES, "GOOGLE_LOGO", "LOGO_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR"} & env.keys():
        if "://" not in env[name]:  # the services have working directories of their own
            env[name] = str(Path(env[name]).absolute())
    redis = f"127.0.0.1:{redis_port}"
    if REDIS & given.keys():
        redis = f"{given.get('REDIS_HOST', 'localhost')}:{given.get('REDIS_PORT', '6379')}"
    env.setdefault("REDIS_URL", f"redis://{redis}")
    return env


def _number(env: Mapping[str, str], name: str, least: int, most: int) -> int:
    value = env[name]
    if not value.isdecimal() or not least <= int(value) <= most:
        raise StackError(f"{name}={value}: give a number from {least} to {most}.")
    return int(value)


def _url(env: Mapping[str, str], port_name: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(env["BIND"], env["BIND"])
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{_number(env, port_name, 1, 65535)}"
