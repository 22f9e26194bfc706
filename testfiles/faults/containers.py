"""The deployment that chaos breaks: containers in a Compose project of their own."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from signal import SIGCONT, SIGSTOP, Signals
from typing import Self

from faults.deployment import FaultMissed
from faults.evidence import Evidence
from local_stack.host import free_ports
from local_stack.stack import ROOT

# without the operator's own .env
COMPOSE = ("docker", "compose", "--progress", "quiet", "--env-file", os.devnull)
CONTAINERS = {"redis": "redis-1", "central": "central-server-1", "gateway": "fast-server-1"}
COMMAND_S = 30
LOOK_S = 1
CHILDREN = """
import glob
print(*(open(file).read() for file in glob.glob("/proc/1/task/*/children")))
"""
SIGNAL_CHILD = "import os, sys; os.kill(*map(int, sys.argv[1:]))"


class Containers:
    """docker compose up. Docker does not restart a container that was killed by hand."""

    def __init__(self, run_dir: Path, workers: int, env: Mapping[str, str]) -> None:
        port, central_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.central_url = f"http://127.0.0.1:{central_port}"
        numbered = {f"worker-{number}": f"worker-{number}" for number in range(1, workers + 1)}
        self._project = f"media-processor-chaos-{port}"
        self._names = {
            service: f"{self._project}-{name}" for service, name in (CONTAINERS | numbered).items()
        }
        self.services = [*self._names]
        self._run_dir, self._workers = run_dir, workers
        own = {"COMPOSE_PROJECT_NAME": self._project, "PORT": port, "CENTRAL_PORT": central_port}
        logo = {"GOOGLE_LOGO": "/app/bundled_logo.png"}
        self._env = {**os.environ, **logo, **own, **env}
        self._looked_at, self._rotated = 0.0, 0

    def __enter__(self) -> Self:
        try:
            self._compose("build", "--quiet")
            scale = f"worker={self._workers}"
            self._compose("up", "--detach", "--wait", "--scale", scale)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._compose("down", "--volumes", "--rmi", "local", "--timeout", "1")

    def signal(self, service: str, signal: Signals) -> None:
        if signal == SIGSTOP:
            self._docker("pause", self._names[service])
        elif signal == SIGCONT:
            self._unpause(service)
        else:
            self.signal_parent(service, signal)

    def signal_parent(self, service: str, signal: Signals) -> None:
        self._docker("kill", "--signal", signal.name, self._names[service])

    def signal_child(self, service: str, child: int, signal: Signals) -> None:
        self._python(service, SIGNAL_CHILD, str(child), str(signal.value))

    def children(self, service: str) -> list[int]:
        return [int(pid) for pid in self._python(service, CHILDREN).split()]

    def redis(self, *command: str) -> str:
        timeout = ("timeout", "-s", "KILL", "2")  # a frozen one does not answer
        answer = self._docker("exec", self._names["redis"], *timeout, "redis-cli", *command)
        return answer.strip().splitlines()[-1]

    def rotate_log(self) -> None:
        self._rotated += 1
        names = ("worker_activity.log", f"worker_activity.log.{self._rotated}")
        self._docker("exec", self._names["central"], "mv", *names)

    def empty_record(self, pick: int) -> None:
        listing = "ls -d /uploads/failed/*/progress.json /uploads/done/*/progress.json"
        service = self._names["gateway"]
        records = self._docker("exec", service, "sh", "-c", f"{listing} 2>/dev/null || true")
        if not (paths := records.split()):
            raise FaultMissed("no media has ended yet")
        self._docker("exec", service, "sh", "-c", f": > {paths[pick % len(paths)]}")

    def set_clock(self, service: str, ahead_s: float) -> None:
        raise FaultMissed("containers have the host's clock")

    def cut_power(self) -> None:
        raise FaultMissed("containers have the host's disk")

    def dead(self) -> list[str]:
        if time.monotonic() - self._looked_at < LOOK_S:
            return []
        self._looked_at = time.monotonic()
        own = f"label=com.docker.compose.project={self._project}"
        up = self._docker("ps", "--filter", own, "--format", "{{.Names}}").split()
        return [service for service, name in self._names.items() if name not in up]

    def revive(self, service: str) -> None:
        self._docker("start", self._names[service])

    def pending(self) -> int:
        return len(self._docker("exec", self._names["gateway"], "ls", "/uploads/pending").split())

    def lost_records(self) -> int:
        find = ("find", "/uploads", "-name", "progress.json", "-size", "0")
        return len(self._docker("exec", self._names["gateway"], *find).split())

    def evidence(self) -> Evidence:
        copy = self._run_dir / "central"
        self._docker("cp", f"{self._names['gateway']}:/uploads", str(self._run_dir / "uploads"))
        self._docker("cp", f"{self._names['central']}:/data", str(copy))
        logs = sorted(copy.glob("worker_activity.log*"))
        return Evidence(self._run_dir / "uploads", copy / "central_storage", logs)

    def outputs(self) -> list[Path]:
        for service, name in self._names.items():
            with self._run_dir.joinpath(f"{service}.out").open("wb") as output:
                subprocess.run(
                    ["docker", "logs", name], stdout=output, stderr=subprocess.STDOUT, check=True
                )
        return sorted(self._run_dir.glob("*.out"))

    def _unpause(self, service: str) -> None:
        """Do nothing where it is not paused any more: it was killed meanwhile."""
        paused = "{{.State.Paused}}"
        name = self._names[service]
        if self._docker("inspect", "--format", paused, name).strip() == "true":
            self._docker("unpause", name)

    def _python(self, service: str, program: str, *arguments: str) -> str:
        return self._docker("exec", self._names[service], "python", "-c", program, *arguments)

    def _docker(self, *arguments: str) -> str:
        """Raises FaultMissed where Docker cannot do it, mostly because a container is down."""
        command = ["docker", *arguments]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=COMMAND_S
            )
        except subprocess.SubprocessError as error:
            raise FaultMissed(f"{' '.join(command)}: {error}") from error
        return ended.stdout

    def _compose(self, *arguments: str) -> None:
        """Raises CalledProcessError."""
        output = self._run_dir / "compose.out"
        with output.open("ab") as file:
            subprocess.run(
                [*COMPOSE, *arguments],
                cwd=ROOT,
                env=self._env,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=True,
            )
