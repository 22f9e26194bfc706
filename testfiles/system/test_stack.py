"""The local stack: what `make run` promises to the person at the terminal."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from local_stack.host import StackError, free_ports
from local_stack.service import Service, wait_until
from local_stack.stack import ROOT, Stack
from support import images
from support.services import IN_THE_BACKGROUND

pytestmark = pytest.mark.slow


READY = "ready at"
DEAD_PROXY = "http://127.0.0.1:9"


def runner(folder: Path, **settings: str) -> Service:
    """stack.py as a process, everything of it in folder."""
    port, central_port = free_ports(2)
    env = {name: value for name, value in os.environ.items() if not name.startswith("REDIS_")}
    env |= {"RUN_DIR": "run", "PORT": port, "CENTRAL_PORT": central_port, "UPLOAD_DIR": "uploads"}
    env |= {"STORAGE_DIR": "storage", "ACTIVITY_LOG": "activity.log"}
    env |= {"GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png", **settings}
    command = [sys.executable, f"{ROOT}/testfiles/stack.py"]
    service = Service("runner", command, folder, env, say=lambda *_: None, trouble=str)
    service.trouble = lambda: "" if READY in said(service) else "starting"
    return service


@pytest.fixture(autouse=True)
def hangup_is_not_ignored() -> Iterator[None]:
    """As it would be for children of a test run under nohup."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, previous)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a runner with the given settings and waits until it is ready."""
    started: list[Service] = []

    def start_one(**settings: str) -> Service:
        started.append(runner(tmp_path, **settings))
        started[-1].start()
        return started[-1]

    yield start_one
    for service in started:
        service.stop()


@pytest.fixture
def running(start: Callable[..., Service]) -> Service:
    return start()


def said(service: Service) -> str:
    return "\n".join(service.output)


def refusal(service: Service) -> str:
    """What a runner says that does not start."""
    with pytest.raises(StackError, match="ended with status 1"):
        service.start()
    return said(service)


def children(service: Service) -> dict[int, str]:
    """The processes it started, and how."""
    columns = ["ps", "-A", "-ww", "-o", "ppid=,pid=,args="]
    listing = subprocess.run(columns, capture_output=True, check=True, text=True).stdout
    processes = (line.split(maxsplit=2) for line in listing.splitlines())
    return {int(pid): args for parent, pid, args in processes if int(parent) == service.pid}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_with_status_0(running: Service, number: signal.Signals) -> None:
    services = children(running)
    assert len(services) == 4
    os.kill(running.pid, number)
    assert wait_until(lambda: not running.running, 40)
    assert running.status == 0
    assert not any(map(alive, services))


def test_ctrl_c_ends_what_was_started_in_the_background_of_a_script(tmp_path: Path) -> None:
    service = runner(tmp_path)
    service.command = [*IN_THE_BACKGROUND, *service.command]
    try:
        service.start()
        services = children(service)
        assert len(services) == 4
        os.kill(service.pid, signal.SIGINT)
        assert wait_until(lambda: not service.running, 40)
        assert service.status == 0
        assert not any(map(alive, services))
    finally:
        service.stop()


def test_pip_installs_into_the_venv_wherever_else_it_is_told_to(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for path in ROOT.glob("*/requirements*.txt"):  # empty ones here: nothing is downloaded
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).touch()
    elsewhere = dict.fromkeys(["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"], f"{tmp_path}/elsewhere")
    made = subprocess.run(
        ["make", ".venv/run.stamp", f"PYTHON={sys.executable}"],
        cwd=tmp_path,
        env={**os.environ, "PIP_USER": "1", "PYTHONSAFEPATH": "1", **elsewhere},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_the_services_start_where_python_looks_in_no_folder_of_its_own(tmp_path: Path) -> None:
    with Stack(tmp_path, {"PYTHONSAFEPATH": "1"}) as stack:
        assert httpx.get(f"{stack.url}/ready").is_success


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},  # as a Latin-1 locale
        {"PYTHONSAFEPATH": "1"},
        {"http_proxy": DEAD_PROXY, "HTTPS_PROXY": DEAD_PROXY, "ALL_PROXY": DEAD_PROXY},
        dict.fromkeys(["GOOGLE_LOGO", "WORKERS", "BIND", "WORKER_NAME", "REDIS_URL", "TZ"], ""),
    ],
)
def test_it_runs_in_the_environments_that_people_have(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    folders = {"RUN_DIR": "run", "UPLOAD_DIR": "uploads", "STORAGE_DIR": "storage"}
    absolute = {name: f"{tmp_path}/{folder}" for name, folder in folders.items()}
    log = f"{tmp_path}/activity.log"
    service = runner(tmp_path, **absolute, ACTIVITY_LOG=log, **environment)
    service.command = ["make", "-C", str(ROOT), "-o", ".venv/run.stamp", "run"]
    try:
        service.start()
        url = f"http://127.0.0.1:{service.env['PORT']}/media"
        files = {"file": ("größe 写真.jpg", images.jpeg(size=(64, 48)))}
        answer = httpx.post(url, files=files)
        assert answer.status_code == 202, answer.text
        assert answer.json()["filename"] == "größe 写真.jpg"
        stored = f"{url}/{answer.json()['media_id']}"
        assert wait_until(lambda: httpx.get(stored).json()["status"] == "stored", 20)
    finally:
        service.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_nothing_outlives_a_runner_that_is_killed(running: Service) -> None:
    services = children(running)
    os.kill(running.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(alive, services)), 10)


def test_a_second_ctrl_c_does_not_wait_for_running_jobs(start: Callable[..., Service]) -> None:
    service = start(SIMULATED_LATENCY="25")
    httpx.post(f"http://127.0.0.1:{service.env['PORT']}/media", files={"file": images.jpeg()})
    assert wait_until(lambda: "watermarking" in said(service), 10)
    os.kill(service.pid, signal.SIGINT)
    assert wait_until(lambda: "finishing what runs" in said(service), 10)
    os.kill(service.pid, signal.SIGINT)
    assert wait_until(lambda: not service.running, 10)
    assert service.status == 0


def test_a_service_that_dies_is_started_again_and_a_line_says_so(running: Service) -> None:
    port = f"--port {running.env['PORT']}"
    (gateway,) = (pid for pid, args in children(running).items() if port in args)
    os.kill(gateway, signal.SIGKILL)
    assert wait_until(lambda: said(running).count("ready service=fast-server") == 2, 20)
    assert "gateway was ended by SIGKILL, starts again in 0.5 s" in said(running)


def test_a_taken_port_is_named_with_what_to_do(running: Service, tmp_path: Path) -> None:
    taken = running.env["PORT"]
    own = {"RUN_DIR": "other", "UPLOAD_DIR": "others", "STORAGE_DIR": "other-storage"}
    lines = refusal(runner(tmp_path, PORT=taken, **own))
    assert f"PORT={taken} cannot be had: Address already in use." in lines
    assert "make run PORT=" in lines


def test_a_second_runner_in_the_same_folder_names_the_first(
    running: Service, tmp_path: Path
) -> None:
    assert f"Another stack (process {running.pid}) uses" in refusal(runner(tmp_path))


@pytest.mark.parametrize("shared", ["UPLOAD_DIR", "STORAGE_DIR"])
def test_a_second_runner_on_the_same_images_names_the_first(
    running: Service, tmp_path: Path, shared: str
) -> None:
    own = {"RUN_DIR": "other", "UPLOAD_DIR": "others", "STORAGE_DIR": "other-storage"}
    own[shared] = running.env[shared]
    lines = refusal(runner(tmp_path, **own))
    assert f"Another stack (process {running.pid}) uses" in lines
    assert f"set {shared} to others" in lines


@pytest.mark.parametrize("victim", ["redis", "central", "gateway", "worker-1"])
def test_what_is_killed_while_the_stack_starts_is_started_again(
    tmp_path: Path, victim: str
) -> None:
    """The gateway may have answered 202 by then, so the start goes on."""
    stack = Stack(tmp_path, {"GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png"})
    spawn = stack[victim].spawn
    killed: list[int] = []

    def spawn_and_kill() -> None:
        spawn()
        if len(killed) < 2:
            killed.append(stack[victim].pid)
            os.kill(stack[victim].pid, signal.SIGKILL)

    stack[victim].spawn = spawn_and_kill  # type: ignore[method-assign]
    with stack:
        assert len(killed) == 2
        answer = httpx.post(f"{stack.url}/media", files={"file": images.jpeg()})
        url = f"{stack.url}/media/{answer.json()['media_id']}"
        assert wait_until(lambda: httpx.get(url).json()["status"] == "stored", 20)


@pytest.mark.parametrize("victim", ["redis", "worker-1"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_ends_late_in_the_start_is_started_again(
    tmp_path: Path, victim: str, how: signal.Signals
) -> None:
    stack = Stack(tmp_path, {"GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png"})
    spawn = stack["worker-1"].spawn  # the last that is started
    ended: list[int] = []

    def spawn_and_end() -> None:
        spawn()
        if not ended:
            ended.append(stack[victim].pid)
            os.kill(stack[victim].pid, how)

    stack["worker-1"].spawn = spawn_and_end  # type: ignore[method-assign]
    with stack:
        answer = httpx.post(f"{stack.url}/media", files={"file": images.jpeg()})
        url = f"{stack.url}/media/{answer.json()['media_id']}"
        assert wait_until(lambda: httpx.get(url).json()["status"] == "stored", 20)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_in_a_locks_place_ends_it_with_a_sentence_and_stays(
    tmp_path: Path, kind: str
) -> None:
    lock, other = tmp_path / "uploads" / ".stack.lock", tmp_path / "other"
    lock.parent.mkdir()
    other.write_text("precious")
    if kind == "link":
        lock.symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises(StackError, match=r"UPLOAD_DIR=.*: \S+"):
        Stack(tmp_path / "run", {"UPLOAD_DIR": str(tmp_path / "uploads")}).start()
    assert other.read_text() == "precious"


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "three"), ("PORT", "70000"), ("SIMULATED_LATENCY", "long"), ("REDIS_PORT", "1")],
)
def test_a_bad_setting_ends_it_with_a_sentence(tmp_path: Path, name: str, value: str) -> None:
    lines = refusal(runner(tmp_path, **{name: value}))
    assert "error: " in lines
    assert "Traceback" not in lines
    assert value in lines


def test_what_was_queued_at_the_end_is_done_after_the_next_start(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        stack["worker-1"].stop()
        answer = httpx.post(f"{stack.url}/media", files={"file": ("later.jpg", images.jpeg())})
        assert answer.status_code == 202
    with Stack(tmp_path) as stack:
        url = f"{stack.url}/media/{answer.json()['media_id']}"
        assert wait_until(lambda: httpx.get(url).json()["status"] == "stored", 20)


def test_a_service_keeps_its_port_over_a_restart(tmp_path: Path) -> None:
    with Stack(tmp_path, {"WORKERS": "0"}) as stack:
        for name in ("redis", "central", "gateway"):
            first = stack[name].pid
            stack[name].restart()
            assert stack[name].pid != first
        assert httpx.get(f"{stack.url}/ready").is_success
        assert httpx.get(f"{stack.central_url}/ready").is_success


def test_redis_writes_nothing_and_after_its_restart_all_is_queued_again(tmp_path: Path) -> None:
    with Stack(tmp_path, {"GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png"}) as stack:
        stack["worker-1"].kill()
        files = {"file": ("photo.jpg", images.jpeg(size=(64, 48)))}
        media_id = httpx.post(f"{stack.url}/media", files=files).json()["media_id"]
        stack["redis"].restart()
        stack["worker-1"].start()
        assert wait_until(lambda: (stack.upload_dir / "done" / media_id).is_dir(), 20)
    assert not [*(tmp_path / "redis").iterdir()]
