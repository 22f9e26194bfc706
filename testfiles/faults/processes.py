"""What chaos does something to: the services as processes of this machine."""

import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import Self

from redis import Redis, RedisError

from faults.deployment import FaultMissed
from faults.evidence import Evidence
from local_stack.stack import ROOT, Stack

REDIS_ANSWER_S = 1  # also of one that is frozen: the run must go on


class Processes:
    """The local stack, in run_dir."""

    def __init__(self, run_dir: Path, workers: int, env: Mapping[str, str]) -> None:
        own = {"WORKERS": str(workers), "GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png"}
        self._run_dir = run_dir
        self._stack = Stack(run_dir, {**own, **env}, self._note)
        self.url, self.central_url = self._stack.url, self._stack.central_url
        self.services = ["redis", "central", "gateway"]
        self.services += [f"worker-{number}" for number in range(1, workers + 1)]
        self._redis = Redis.from_url(
            self._stack.redis_url, socket_timeout=REDIS_ANSWER_S, decode_responses=True
        )

    def __enter__(self) -> Self:
        self._stack.start()
        for service in self.services:
            self._stack[service].forget = lambda: None  # it would wait for a Redis that is frozen
        return self

    def __exit__(self, *_: object) -> None:
        for service in self.services:
            self._stack[service].kill()  # what is frozen would not end otherwise
        self._stack.stop()

    def signal(self, service: str, signal: Signals) -> None:
        self._send(os.killpg, self._pid(service), signal)

    def signal_parent(self, service: str, signal: Signals) -> None:
        self._send(os.kill, self._pid(service), signal)

    def signal_child(self, service: str, child: int, signal: Signals) -> None:
        with suppress(FaultMissed):
            self._send(os.kill, child, signal)

    def children(self, service: str) -> list[int]:
        columns = ["ps", "-A", "-o", "ppid=,pid="]
        listing = subprocess.run(columns, capture_output=True, check=True, text=True).stdout
        processes = (map(int, line.split()) for line in listing.splitlines())
        return [pid for parent, pid in processes if parent == self._pid(service)]

    def redis(self, *command: str) -> str:
        try:
            answer: object = self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except RedisError as error:
            raise FaultMissed(f"Redis: {error}") from error
        return str(answer[-1] if isinstance(answer, list) else answer)

    def rotate_log(self) -> None:
        log = self._stack.activity_log
        try:
            log.rename(log.with_name(f"{log.name}.{len(self._logs())}"))
        except FileNotFoundError as error:
            raise FaultMissed("rotated just now") from error

    def dead(self) -> list[str]:
        return [service for service in self.services if not self._stack[service].running]

    def revive(self, service: str) -> None:
        self._stack[service].kill()  # its children
        self._stack[service].spawn()

    def pending(self) -> int:
        return len([*self._stack.upload_dir.joinpath("pending").iterdir()])

    def evidence(self) -> Evidence:
        return Evidence(self._stack.upload_dir, self._stack.storage_dir, self._logs())

    def outputs(self) -> list[Path]:
        return sorted(self._run_dir.glob("*.out"))

    def _logs(self) -> list[Path]:
        log = self._stack.activity_log
        return sorted(log.parent.glob(f"{log.name}*"))

    def _pid(self, service: str) -> int:
        if not self._stack[service].running:
            raise FaultMissed(f"{service} is down")
        return self._stack[service].pid

    def _send(self, kill: Callable[[int, int], None], pid: int, signal: Signals) -> None:
        try:
            kill(pid, signal)
        except ProcessLookupError as error:
            raise FaultMissed("it has just ended") from error

    def _note(self, service: str, text: str) -> None:
        with self._run_dir.joinpath(f"{service}.out").open("a", encoding="utf-8") as output:
            output.write(f"{text}\n")
