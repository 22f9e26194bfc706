"""POST /pause and POST /resume: a file in the uploads, which an empty Redis does not undo."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import images
from support.fast import Gateway, assert_problem, gateway
from support.services import until

PHOTO = images.jpeg(size=(64, 48))


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Gateway]:
    with gateway(tmp_path) as service:
        yield service


def is_told(fast: Gateway, paused: object) -> bool:
    told: dict[str, object] = fast.http.get("/stats").json()
    return told["paused"] == paused


def test_a_pause_lasts_until_it_is_ended(fast: Gateway) -> None:
    assert fast.http.get("/stats").json()["paused"] is None
    begun = fast.http.post("/pause")
    assert (begun.status_code, begun.json()["paused"]) == (200, True)
    since = begun.json()["since"]
    assert fast.http.post("/pause").json() == begun.json()
    fast.redis.client.flushall()
    until(lambda: is_told(fast, {"since": since}))
    assert fast.http.get("/stats").json()["summary"].startswith("paused since ")
    assert fast.post(PHOTO).status_code == 202
    assert fast.http.get("/ready").status_code == 200
    for _ in range(2):
        ended = fast.http.post("/resume")
        assert (ended.status_code, ended.json()) == (200, {"paused": False, "since": None})
    until(lambda: is_told(fast, None))
    console = fast.server.console()
    assert "paused: workers take no more" in console
    assert "resumed: workers take jobs again" in console


def test_whoever_pauses_at_once_pauses_together(fast: Gateway) -> None:
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: fast.http.post("/pause"), range(64)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["since"] for answer in answers}) == 1


@pytest.mark.parametrize("content", ["", "{}", "nonsense", '{"since": 5}', '{"since": "soon"}'])
def test_a_damaged_file_still_pauses(fast: Gateway, content: str) -> None:
    (fast.uploads / ".paused").write_text(content)
    assert fast.http.post("/pause").json() == {"paused": True, "since": None}
    until(lambda: is_told(fast, {"since": None}))
    assert fast.http.get("/stats").json()["summary"].startswith("paused, uploads are taken")
    assert fast.http.post("/resume").json()["paused"] is False


@pytest.mark.parametrize("path", ["/pause", "/resume"])
def test_what_pauses_is_refused_to_other_sites_and_has_no_parameters(
    fast: Gateway, path: str
) -> None:
    evil = fast.http.post(path, headers={"Origin": "https://evil.example"})
    assert_problem(evil, 403, "cross_site")
    assert_problem(fast.http.post(path, params={"for": "5m"}), 422, "unknown_parameter")
    assert_problem(fast.http.get(path), 405, "method_not_allowed")
    assert not (fast.uploads / ".paused").exists()
