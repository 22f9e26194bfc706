"""The name a worker has in central's log."""

import socket
from unittest.mock import Mock, patch

import dns.exception
import pytest

from service import worker_name
from settings import Settings

PTR = "media-processor-worker-3.media-processor_default."
DnsSays = tuple[str, ...] | Exception


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("WORKER_NAME", "HOSTNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "0123456789ab")
    monkeypatch.setattr(socket, "gethostbyname", lambda _: "172.18.0.5")


def resolved(monkeypatch: pytest.MonkeyPatch, dns_says: DnsSays = (PTR,), /, **env: str) -> str:
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    answer = {"side_effect": dns_says} if isinstance(dns_says, Exception) else {}
    resolver = Mock(return_value=dns_says, **answer)
    with patch("dns.resolver.resolve_address", resolver):
        return worker_name.resolve(Settings())


@pytest.mark.parametrize("env", [{"HOSTNAME": "worker-9"}, {}])
def test_what_the_user_chose_comes_first(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    assert resolved(monkeypatch, WORKER_NAME="zürich 1", **env) == "zürich 1"


def test_it_is_followed_by_the_number_that_compose_gave_the_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = {"WORKER_NAME": "berlin", "HOSTNAME": "0123456789ab"}
    assert resolved(monkeypatch, **env) == "berlin-3"
    assert resolved(monkeypatch, ("alice.net.",), **env) == "berlin", "a container_name"


@pytest.mark.parametrize("project", ["x", "x-worker-7", "worker-7", "a_b-9", "worker", "a" * 54])
def test_the_projects_name_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch, project: str) -> None:
    says = (f"{project}-worker-3.{project}_default.",)
    assert resolved(monkeypatch, says) == "worker-3"


@pytest.mark.parametrize("hostname", ["worker-9", "0123456789abc", "0123456789aB", "cafe"])
def test_then_a_host_name_that_somebody_gave(
    monkeypatch: pytest.MonkeyPatch, hostname: str
) -> None:
    assert resolved(monkeypatch, HOSTNAME=hostname) == hostname


@pytest.mark.parametrize("env", [{"HOSTNAME": "0123456789ab"}, {"HOSTNAME": ""}, {}])
def test_then_the_name_compose_gave_the_container(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    assert resolved(monkeypatch, **env) == "worker-3"


def test_an_empty_name_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved(monkeypatch, WORKER_NAME="") == "worker-3"


@pytest.mark.parametrize(
    "says",
    [
        ("host.example.org.",),
        ("worker.example.org.",),
        ("alice.x-worker-7.net.",),
        (),
        dns.exception.Timeout(),  # type: ignore[no-untyped-call]
        OSError("no network"),
    ],
)
def test_then_the_name_of_the_system(monkeypatch: pytest.MonkeyPatch, says: DnsSays) -> None:
    assert resolved(monkeypatch, says) == "0123456789ab"


def test_a_system_that_does_not_know_its_own_address_has_a_name_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostbyname", Mock(side_effect=socket.gaierror))
    assert resolved(monkeypatch) == "0123456789ab"


def test_of_several_names_the_one_of_compose_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved(monkeypatch, ("ip-172-18-0-5.internal.", PTR)) == "worker-3"
