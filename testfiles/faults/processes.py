"""The deployment that chaos breaks: processes of this machine.

Where the machine allows it, their files are on a disk of their own, whose power can be cut.
"""

import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGSTOP, Signals
from typing import Self

from redis import Redis, RedisError

from faults import power_cut, wrong_clock
from faults.deployment import FaultMissed
from faults.evidence import Evidence
from faults.power_cut import Disk
from faults.wrong_clock import WrongClock
from local_stack.stack import ROOT, Stack

DISK_MB = 4096  # a sparse file: it takes what is written
REDIS_ANSWER_S = 1  # a frozen Redis must not stop the run


class Processes:
    """The local stack, in run_dir."""

    def __init__(self, run_dir: Path, workers: int, env: Mapping[str, str]) -> None:
        own = {"WORKERS": str(workers), "GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png"}
        own |= {"RECONCILE_SECONDS": "5"}  # all is repaired before the verdict
        self._run_dir, self._cuts = run_dir, 0
        self._disk = None if power_cut.reason_for_none() else self._new_disk()
        folder = self._disk.folder if self._disk else run_dir
        self._stack = Stack(folder / "stack", {**own, **env}, self._note)
        self.url, self.central_url = self._stack.url, self._stack.central_url
        self.services = ["redis", "central", "gateway"]
        self.services += [f"worker-{number}" for number in range(1, workers + 1)]
        self._redis = Redis.from_url(
            self._stack.redis_url, socket_timeout=REDIS_ANSWER_S, decode_responses=True
        )

    def __enter__(self) -> Self:
        self._clocks: dict[str, WrongClock] = {}
        if wrong_clock.is_to_be_had():
            for name in self.services:
                clock = self._clocks[name] = WrongClock(self._run_dir / f"{name}.clock")
                self._stack[name].env = {**self._stack[name].env, **clock.env}
        if self._disk:
            self._disk.mount()
        try:
            self._stack.start()
        except BaseException:
            self._unmount()
            raise
        for service in self.services:
            self._stack[service].forget = lambda: None  # it would wait for a frozen Redis
        return self

    def __exit__(self, *_: object) -> None:
        for service in self.services:
            self._stack[service].kill()  # a frozen service would not end otherwise
        self._stack.stop()
        self._unmount()

    def _unmount(self) -> None:
        if self._disk:
            self._disk.unmount()

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

    def empty_record(self, pick: int) -> None:
        ended = [*self._stack.upload_dir.glob("failed/*"), *self._stack.upload_dir.glob("done/*")]
        try:
            sorted(ended)[pick % len(ended)].joinpath("progress.json").write_bytes(b"")
        except (ZeroDivisionError, FileNotFoundError) as error:
            raise FaultMissed("no media has ended yet, or it moves right now") from error

    def set_clock(self, service: str, ahead_s: float) -> None:
        if service not in self._clocks:
            raise FaultMissed("there is no libfaketime here")
        self._clocks[service].set(ahead_s)

    def cut_power(self) -> None:
        if self._disk is None:
            raise FaultMissed(power_cut.reason_for_none())
        for service in self.services:
            with suppress(FaultMissed):
                self.signal(service, SIGSTOP)
        self._cuts += 1
        copy = self._run_dir / f"disk-{self._cuts}.img"
        self._disk.copy(copy)
        for service in self.services:
            self._stack[service].kill()
        self._disk.unmount(lazily=True)  # this process holds the stack's locks
        self._disk.image.unlink()
        self._disk = Disk(copy, self._disk.folder)
        self._disk.mount()

    def _new_disk(self) -> Disk:
        return Disk.new(self._run_dir / "disk.img", self._run_dir / "disk", DISK_MB)

    def dead(self) -> list[str]:
        return [service for service in self.services if not self._stack[service].running]

    def revive(self, service: str) -> None:
        self._stack[service].kill()  # its children
        self._stack[service].spawn()

    def pending(self) -> int:
        return len([*self._stack.upload_dir.joinpath("pending").glob("[!.]*")])

    def lost_records(self) -> int:
        records = self._stack.upload_dir.glob("*/*/progress.json")
        return sum(1 for path in records if path.exists() and path.stat().st_size == 0)

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
