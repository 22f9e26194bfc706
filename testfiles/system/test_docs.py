"""The README says what is there, and what it says works."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from local_stack.stack import PORTS, ROOT, Stack
from settings import Settings as WorkerSettings
from storage_api.settings import Settings as CentralSettings
from support.images import jpeg
from support.stack_client import described, post
from upload_api.settings import Settings as FastSettings

README = (ROOT / "README.md").read_text()
SERVICES = ("fast-server", "worker-server", "central-server")
SETTINGS: dict[str, type[BaseSettings]] = {
    "fast": FastSettings,
    "worker": WorkerSettings,
    "central": CentralSettings,
}
COMPOSE_SETS = {
    "UPLOAD_DIR",
    "STORAGE_DIR",
    "ACTIVITY_LOG",
    "HOSTNAME",
    "REDIS_HOST",
    "REDIS_PORT",
}
PASSED_BESIDES = {"TZ", "FORWARDED_ALLOW_IPS"}  # no settings of ours: libraries read them
ROW = re.compile(
    r"^\| (?P<names>`[A-Z_`, ]+`) \| (?P<default>[^|]+) \| [^|]+ \| (?P<by>[^|]+) \|$", re.M
)


def table() -> dict[str, tuple[str, set[str]]]:
    """Each setting of the README's table: its default, and the services that read it."""
    settings = {}
    for row in ROW.finditer(README):
        names = re.findall(r"[A-Z_]+", row["names"])
        defaults = row["default"].replace("`", "").split(", ")
        for name, default in zip(names, defaults, strict=True):
            settings[name] = default.strip(), set(row["by"].split(", "))
    return settings


@pytest.mark.parametrize("service", SETTINGS)
def test_the_table_has_every_setting_with_its_default(service: str) -> None:
    documented = {name: default for name, (default, by) in table().items() if service in by}
    fields = SETTINGS[service].model_fields
    actual = {name.upper(): field.default for name, field in fields.items()}
    assert documented.keys() == actual.keys()
    for name, default in actual.items():
        assert documented[name] == ("unset" if default in (None, ()) else str(default)), name


def compose_environment(service: str) -> dict[str, str]:
    """What docker-compose.yml says of a service's variables."""
    compose = (ROOT / "docker-compose.yml").read_text()
    block = re.search(rf"^  {service}:\n(?P<lines>(?:    .*\n)+)", compose, re.M)
    assert block
    lines = re.search(r"^    environment:\n(?P<lines>(?:      .*\n)+)", block["lines"], re.M)
    assert lines
    return dict(re.findall(r"^      ([A-Z_]+): *(.*)$", lines["lines"], re.M))


@pytest.mark.parametrize("service", SETTINGS)
def test_compose_passes_every_setting_of_the_table_but_what_it_sets_itself(service: str) -> None:
    environment = compose_environment("worker" if service == "worker" else f"{service}-server")
    settings = {name for name, (_, by) in table().items() if service in by}
    passed = {
        name
        for name, value in environment.items()
        if not value or value.startswith("#") or "${" in value
    }
    assert settings - passed == settings & COMPOSE_SETS
    assert passed - settings <= PASSED_BESIDES


@pytest.mark.parametrize("service", ["redis", "fast-server", "worker", "central-server"])
def test_every_service_of_compose_is_told_the_time_zone(service: str) -> None:
    assert "TZ" in compose_environment(service)


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert named
    assert named <= targets


def test_its_layout_shows_every_package_and_what_it_shows_exists() -> None:
    shown, service = set(), ROOT
    for line in README.split("## Layout")[1].split("```")[1].splitlines():
        if service_name := re.match(r"([a-z-]+)/ ", line):
            service = folder = ROOT / service_name[1]
            shown.add(folder)
        elif package := re.match(r"  ([a-z_]+)/ ", line):
            folder = service / package[1]
            shown.add(folder)
        for name in re.findall(r"\b[a-z_]+\.py\b", line):
            assert (folder / name).is_file(), f"{folder}/{name}"
    tops = {ROOT / name for name in (*SERVICES, "testfiles")}
    packages = {sign.parent for top in tops for sign in top.glob("*/__init__.py")}
    packages.add(ROOT / "testfiles" / "system")
    copies = {ROOT / "worker-server" / "shared", ROOT / "central-server" / "shared"}
    assert shown == (tops | packages) - copies


def test_every_curl_it_shows_works(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    commands = set(re.findall(r"curl [^`$\n]*localhost:\d+/[a-z-]+(?![/<\w-])", README))
    assert len(commands) >= 3
    for command in commands:
        for url, port in ((stack.url, PORTS["PORT"]), (stack.central_url, PORTS["CENTRAL_PORT"])):
            command = command.replace(f"localhost:{port}", url)
        ended = subprocess.run(
            [*shlex.split(command), "--silent", "--fail"], cwd=tmp_path, capture_output=True
        )
        assert ended.returncode == 0, command


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_its_loop_posts_a_folder_of_photos_whatever_their_names(
    stack: Stack, tmp_path: Path, shell: str
) -> None:
    names = ["a.jpg", "b;type=x,c.jpg", 'say "cheese", \\o.jpg', "@d 日本.jpg", "<e $HOME `id`.jpg"]
    (tmp_path / "photos").mkdir()
    for name in names:
        (tmp_path / "photos" / name).write_bytes(jpeg(size=(64, 48)))
    [loop] = [block for block in README.split("```sh\n") if block.startswith("for photo in")]
    script = loop.split("```")[0].replace("localhost:8000", stack.url)
    ended = subprocess.run([shell, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    records = [described(stack, answer["media_id"]) for answer in answers]
    assert sorted(record["ref"] for record in records) == sorted(f"photos/{n}" for n in names)
    # A backslash ends a folder's name for the gateway, as it does on Windows.
    assert {record["filename"] for record in records} == {n.split("\\")[-1] for n in names}


def test_the_photo_it_has_at_hand_is_one(stack: Stack) -> None:
    assert "`testfiles/photo.jpg`" in README
    post(stack, (ROOT / "testfiles" / "photo.jpg").read_bytes())


def test_the_top_level_is_what_it_was_agreed_to_be() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    top = {path.split("/")[0] for path in listed.stdout.splitlines()}
    visible = {name for name in top if not name.startswith(".")}
    assert visible == {
        *SERVICES,
        "testfiles",
        "docker-compose.yml",
        "Makefile",
        "README.md",
    }
