"""POST /media with an Idempotency-Key: sent again it is the same media, stored once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared import contract
from support import images
from support.fast import MIB, Gateway, assert_problem, client, form, gateway, head
from support.services import running, until

PHOTO = images.jpeg(size=(64, 64))
OTHER = images.jpeg(1, size=(64, 64))


@pytest.fixture(scope="module")
def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as service:
        yield service


@pytest.fixture
def fast(running_gateway: Gateway) -> Iterator[Gateway]:
    """A gateway that has no media yet; what it refuses or finds repeated leaves nothing."""
    for state in ("pending", "failed", "done"):
        for folder in (running_gateway.uploads / state).iterdir():
            folder.rename(running_gateway.uploads.parent / folder.name)
    for claim in (running_gateway.uploads / ".idempotency").iterdir():
        claim.unlink()
    running_gateway.redis.client.flushall()
    yield running_gateway
    until(lambda: running_gateway.folders("incoming") == set())
    assert "Traceback" not in running_gateway.server.console()


def assert_repeats(answer: httpx.Response, first: httpx.Response) -> None:
    assert (first.status_code, answer.status_code) == (202, 202)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.headers["Location"] == first.headers["Location"]
    for member in ("media_id", "filename", "status_url"):
        assert answer.json()[member] == first.json()[member]


def move(fast: Gateway, media_id: str, state: str, **progress: Any) -> Path:
    """Give a pending media another state, as a worker does."""
    folder = fast.uploads / state / media_id
    (fast.uploads / "pending" / media_id).rename(folder)
    (folder / "progress.json").write_text(json.dumps(progress))
    return folder


def test_an_upload_sent_again_with_its_key_is_the_same_media(fast: Gateway) -> None:
    first, again = (fast.post(PHOTO, key='"k-1"') for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert_repeats(again, first)
    assert again.json() == first.json()
    assert fast.folders("pending") == {first.json()["media_id"]}
    assert fast.redis.client.zcard("arq:watermark") == 1


def test_a_key_is_the_same_with_and_without_its_quotes(fast: Gateway) -> None:
    first = fast.post(PHOTO, key=r'"a\\b"')
    assert_repeats(fast.post(PHOTO, key=r"a\b"), first)


def test_other_keys_and_no_key_are_other_media(fast: Gateway) -> None:
    for key in ("a", "b", None, None):
        assert "Idempotent-Replayed" not in fast.post(PHOTO, key=key).headers
    assert len(fast.folders("pending")) == 4


def test_a_key_is_not_shown_not_even_its_hash(fast: Gateway) -> None:
    accepted = fast.post(PHOTO, key="secret")
    assert "idempotency_key" not in fast.http.get(accepted.headers["Location"]).json()


@pytest.mark.parametrize(("content", "name"), [(OTHER, "photo.jpg"), (PHOTO, "other.jpg")])
def test_a_key_does_not_go_with_another_file_or_name(
    fast: Gateway, content: bytes, name: str
) -> None:
    first = fast.post(PHOTO, key="k")
    detail = assert_problem(fast.post(content, name, key="k"), 422, "idempotency_key_reused")
    assert "photo.jpg" in detail["detail"]
    assert fast.folders("pending") == {first.json()["media_id"]}
    assert_repeats(fast.post(PHOTO, key="k"), first)


def test_a_refused_upload_does_not_take_its_key(fast: Gateway) -> None:
    assert_problem(fast.post(b"a note", key="k"), 415, "unsupported_format")
    assert fast.post(PHOTO, key="k").status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        ["Idempotency-Key:"],
        ['Idempotency-Key: ""'],
        ['Idempotency-Key: "no end'],
        ['Idempotency-Key: "a"b"'],
        [r'Idempotency-Key: "a\b"'],
        ["Idempotency-Key: two words"],
        ["Idempotency-Key: caf\xe9"],
        ["Idempotency-Key: " + 256 * "x"],
        ['Idempotency-Key: "' + 256 * "x" + '"'],
        ["Idempotency-Key: a", "Idempotency-Key: a"],
    ],
)
def test_what_is_no_key_is_refused_before_the_body_is_sent(
    fast: Gateway, headers: list[str]
) -> None:
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {MIB}", *headers))
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b'"code":"bad_idempotency_key"' in answer


@pytest.mark.parametrize(
    "key", ["x", 255 * "x", '"' + 255 * "x" + '"', "!#$%&'()*,/:;<=>?@[]^`{|}~", '"two words"']
)
def test_a_key_has_1_to_255_printable_characters(fast: Gateway, key: str) -> None:
    assert fast.post(PHOTO, key=key).status_code == 202


def test_20_clients_at_once_with_one_key_are_one_media(fast: Gateway) -> None:
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: fast.post(PHOTO, key="k"), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["media_id"] for answer in answers} == fast.folders("pending")
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert fast.redis.client.zcard("arq:watermark") == 1


def test_an_upload_whose_answer_was_lost_can_be_sent_again(fast: Gateway) -> None:
    body = form(PHOTO)
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {len(body)}", "Idempotency-Key: k") + body)
        until(lambda: fast.folders("pending"))
    again = fast.post(PHOTO, key="k")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert fast.folders("pending") == {again.json()["media_id"]}


@pytest.mark.parametrize(
    ("state", "status"), [("pending", "uploading"), ("failed", "failed"), ("done", "stored")]
)
def test_a_repeat_is_told_where_the_media_is_now(fast: Gateway, state: str, status: str) -> None:
    first = fast.post(PHOTO, key="k")
    marked = {"name": "watermarked_photo.jpg", "sha256": "0" * 64, "size": 1}
    folder = move(fast, first.json()["media_id"], state, status=status, run=3, watermarked=marked)
    fast.redis.client.flushall()
    again = fast.post(PHOTO, key="k")
    assert_repeats(again, first)
    assert again.json()["status"] == status
    assert again.json()["storage_path"] == str(folder / "photo.jpg")
    job = f"{folder.name}:upload:3".encode()
    assert fast.redis.client.zrange("arq:upload", 0, -1) == ([job] if state == "pending" else [])


def test_a_media_that_is_not_kept_any_more_is_not_stored_again(fast: Gateway) -> None:
    first = fast.post(PHOTO, key="k")
    move(fast, first.json()["media_id"], "done").rename(fast.uploads.parent / "gone")
    again = fast.post(PHOTO, key="k")
    assert_repeats(again, first)
    assert (again.json()["status"], again.json()["storage_path"]) == ("removed", None)


def test_a_key_holds_after_a_restart_and_for_every_gateway(fast: Gateway, tmp_path: Path) -> None:
    first = fast.post(PHOTO, key="k")
    env = {"UPLOAD_DIR": str(fast.uploads), "REDIS_URL": fast.redis.url, "MIN_FREE_MB": "0"}
    with running("fast-server", tmp_path, env) as server, client(server.url) as http:
        headers = {"Idempotency-Key": "k"}
        again = http.post("/media", files={"file": ("photo.jpg", PHOTO)}, headers=headers)
    assert again.json()["media_id"] == first.json()["media_id"]
    assert contract.is_media_id(again.json()["media_id"])
