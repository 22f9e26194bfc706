"""The environment that services and commands find: what is empty, a locale, proxies."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import stack as make_run
from local_stack.stack import OWN, PORTS, ROOT, Stack
from settings import Settings as WorkerSettings
from shared import environment
from storage_api.settings import Settings as CentralSettings
from support.services import Server
from upload_api.settings import Settings as FastSettings

SERVICES: list[type[BaseSettings]] = [FastSettings, WorkerSettings, CentralSettings]
SETTINGS = sorted({name.upper() for service in SERVICES for name in service.model_fields})
OF_THE_STACK = {*OWN, "RUN_DIR", "CENTRAL_PUBLIC_URL", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"}
PROXIED = dict.fromkeys(
    ["http_proxy", "HTTP_PROXY", "ALL_PROXY"], "http://127.0.0.1:9"
)  # none there


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_is_empty_is_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name, raising=False)
    unset = [environment.load(service) for service in SERVICES]
    monkeypatch.setenv(name, "")
    assert [environment.load(service) for service in SERVICES] == unset


@pytest.mark.parametrize("name", sorted({*SETTINGS, *OF_THE_STACK}))
def test_so_it_is_for_make_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.delenv(name, raising=False)
    unset = environments(tmp_path)
    monkeypatch.setenv(name, "")
    assert environments(tmp_path) == unset


def environments(run_dir: Path) -> list[dict[str, str]]:
    """What the services of make run would be given, but for Redis' port, which is any."""
    services = Stack(run_dir, make_run.settings())
    names = ("redis", "central", "gateway", "worker-1")
    return [{**services[name].env, "REDIS_URL": ""} for name in names]


@pytest.mark.parametrize("service", ["fast-server", "central-server"])
def test_a_locale_without_names_of_all_languages_is_refused_at_the_start(
    tmp_path: Path, service: str
) -> None:
    """It would be a 500 for each file with such a name."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    server = Server(service, tmp_path, ascii_only)
    try:
        assert server.process.wait(60) != 0
    finally:
        server.process.kill()
    assert "sets file names to ascii" in server.console()
    assert "set PYTHONUTF8=1" in server.console()
    assert "Traceback" not in server.console()


def test_health_checks_of_compose_ask_without_a_proxy(stack: Stack) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    checks = [json.loads(found) for found in re.findall(r"test: (.*urllib.*)", compose)]
    assert len(checks) == 2
    for (_, *command), name in zip(checks, PORTS, strict=True):
        url = stack.url if name == "PORT" else stack.central_url
        command[-1] = command[-1].replace(f"http://127.0.0.1:{PORTS[name]}", url)
        subprocess.run(command, env={**os.environ, **PROXIED}, check=True)


@pytest.mark.parametrize("target", ["status", "pause", "resume", "retry-failed", "smoke"])
def test_a_deployment_is_asked_without_a_proxy(stack: Stack, target: str) -> None:
    made = subprocess.run(
        ["make", "-o", ".venv/run.stamp", target],
        cwd=ROOT,
        env={**os.environ, **PROXIED, "URL": stack.url, "CENTRAL": stack.central_url},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
