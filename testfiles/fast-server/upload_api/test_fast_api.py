"""fast-server besides its uploads: what it says of itself, what it has not, how it starts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.web import refusals as shared_refusals
from shared.web.host_and_origin import UNSAFE_METHOD_REFUSALS
from shared.web.problems import ProblemType
from support.fast import RedisServer, assert_problem, redis_server
from support.services import InProcess, Server, in_process
from upload_api import refusals


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def fast(redis: RedisServer, tmp_path: Path) -> Iterator[InProcess]:
    env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path)}
    with in_process("fast-server", env) as service:
        yield service


def test_it_lives_and_is_ready(fast: InProcess) -> None:
    assert fast.get("/health").json() == {"status": "ok"}
    assert fast.get("/ready").json() == {"status": "ready"}


@pytest.mark.parametrize(
    "media_id",
    ["01KAP3V8Z4J5N6Q7R8S9T0VWXY", "01kap3v8z4j5n6q7r8s9t0vwxy", "x", "%2e%2e", "%00", "*"],
)
def test_a_media_that_is_unknown_or_none_is_not_found(fast: InProcess, media_id: str) -> None:
    answer = fast.get(f"/media/{media_id}")
    assert_problem(answer, 404, "media_not_found")


def test_an_id_that_is_a_path_never_reaches_the_disk(fast: InProcess, tmp_path: Path) -> None:
    (tmp_path / "pending" / "media.json").write_text('{"secret": true}')
    for media_id in ("%2e", "..%2fpending", "."):
        assert "secret" not in fast.get(f"/media/{media_id}").text


@pytest.mark.parametrize("path", ["/nothing", "/media/a/b", "/uploads", "/%2e%2e/etc/passwd"])
def test_an_unknown_path_is_a_problem(fast: InProcess, path: str) -> None:
    assert_problem(fast.get(path), 404, "not_found")


def test_a_method_that_is_not_there_is_a_problem_that_names_those_that_are(
    fast: InProcess,
) -> None:
    answer = fast.get("/media/retry")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_the_documentation_has_a_file_to_choose(fast: InProcess) -> None:
    document = fast.get("/openapi.json").json()
    form = document["paths"]["/media"]["post"]["requestBody"]["content"]["multipart/form-data"]
    file = form["schema"]["properties"]["file"]
    assert (file["type"], file["format"]) == ("string", "binary")
    assert form["schema"]["required"] == ["file"]
    filled_in = [p for p in document["paths"]["/media"]["post"]["parameters"] if "example" in p]
    assert filled_in == []  # else /docs sends it, with every file the same
    assert form["schema"]["properties"]["ref"]["example"] == ""
    assert fast.get("/docs").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "kinds"),
    [
        ("post", "/media", refusals.UPLOAD_REFUSALS),
        ("get", "/media/{media_id}", refusals.READ_REFUSALS),
        ("post", "/media/{media_id}/retry", refusals.RETRY_REFUSALS),
        ("post", "/media/retry", refusals.RETRY_ALL_REFUSALS),
        ("delete", "/media/{media_id}", refusals.DELETE_REFUSALS),
        ("get", "/events", refusals.EVENTS_REFUSALS),
        ("get", "/ready", refusals.READY_REFUSALS),
    ],
)
def test_the_documentation_shows_every_refusal_and_nothing_that_never_comes(
    fast: InProcess, method: str, path: str, kinds: tuple[ProblemType, ...]
) -> None:
    document = fast.get("/openapi.json").json()
    responses = document["paths"][path][method]["responses"]
    shown = {
        (int(status), code, example["value"]["code"], example["value"]["status"])
        for status, response in responses.items()
        if not status.startswith("2")
        for code, example in response["content"]["application/problem+json"]["examples"].items()
    }
    assert shown == {(kind.status, kind.code, kind.code, kind.status) for kind in kinds}
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_kind_of_refusal_is_one_of_those_that_are_shown() -> None:
    own, common = vars(refusals).items(), vars(shared_refusals).values()
    kinds = {each for each in (*dict(own).values(), *common) if isinstance(each, ProblemType)}
    shown = {kind for name, listed in own if name.endswith("_REFUSALS") for kind in listed}
    assert kinds == shown - {*UNSAFE_METHOD_REFUSALS}


def test_settings_that_cannot_be_used_are_all_named(tmp_path: Path) -> None:
    wrong = {
        "MAX_UPLOAD_MB": ("inf", "Input should be a finite number"),
        "MAX_MEGAPIXELS": ("2000000", "Input should be less than or equal to 1000000"),
        "MAX_QUEUE_DEPTH": ("-1", "Input should be greater than 0"),
        "MIN_FREE_MB": ("1.5", "Input should be a valid integer"),
        "REDIS_PORT": ("99999", "Input should be less than or equal to 65535"),
        "REDIS_URL": ("http://redis", "Redis URL must specify one of"),
    }
    said = refused_start(tmp_path, {name: value for name, (value, _) in wrong.items()})
    for name, (value, reason) in wrong.items():
        assert f"{name}={value}: {reason}" in said


def test_an_upload_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    said = refused_start(tmp_path, {"UPLOAD_DIR": "a_file"})
    assert "UPLOAD_DIR=a_file: Not a directory" in said


def test_a_password_in_a_url_that_cannot_be_used_is_not_shown(tmp_path: Path) -> None:
    said = refused_start(tmp_path, {"REDIS_URL": "redis://me:secret@localhost:port"})
    assert "REDIS_URL is no address that can be used" in said
    assert "secret" not in said


def refused_start(cwd: Path, env: dict[str, str]) -> str:
    server = Server("fast-server", cwd, env)
    assert server.process.wait(30) != 0
    assert "Traceback" not in server.console()
    return server.console()
