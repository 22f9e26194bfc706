"""The deployment: docker compose up --build --scale worker=3, and what it must survive."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from local_stack.host import free_ports
from local_stack.stack import ROOT
from support import images
from support.services import until

# without the operator's own .env
COMPOSE = ["docker", "compose", "--progress", "plain", "--env-file", os.devnull]
pytestmark = [pytest.mark.compose, pytest.mark.slow]


class Deployment:
    """A project of its own, beside whatever else this engine runs."""

    def __init__(self) -> None:
        port, central_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.central_url = f"http://127.0.0.1:{central_port}"
        name = f"media-processor-test-{port}"
        own = {"COMPOSE_PROJECT_NAME": name, "PORT": port}
        self._env = {**os.environ, **own, "CENTRAL_PORT": central_port}

    def compose(self, *arguments: str) -> str:
        """docker compose's output. Raises CalledProcessError."""
        ended = subprocess.run(
            [*COMPOSE, *arguments],
            cwd=ROOT,
            env=self._env,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return ended.stdout

    def up(self) -> None:
        self.compose("up", "--build", "--detach", "--wait", "--scale", "worker=3")

    def inspect(self, service: str) -> list[dict[str, Any]]:
        containers = self.compose("ps", "--quiet", service).split()
        command = ["docker", "inspect", *containers]
        output = subprocess.run(command, capture_output=True, check=True).stdout
        found: list[dict[str, Any]] = json.loads(output)
        return found

    def post(self, content: bytes, name: str = "photo.jpg") -> str:
        answers: list[httpx.Response] = []

        def is_taken() -> bool:
            """A busy machine's gateway may ask for patience."""
            files = {"file": (name, content)}
            answers.append(httpx.post(f"{self.url}/media", files=files, timeout=30))
            return answers[-1].status_code != 503

        until(is_taken)
        assert answers[-1].status_code == 202, answers[-1].text
        return str(answers[-1].json()["media_id"])

    def stored(self, media_id: str) -> dict[str, Any]:
        """The media's description once it is stored."""
        described: dict[str, Any] = {}

        def is_stored() -> bool:
            described.update(httpx.get(f"{self.url}/media/{media_id}", timeout=30).json())
            return bool(described["status"] == "stored")

        until(is_stored)
        return described

    def lines(self) -> Counter[str]:
        """How often each file name stands in the log."""
        text = httpx.get(f"{self.central_url}/activity?tail=100000").text
        return Counter(re.findall(r"IMAGE: (.+)", text))


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker here")
    if subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        pytest.skip("docker is here, but its engine does not answer")
    running = Deployment()
    try:
        running.up()
        yield running
    except subprocess.CalledProcessError:
        print(running.compose("logs", "--tail", "50"))
        raise
    finally:
        running.compose("down", "--volumes", "--rmi", "local", "--timeout", "5")


def test_the_smoke_client_finds_nothing_wrong(deployment: Deployment) -> None:
    client = [sys.executable, str(ROOT / "testfiles" / "test.py")]
    where = ["--url", deployment.url, "--central", deployment.central_url]
    run = subprocess.run([*client, *where], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_60_photos_become_60_files_and_60_lines_by_three_workers(deployment: Deployment) -> None:
    content = images.jpeg(size=(1600, 1200))
    with ThreadPoolExecutor(6) as pool:
        media_ids = list(pool.map(lambda _: deployment.post(content, "sixty.jpg"), range(60)))
    media = [deployment.stored(media_id) for media_id in media_ids]
    lines = deployment.lines()
    names = {one["stored"]["name"] for one in media}
    assert len(names) == 60
    assert {lines[name] for name in names} == {1}
    workers = Counter(one["attempts"][0]["worker"] for one in media)
    assert workers.keys() == {"worker-1", "worker-2", "worker-3"}
    assert max(workers.values()) <= 30


def test_the_log_is_in_centrals_working_directory(deployment: Deployment) -> None:
    name = deployment.stored(deployment.post(images.jpeg(), "tail.jpg"))["stored"]["name"]
    log = deployment.compose("exec", "-T", "central-server", "cat", "worker_activity.log")
    assert log.count(f"IMAGE: {name}\n") == 1


@pytest.mark.parametrize("service", ["fast-server", "worker", "central-server"])
def test_an_image_holds_what_is_tracked_and_nothing_else(
    deployment: Deployment, service: str
) -> None:
    folder = "worker-server" if service == "worker" else service
    listed = ["git", "ls-files", "--cached", "--", folder]
    tracked = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    wanted = {path.removeprefix(f"{folder}/") for path in tracked.stdout.splitlines()}
    found = deployment.compose("exec", "-T", service, "find", "/app", "-type", "f")
    files = {path.removeprefix("/app/") for path in found.splitlines()}
    compiled = {file for file in files if "__pycache__/" in file}
    assert files - compiled == wanted - {"Dockerfile", ".dockerignore", "requirements.in"}


@pytest.mark.parametrize("service", ["fast-server", "worker", "central-server"])
def test_a_service_has_no_more_rights_than_it_needs(deployment: Deployment, service: str) -> None:
    for container in deployment.inspect(service):
        host = container["HostConfig"]
        assert container["Config"]["User"] == "10001:10001"
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["PidsLimit"] == 512
        assert host["RestartPolicy"]["Name"] == "unless-stopped"


def test_only_the_two_web_services_are_published_and_only_here(deployment: Deployment) -> None:
    published = {
        service: {
            bound["HostIp"]
            for container in deployment.inspect(service)
            for bindings in container["NetworkSettings"]["Ports"].values()
            for bound in bindings or []
        }
        for service in ("redis", "fast-server", "worker", "central-server")
    }
    assert published == {
        "redis": set(),
        "fast-server": {"127.0.0.1"},
        "worker": set(),
        "central-server": {"127.0.0.1"},
    }


@pytest.mark.parametrize("service", ["central-server", "redis", "worker", "fast-server"])
def test_a_restarted_service_loses_nothing(deployment: Deployment, service: str) -> None:
    content = images.jpeg(size=(1600, 1200))
    media_ids = [deployment.post(content, f"{service}.jpg") for _ in range(6)]
    deployment.compose("restart", service)
    deployment.up()  # waits until all are healthy
    names = [deployment.stored(media_id)["stored"]["name"] for media_id in media_ids]
    lines = deployment.lines()
    assert [lines[name] for name in names] == [1] * 6


def test_down_and_up_again_lose_nothing(deployment: Deployment) -> None:
    before = deployment.stored(deployment.post(images.jpeg(), "before.jpg"))
    deployment.compose("stop", "worker")
    waiting = [deployment.post(images.jpeg(seed), "waiting.jpg") for seed in range(5)]
    lines = deployment.lines()
    deployment.compose("down")
    deployment.up()
    names = [deployment.stored(media_id)["stored"]["name"] for media_id in waiting]
    kept = httpx.get(f"{deployment.central_url}/media/{before['media_id']}")
    assert kept.status_code == 200
    assert deployment.lines() == lines + Counter(names)
