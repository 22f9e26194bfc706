"""The deployment: docker compose up --build, its settings, and what it must survive."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from PIL import Image

from local_stack.host import free_ports
from local_stack.stack import ROOT
from support import images
from support.services import until

COMPOSE = ["docker", "compose", "--progress", "plain"]
OLD = "media-processor"  # what every project was called once
NOT_IN_IMAGES = {
    "Dockerfile",
    ".dockerignore",
    "requirements.in",
    "README.md",
    "page/vendor/README.md",
}
pytestmark = [pytest.mark.compose, pytest.mark.slow]


class Deployment:
    """A clone in a folder of its own, beside whatever else this engine runs."""

    def __init__(self, parent: Path, name: str = "clone", **settings: str) -> None:
        port, central_port = free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self.central_url = f"http://127.0.0.1:{central_port}"
        self.central_port = central_port
        self.folder = parent / f"test-{port}-{name}"
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for file in files.rstrip("\0").split("\0"):
            if (ROOT / file).is_file():
                (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / file, self.folder / file)
        self.set(PORT=port, CENTRAL_PORT=central_port, **settings)
        kept = re.compile("PATH|HOME|DOCKER_.*")  # no settings for other deployments
        self.env = {name: value for name, value in os.environ.items() if kept.fullmatch(name)}

    def set(self, **settings: str) -> None:
        """Write them into .env."""
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def compose(self, *arguments: str) -> str:
        """docker compose's output. Raises CalledProcessError."""
        ended = self.try_compose(*arguments)
        if ended.returncode != 0:
            print(ended.stderr)
            ended.check_returncode()
        return ended.stdout

    def try_compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMPOSE, *arguments], cwd=self.folder, env=self.env, capture_output=True, text=True
        )

    def up(self, *options: str) -> None:
        self.compose("up", "--build", "--detach", "--wait", *options)

    def down(self) -> None:
        self.compose("down", "--volumes", "--rmi", "local", "--timeout", "5")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed:
            print(self.try_compose("logs", "--tail", "50").stdout)
        self.down()

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

    def said(self, service: str, text: str) -> str:
        """A service's console once that stands in it."""
        until(lambda: text in self.compose("logs", service))
        return self.compose("logs", service)


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    if shutil.which("docker") is None:
        pytest.skip("there is no docker here")
    if subprocess.run(["docker", "info"], capture_output=True).returncode != 0:
        pytest.skip("docker is here, but its engine does not answer")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("deployment"), WORKERS="3") as running:
        running.up()
        yield running


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


def test_a_folder_goes_up_and_comes_back_as_files_as_a_zip_and_as_previews(
    deployment: Deployment, tmp_path: Path
) -> None:
    paths = {f"{day}/photo {number} 日本.jpg" for day in ("1", "2/a") for number in range(6)}
    for path in paths:
        (tmp_path / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / path).write_bytes(images.jpeg())
    command = [sys.executable, str(ROOT / "testfiles" / "upload.py"), "photos", "out"]
    done = subprocess.run([*command, "--url", deployment.url], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "out"
    back = {path: (out / path).read_bytes() for path in paths}
    batch = json.loads((out / ".upload.json").read_bytes())["batch"]
    archive = httpx.get(f"{deployment.url}/batches/{batch}/archive.zip", timeout=60)
    with zipfile.ZipFile(BytesIO(archive.content)) as unpacked:
        assert {name: unpacked.read(name) for name in unpacked.namelist()} == back
    listed = httpx.get(f"{deployment.url}/media", params={"batch": batch}).json()["media"]
    for media in listed:
        for of in ("original", "watermarked"):
            preview = shown(deployment, media["media_id"], of)
            assert preview.headers["Content-Type"] == "image/webp"


def shown(deployment: Deployment, media_id: str, of: str) -> httpx.Response:
    url, answers = f"{deployment.url}/media/{media_id}/preview?of={of}", list[httpx.Response]()

    def is_made() -> bool:
        answers.append(httpx.get(url, timeout=30))
        return answers[-1].status_code != 503

    until(is_made)
    return answers[-1].raise_for_status()


def test_the_log_is_in_centrals_working_directory(deployment: Deployment) -> None:
    name = deployment.stored(deployment.post(images.jpeg(), "tail.jpg"))["stored"]["name"]
    log = deployment.compose("exec", "-T", "central-server", "cat", "worker_activity.log")
    assert log.count(f"IMAGE: {name}\n") == 1


def test_a_backup_restored_into_another_deployment_is_all_that_there_was(
    deployment: Deployment, tmp_path: Path
) -> None:
    """By the commands of .deploy/README.md."""
    media_id = deployment.post(images.jpeg(5))
    before = deployment.stored(media_id)
    blocks = (ROOT / ".deploy" / "README.md").read_text().split("```sh\n")
    backup, restore = (
        next(block.split("```")[0] for block in blocks if f"{how} - " in block.split("```")[0])
        for how in ("-cf", "-xf")
    )
    shell(deployment, backup)
    until(lambda: answers(deployment.url))
    with Deployment(tmp_path, "restored") as restored:
        for name in ("uploads.tar", "central.tar"):
            (deployment.folder / name).rename(restored.folder / name)
        shell(restored, restore.replace("docker compose up\n", ""))
        restored.up()
        assert restored.stored(media_id)["stored"] == before["stored"]
        assert restored.lines() == deployment.lines()
        image = httpx.get(f"{restored.central_url}/media/{media_id}").content
        assert image == httpx.get(f"{deployment.central_url}/media/{media_id}").content
        another = restored.stored(restored.post(images.jpeg(6)))["stored"]["name"]
        assert another not in deployment.lines()


def shell(deployment: Deployment, script: str) -> None:
    subprocess.run(["sh", "-ec", script], cwd=deployment.folder, env=deployment.env, check=True)


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
    assert files - compiled == wanted - NOT_IN_IMAGES


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


def ids(deployment: Deployment) -> set[str]:
    return {*deployment.compose("ps", "--quiet").split()}


def test_two_clones_side_by_side_know_nothing_of_each_other(tmp_path: Path) -> None:
    with Deployment(tmp_path) as one, Deployment(tmp_path, "Worker_2-worker-3") as other:
        one.up()
        media_id, containers = one.post(images.jpeg()), ids(one)
        one.stored(media_id)
        lines = one.lines()
        other.up()
        assert ids(one) == containers
        stored = other.stored(other.post(images.jpeg()))
        assert stored["attempts"][0]["worker"] == "worker-1"
        assert httpx.get(f"{other.central_url}/media/{media_id}").status_code == 404
        other.down()
        assert httpx.get(f"{one.central_url}/media/{media_id}").status_code == 200
        assert one.lines() == lines


@pytest.fixture
def old_volumes_are_free() -> None:
    """Not for an engine on which somebody has them."""
    own = ["--quiet", "--filter", f"label=com.docker.compose.project={OLD}"]
    for what in (["volume", "ls"], ["ps", "--all"]):
        if subprocess.run(["docker", *what, *own], capture_output=True, check=True).stdout:
            pytest.skip(f"this engine has a project {OLD} already")


def make_up(deployment: Deployment) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "up"],
        cwd=deployment.folder,
        env=deployment.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.usefixtures("old_volumes_are_free")
def test_an_old_projects_images_are_still_served_after_the_upgrade(tmp_path: Path) -> None:
    with Deployment(tmp_path) as deployment:
        compose_file = deployment.folder / "docker-compose.yml"
        upgraded = compose_file.read_text()
        compose_file.write_text(f"name: {OLD}\n{upgraded}")
        deployment.up()
        stored = deployment.stored(deployment.post(images.jpeg()))
        deployment.compose("down")
        compose_file.write_text(upgraded)
        try:
            refused = make_up(deployment)
            [line] = [x for x in refused.communicate()[1].splitlines() if x.startswith("COMPOSE_")]
            assert refused.returncode == 2
            assert not ids(deployment)
            with (deployment.folder / ".env").open("a") as file:
                file.write(f"{line}\n")
            running = make_up(deployment)
            url = f"{deployment.central_url}/media/{stored['media_id']}"
            until(lambda: running.poll() is not None or answers(url))
            assert httpx.get(url).status_code == 200
            assert deployment.lines()[stored["stored"]["name"]] == 1
            os.killpg(running.pid, signal.SIGINT)
            running.communicate()
        finally:
            deployment.set(COMPOSE_PROJECT_NAME=OLD)
            deployment.down()


def test_make_up_does_not_take_over_another_folders_containers(tmp_path: Path) -> None:
    """Their names differ only in what Compose leaves out."""
    with Deployment(tmp_path, "taken") as first:
        first.up()
        second = Deployment(tmp_path)
        second.folder = second.folder.rename(
            tmp_path / first.folder.name.replace("-taken", "-Taken!")
        )
        before = ids(first)
        refused = make_up(second)
        [line] = [x for x in refused.communicate()[1].splitlines() if x.startswith("COMPOSE_")]
        assert refused.returncode == 2
        assert ids(first) == before
        assert answers(first.url)
        with (second.folder / ".env").open("a") as file:
            file.write(f"{line}\n")
        try:
            second.up()
            assert ids(first) == before
        finally:
            second.down()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def test_each_setting_reaches_whom_it_is_for(tmp_path: Path) -> None:
    uploads, central = tmp_path / "uploads", tmp_path / "central"
    for folder in (uploads, central):
        folder.mkdir()
    settings = {"WORKERS": "2", "WORKER_NAME": "berlin", "TZ": "Asia/Kolkata", "BIND": "0.0.0.0"}
    settings |= {"UPLOADS": str(uploads), "CENTRAL": f"./../{central.name}"}
    with Deployment(tmp_path, **settings) as deployment:
        # The way to a central on another host: out of the container, and in by a published port.
        url = f"http://host.docker.internal:{deployment.central_port}/upload-final"
        deployment.set(CENTRAL_SERVER_URL=url, ALLOWED_HOSTS="host.docker.internal")
        deployment.compose("up", "--build", "--detach")
        for service, variable in (
            ("fast-server", "UPLOAD_DIR=/uploads"),
            ("worker", "UPLOAD_DIR=/uploads"),
            ("central-server", "ACTIVITY_LOG=worker_activity.log"),
        ):
            said = deployment.said(service, "chown")
            assert f"{variable}: Permission denied. This service runs as uid 10001: chown" in said
            assert "Traceback" not in said
        for folder in (uploads, central):
            folder.chmod(0o777)
        deployment.up("--force-recreate")  # what is about to be restarted is not waited for
        stored = [deployment.stored(deployment.post(images.jpeg(seed))) for seed in range(8)]
        assert all((uploads / "done" / each["media_id"]).is_dir() for each in stored)
        assert all((central / "central_storage" / x["stored"]["name"]).exists() for x in stored)
        assert {x["attempts"][1]["worker"] for x in stored} <= {"berlin-1", "berlin-2"}
        assert len(deployment.inspect("worker")) == 2
        for service in ("fast-server", "worker", "central-server"):
            last = deployment.compose("logs", "--no-log-prefix", service).splitlines()[-1]
            assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30 ", last)
        deployment.up("--scale", "worker=3")
        assert len(deployment.inspect("worker")) == 3
        deployment.up()
        assert len(deployment.inspect("worker")) == 2, "as .env says"


RED = images.encode(Image.new("RGB", (60, 30), "red"), "PNG")


@pytest.fixture(scope="module")
def branded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Looks for what failed every second; GOOGLE_LOGO is what LOGO_FILE wins over."""
    settings = {"RECONCILE_SECONDS": "1", "GOOGLE_LOGO": "/no/such/logo.png"}
    with Deployment(tmp_path_factory.mktemp("branded"), **settings) as deployment:
        deployment.set(LOGO_FILE="logo.png")
        (deployment.folder / "logo.png").write_bytes(RED)
        deployment.up()
        yield deployment


@pytest.mark.parametrize("path", ["logo.png", "./logo.png", "brand/logo.png", "{folder}/logo.png"])
def test_ones_own_logo_is_a_file_of_this_machine(branded: Deployment, path: str) -> None:
    path = path.format(folder=branded.folder)
    (branded.folder / path).parent.mkdir(exist_ok=True)
    (branded.folder / path).write_bytes(RED)
    branded.set(LOGO_FILE=path)
    branded.compose("up", "--detach", "worker")
    media_id = branded.post(images.encode(Image.new("RGB", (400, 400)), "PNG"), "black.png")
    branded.stored(media_id)
    marked = httpx.get(f"{branded.central_url}/media/{media_id}").content
    with Image.open(BytesIO(marked)) as image:
        assert images.pixel(image.convert("RGB"), (380, 20)) == (255, 0, 0)


def test_without_one_the_mounted_mark_is_not_used(branded: Deployment) -> None:
    branded.set(LOGO_FILE="", GOOGLE_LOGO="")
    branded.compose("up", "--detach", "worker")
    try:
        # It looks for Google's, wherever that can be had.
        said = "print(__import__('settings').Settings().logo)"
        assert branded.compose("exec", "-T", "worker", "python", "-c", said) == "None\n"
    finally:
        branded.set(GOOGLE_LOGO="/no/such/logo.png")


def test_a_missing_logo_is_named_by_its_path_and_not_made_a_folder(branded: Deployment) -> None:
    branded.set(LOGO_FILE="missing.png")
    ended = branded.try_compose("up", "--detach", "worker")
    assert ended.returncode != 0
    assert f"{branded.folder}/missing.png" in ended.stderr
    assert not (branded.folder / "missing.png").exists()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("folder", "Is a directory"),
        ("foreign", "Permission denied"),
        ("svg", "SVG logos are not taken"),
    ],
)
def test_a_logo_that_cannot_work_makes_the_worker_unwell_until_there_is_another(
    branded: Deployment, kind: str, reason: str
) -> None:
    path = branded.folder / f"{kind}.png"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"<svg/>" if kind == "svg" else RED)
        path.chmod(0o644 if kind == "svg" else 0o600)  # and no file of uid 10001
    branded.set(LOGO_FILE=path.name)
    branded.compose("up", "--detach", "worker")

    def check() -> subprocess.CompletedProcess[str]:
        return branded.try_compose("exec", "-T", "worker", "python", "worker.py", "--check")

    until(lambda: reason in check().stderr)
    told = check()
    assert told.returncode == 1
    assert told.stderr.startswith("worker-1: The logo /logo cannot be had: ")
    if kind != "svg":
        assert "inside the container" in told.stderr
        assert "uid 10001" in told.stderr
        assert "LOGO_FILE" in told.stderr
    assert told.stderr.removeprefix("worker-1: ").strip() in branded.compose("logs", "worker")
    media_id = branded.post(images.jpeg())
    until(lambda: httpx.get(f"{branded.url}/media/{media_id}").json()["status"] == "failed")
    media = httpx.get(f"{branded.url}/media/{media_id}").json()
    assert (media["error"]["code"], len(media["attempts"])) == ("logo_unavailable", 1)
    assert "by itself once there is a logo that works" in media["next"]
    branded.set(LOGO_FILE="logo.png")
    branded.compose("up", "--detach", "worker")
    assert branded.stored(media_id)["watermarked"]["notes"] == []
