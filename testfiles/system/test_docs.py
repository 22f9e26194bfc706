"""The READMEs say what is there, and what they say works."""

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_settings import BaseSettings

import stack as make_run
from local_stack.stack import OWN, PORTS, ROOT, Stack
from settings import Settings as WorkerSettings
from shared.contract import FAILURE_CODES
from storage_api.settings import Settings as CentralSettings
from support.images import jpeg
from support.services import until
from support.stack_client import described, post
from upload_api.settings import Settings as FastSettings
from upload_api.unsupported import FORMATS

SERVICES = ("fast-server", "worker-server", "central-server")
FOLDERS = (".", *SERVICES, "testfiles", ".deploy")
READMES = {folder: (ROOT / folder / "README.md").read_text() for folder in FOLDERS}
MOST_LINES, MOST_WORDS = 120, 1300  # of the first one: it is read in five minutes
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
# No settings of ours: libraries and Compose itself read them.
OF_LIBRARIES = {"FORWARDED_ALLOW_IPS", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONUTF8"}
OF_LIBRARIES |= {"https_proxy", "http_proxy"}
OF_COMPOSE = {"COMPOSE_PROJECT_NAME"}
PASSED_BESIDES = {"TZ", "FORWARDED_ALLOW_IPS"}
ROW = re.compile(
    r"^\| (?P<names>`\w+`(?:, `\w+`)*) \| (?P<default>[^|]+) \| [^|]+ \|(?: (?P<by>[^|]+) \|)?$",
    re.M,
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
FILE = re.compile(r"`([\w./-]+(?:\.(?:py|sh|lua|ini|toml|yml|example|dockerignore)|Dockerfile))`")
OF_THE_OPERATOR = {"docker-compose.override.yml"}  # which this repository has not
CODE = re.compile(r"`([a-z_]+)`")
CURL = re.compile(r"`(curl [^`\n]*localhost:\d+[^`\n]*)`(?: \| (\d{3}))?")


def tables(folder: str) -> Iterator[re.Match[str]]:
    """The rows of a README's tables of settings."""
    for table in READMES[folder].split("| variable | default |")[1:]:
        yield from ROW.finditer(table.split("\n\n")[0])


def documented() -> Iterator[tuple[str, str, set[str]]]:
    """Each setting of all tables: its default, and the services that read it."""
    for folder in FOLDERS:
        own = folder.removesuffix("-server")
        for row in tables(folder):
            names = re.findall(r"\w+", row["names"])
            defaults = row["default"].replace("`", "").split(", ")
            for name, default in zip(names, defaults * len(names), strict=False):
                yield name, default.strip(), set((row["by"] or own).replace("`", "").split(", "))


def table_of(service: str) -> dict[str, str]:
    return {name: default for name, default, by in documented() if service in by}


@pytest.mark.parametrize("service", SETTINGS)
def test_the_tables_have_every_setting_with_its_default(service: str) -> None:
    fields = SETTINGS[service].model_fields
    actual = {name.upper(): field.default for name, field in fields.items()}
    shown = table_of(service)
    assert shown.keys() - OF_LIBRARIES == actual.keys()
    for name, default in actual.items():
        assert shown[name] == ("unset" if default in (None, ()) else str(default)), name


def test_every_setting_stands_in_one_table() -> None:
    of_code = {name.upper() for kind in SETTINGS.values() for name in kind.model_fields}
    compose = (ROOT / "docker-compose.yml").read_text()
    of_compose = {*re.findall(r"\$\{([A-Z_]+)", compose), *PASSED_BESIDES, *OF_COMPOSE}
    of_make_run = {*OWN, "CENTRAL_PUBLIC_URL", *(make_run.settings().keys() & {"RUN_DIR"})}
    names = Counter(name for name, *_ in documented())
    assert [name for name, times in names.items() if times > 1] == []
    assert names.keys() == of_code | of_compose | of_make_run | OF_LIBRARIES


@pytest.mark.parametrize("folder", SERVICES)
def test_the_settings_of_one_service_alone_stand_in_its_own_readme(folder: str) -> None:
    service = folder.removesuffix("-server")
    own = {name.upper() for name in SETTINGS[service].model_fields}
    for other in SETTINGS.keys() - {service}:
        own -= {name.upper() for name in SETTINGS[other].model_fields}
    assert {name for row in tables(folder) for name in re.findall(r"\w+", row["names"])} == own


def test_every_setting_of_the_example_is_in_a_table() -> None:
    example = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)
    assert example
    assert {*example} <= {name for name, *_ in documented()}


def compose_environment(service: str) -> dict[str, str]:
    """What docker-compose.yml says of a service's variables."""
    compose = (ROOT / "docker-compose.yml").read_text()
    block = re.search(rf"^  {service}:\n(?P<lines>(?:    .*\n)+)", compose, re.M)
    assert block
    lines = re.search(r"^    environment:\n(?P<lines>(?:      .*\n)+)", block["lines"], re.M)
    assert lines
    return dict(re.findall(r"^      ([A-Z_]+): *(.*)$", lines["lines"], re.M))


@pytest.mark.parametrize("service", SETTINGS)
def test_compose_passes_every_setting_of_the_tables_but_what_it_sets_itself(service: str) -> None:
    environment = compose_environment("worker" if service == "worker" else f"{service}-server")
    settings = table_of(service).keys() - OF_LIBRARIES
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


def test_the_first_readme_is_read_in_five_minutes() -> None:
    assert len(READMES["."].splitlines()) <= MOST_LINES
    assert len(READMES["."].split()) <= MOST_WORDS


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_make_target_it_names_exists(folder: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", READMES[folder], re.M))
    assert named <= targets
    assert named or folder == "central-server"


def anchors(text: str) -> set[str]:
    """Those that GitHub makes of a text's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_link_leads_somewhere(folder: str) -> None:
    for path, anchor in LINK.findall(READMES[folder]):
        target = ROOT / folder / path if path else ROOT / folder / "README.md"
        assert target.is_file(), path
        assert not anchor or anchor in anchors(target.read_text()), f"{path}#{anchor}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_it_names_exists(folder: str) -> None:
    tests = {path.name for path in (ROOT / "testfiles").rglob("test_*.py")}
    for name in {*FILE.findall(READMES[folder])} - OF_THE_OPERATOR:
        places = (ROOT / folder / name, ROOT / name)
        assert name in tests or any(place.is_file() for place in places), name


def test_every_readme_is_reached_from_the_first() -> None:
    linked = {(ROOT / path).resolve() for path, _ in LINK.findall(READMES["."])}
    assert {ROOT / folder / "README.md" for folder in FOLDERS[1:]} <= linked


def test_the_layout_shows_every_package_and_what_it_shows_exists() -> None:
    shown, service = set(), ROOT
    for line in READMES["."].split("## Layout")[1].split("```")[1].splitlines():
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


def section(folder: str, heading: str) -> str:
    return re.split(rf"^##+ {heading}$", READMES[folder], flags=re.M)[1].split("\n## ")[0]


def test_every_format_that_is_taken_has_a_row() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", section("worker-server", "Formats"), re.M)
    assert {*FORMATS} <= {name for row in rows for name in row.split(", ")}
    [refusal] = re.findall(r"^.*`unsupported_format`.*$", READMES["fast-server"], re.M)
    assert all(re.search(rf"\b{name}\b", refusal) for name in FORMATS)


def test_every_code_of_a_failure_has_a_row() -> None:
    text = section("worker-server", "Why is this image in failed/")
    rows = re.findall(r"^\| (`[^|]+`) \|", text.split("\n###")[0], re.M)
    codes = [code for row in rows for code in CODE.findall(row)]
    assert sorted(codes) == sorted(FAILURE_CODES)


@pytest.mark.parametrize("folder", ["fast-server", "central-server"])
def test_every_refusal_has_a_row(stack: Stack, folder: str) -> None:
    """That /docs has. What answers before any route does stands below the table."""
    url = stack.url if folder == "fast-server" else stack.central_url
    document = httpx.get(f"{url}/openapi.json", trust_env=False).json()
    rows = re.findall(r"^\| (\d{3}) \| (`[^|]+`) \|", READMES[folder], re.M)
    shown = {(code, int(status)) for status, row in rows for code in CODE.findall(row)}
    assert {*refusals(document)} == shown


def refusals(document: dict[str, Any]) -> Iterator[tuple[str, int]]:
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/problem+json", {})
                yield from ((code, int(status)) for code in content.get("examples", {}))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_curl_it_shows_works(stack: Stack, tmp_path: Path, folder: str) -> None:
    (tmp_path / "photo.jpg").write_bytes(jpeg())
    blocks = "".join(re.findall(r"```sh\n(.*?)```", READMES[folder], re.S))
    shown = [(line, "") for line in blocks.splitlines() if line.startswith("curl ")]
    for command, status in dict.fromkeys([*shown, *CURL.findall(READMES[folder])]):
        if "<media_id>" in command:
            fails = "/retry" in command
            command = command.replace("<media_id>", ended(stack, fails=fails))
        for url, port in ((stack.url, PORTS["PORT"]), (stack.central_url, PORTS["CENTRAL_PORT"])):
            command = command.replace(f"localhost:{port}", url)
        if command.startswith("curl -N "):
            assert first_line(command), command
            continue
        options = ["--silent", "--show-error", "--fail", "--write-out", "\n%{http_code}"]
        done = subprocess.run(
            [*shlex.split(command), *options], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, command + done.stderr
        assert done.stdout.endswith(status), command


def first_line(command: str) -> str:
    """Of an answer that has no end."""
    options = ["--silent", "--fail"]
    with subprocess.Popen(
        [*shlex.split(command), *options], stdout=subprocess.PIPE, text=True
    ) as curl:
        assert curl.stdout
        line = curl.stdout.readline()
        curl.terminate()
    return line


def ended(stack: Stack, *, fails: bool) -> str:
    """A new media that has been stored, or has failed."""
    content, wanted = jpeg(), "failed" if fails else "stored"
    media_id = post(stack, content[: len(content) // 2] if fails else content)
    until(lambda: described(stack, media_id)["status"] == wanted)
    return media_id


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_loop_posts_a_folder_of_photos_whatever_their_names(
    stack: Stack, tmp_path: Path, shell: str
) -> None:
    names = ["a.jpg", "b;type=x,c.jpg", 'say "cheese", \\o.jpg', "@d 日本.jpg", "<e $HOME `id`.jpg"]
    (tmp_path / "photos").mkdir()
    for name in names:
        (tmp_path / "photos" / name).write_bytes(jpeg(size=(64, 48)))
    blocks = READMES["fast-server"].split("```sh\n")
    [loop] = [block for block in blocks if block.startswith("for photo in")]
    script = loop.split("```")[0].replace("localhost:8000", stack.url)
    ended = subprocess.run([shell, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    records = [described(stack, answer["media_id"]) for answer in answers]
    assert sorted(record["ref"] for record in records) == sorted(f"photos/{n}" for n in names)
    # A backslash ends a folder's name for the gateway, as it does on Windows.
    assert {record["filename"] for record in records} == {n.split("\\")[-1] for n in names}


def test_the_photo_it_has_at_hand_is_one(stack: Stack) -> None:
    assert "`testfiles/photo.jpg`" in READMES["."]
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
