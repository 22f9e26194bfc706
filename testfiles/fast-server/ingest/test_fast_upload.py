"""POST /media and what is there once it has answered 202."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest

from shared import contract
from support import images
from support.fast import MIB, Gateway, form, gateway, head, read_all

PHOTO = images.jpeg(size=(320, 240))


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running:
        yield running


def test_an_upload_is_answered_with_where_it_is_and_where_to_ask(fast: Gateway) -> None:
    answer = fast.post(PHOTO)
    media_id = answer.json()["media_id"]
    status_url = f"{fast.server.url}/media/{media_id}"
    assert answer.status_code == 202
    assert contract.is_media_id(media_id)
    assert answer.headers["Location"] == status_url
    assert answer.json() == {
        "message": "Task Enqueued",
        "media_id": media_id,
        "filename": "photo.jpg",
        "status": "queued",
        "storage_path": str(fast.uploads / "pending" / media_id / "photo.jpg"),
        "status_url": status_url,
    }


def test_an_upload_lies_whole_in_pending_and_nowhere_else(fast: Gateway) -> None:
    media_id = fast.post(PHOTO).json()["media_id"]
    folder = fast.uploads / "pending" / media_id
    record = json.loads((folder / "media.json").read_bytes())
    assert {path.name for path in folder.iterdir()} == {"photo.jpg", "media.json"}
    assert (folder / "photo.jpg").read_bytes() == PHOTO
    assert fast.folders("incoming") == fast.folders("failed") == fast.folders("done") == set()
    assert datetime.fromisoformat(record.pop("received_at")).tzinfo
    assert record == {
        "media_id": media_id,
        "filename": "photo.jpg",
        "content_type": "image/jpeg",
        "size": len(PHOTO),
        "sha256": hashlib.sha256(PHOTO).hexdigest(),
        "width": 320,
        "height": 240,
        "format_version": 1,
    }


def test_an_upload_is_queued_as_one_job_in_json(fast: Gateway) -> None:
    redis = fast.redis.client
    media_id = fast.post(PHOTO).json()["media_id"]
    job_id = f"{media_id}:watermark:1"
    job = json.loads(redis.get(f"arq:job:{job_id}"))
    assert redis.zscore("arq:watermark", job_id)
    assert (job["f"], job["a"], job["k"]) == ("watermark_image_task", [media_id, 1], {})
    assert redis.pttl(f"arq:job:{job_id}") > 29 * 86_400_000


def test_an_upload_can_be_asked_for_before_any_worker_has_seen_it(fast: Gateway) -> None:
    accepted = fast.post(PHOTO)
    described = fast.http.get(accepted.headers["Location"])
    folder = fast.uploads / "pending" / accepted.json()["media_id"]
    assert described.status_code == 200
    assert described.json() == {
        **json.loads((folder / "media.json").read_bytes()),
        "run": 1,
        "status": "queued",
        "attempts": [],
        "next_attempt_at": None,
        "error": None,
        "watermarked": None,
        "stored": None,
        "next": "It waits for a worker to watermark it.",
        "result_url": None,
    }


def test_25_uploads_of_one_name_at_once_are_25_media(fast: Gateway) -> None:
    photos = [images.jpeg(seed, size=(64, 64)) for seed in range(25)]
    with ThreadPoolExecutor(25) as clients:
        accepted = [answer.json() for answer in clients.map(fast.post, photos)]
    pending = fast.uploads / "pending"
    stored = [(pending / each["media_id"] / "photo.jpg").read_bytes() for each in accepted]
    jobs = {f"{each['media_id']}:watermark:1".encode() for each in accepted}
    assert stored == photos
    assert len(jobs) == 25
    assert jobs <= set(fast.redis.client.zrange("arq:watermark", 0, -1))


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (images.png(size=(64, 64)), "image/png"),
        (images.gif(size=(64, 64)), "image/gif"),
        (images.webp(size=(64, 64)), "image/webp"),
        (images.bmp(size=(64, 64)), "image/bmp"),
        (images.tiff(size=(64, 64)), "image/tiff"),
    ],
)
def test_the_content_says_what_it_is_and_not_its_name(
    fast: Gateway, content: bytes, media_type: str
) -> None:
    record = fast.http.get(fast.post(content, "photo.jpg").headers["Location"]).json()
    assert (record["content_type"], record["filename"]) == (media_type, "photo.jpg")
    assert (record["width"], record["height"]) == (64, 64)


def test_a_size_that_stands_behind_the_first_batch_is_found(fast: Gateway) -> None:
    content = images.encode(images.photo(size=(64, 32)), "JPEG", icc_profile=bytes(600_000))
    record = fast.http.get(fast.post(content).headers["Location"]).json()
    assert (record["width"], record["height"]) == (64, 32)


def test_a_size_that_cannot_be_told_is_null(fast: Gateway) -> None:
    content = images.encode(images.photo(size=(64, 32)), "JPEG2000", no_jp2=True)
    record = fast.http.get(fast.post(content).headers["Location"]).json()
    assert (record["content_type"], record["width"], record["height"]) == ("image/jp2", None, None)


def test_a_file_of_exactly_the_limit_is_taken(fast: Gateway) -> None:
    content = PHOTO.ljust(MIB, b"\0")
    record = fast.http.get(fast.post(content).headers["Location"]).json()
    assert record["size"] == MIB
    assert record["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_image_sent_without_a_name_is_given_one(fast: Gateway) -> None:
    """Some clients leave an empty file name out."""
    answer = fast.http.post("/media", files={"file": (None, PHOTO)})
    assert (answer.status_code, answer.json()["filename"]) == (202, "upload")


def test_fields_besides_the_file_are_ignored(fast: Gateway) -> None:
    files: list[Any] = [
        ("note", (None, "hello")),
        ("file", ("a.jpg", PHOTO)),
        ("other", ("b.txt", b"text")),
    ]
    answer = fast.http.post("/media", files=files)
    assert (answer.status_code, answer.json()["filename"]) == (202, "a.jpg")


def test_a_body_that_trickles_in_byte_by_byte_is_taken(fast: Gateway) -> None:
    content = PHOTO[:3000]
    body = form(content)
    with fast.connect() as connection:
        connection.sendall(head(f"Content-Length: {len(body)}", "Connection: close"))
        for at in range(len(body)):
            connection.sendall(body[at : at + 1])
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 202 ")
    media_id = json.loads(answer.partition(b"\r\n\r\n")[2])["media_id"]
    assert (fast.uploads / "pending" / media_id / "photo.jpg").read_bytes() == content


@pytest.mark.parametrize("framing", ["HTTP/1.0", "chunked", "Expect", "pipelined"])
def test_an_upload_is_taken_however_it_is_framed(fast: Gateway, framing: str) -> None:
    body, last = form(PHOTO), "Connection: close"
    length = f"Content-Length: {len(body)}"
    sent = {
        "HTTP/1.0": head(length, version="1.0") + body,
        "chunked": head("Transfer-Encoding: chunked", last)
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
        "Expect": head(length, "Expect: 100-continue", last),
        "pipelined": head(length) + body + head(length, last) + body,
    }[framing]
    with fast.connect() as connection:
        connection.sendall(sent)
        if framing == "Expect":
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
            connection.sendall(body)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert answer.count(b'"message":"Task Enqueued"') == (2 if framing == "pipelined" else 1)
