"""One attempt to ship an image to a central that behaves, misbehaves or is not there."""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

import errors
from pipeline.delivery import Central
from shared.contract import FileRecord
from support.web_server import Request, Web, as_central

MEDIA_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
CONTENT = os.urandom(300_000)
PROBLEM = json.dumps({"code": "bad_media_id", "detail": "That is not a media id."}).encode()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "watermarked_photo.jpg"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def central() -> Iterator[Web]:
    with Web(as_central) as web:
        yield web


def deliver(url: str, path: Path, timeout_s: float = 20) -> FileRecord:
    async def attempt() -> FileRecord:
        client = Central(f"{url}/upload-final", "worker-1", timeout_s)
        try:
            return await client.deliver(path, MEDIA_ID, "image/jpeg")
        finally:
            await client.close()

    return asyncio.run(attempt())


def failure(
    web: Web, image: Path, answer: Callable[[Request], None], timeout_s: float = 20
) -> errors.StageError:
    web.answer = answer
    with pytest.raises(errors.StageError) as told:
        deliver(web.url, image, timeout_s)
    assert web.url in told.value.detail
    return told.value


def assert_worth_a_retry(error: errors.StageError) -> None:
    assert isinstance(error, errors.Unavailable)
    assert error.code == "central_unreachable"


def test_what_central_stored_is_the_answer(central: Web, image: Path) -> None:
    stored = deliver(central.url, image)
    assert stored["name"] == "watermarked_photo.jpg"
    assert stored["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert stored["size"] == len(CONTENT)
    assert datetime.fromisoformat(stored["stored_at"]) <= datetime.now(UTC)
    [request] = central.requests
    assert request.path == "/upload-final"
    assert (request.field("worker_name"), request.field("media_id")) == (
        b"worker-1",
        MEDIA_ID.encode(),
    )
    assert request.field("file") == CONTENT


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507])
def test_a_server_in_trouble_is_tried_again(central: Web, image: Path, status: int) -> None:
    error = failure(central, image, lambda request: request.respond(status, PROBLEM))
    assert_worth_a_retry(error)
    assert f"answered {status}: That is not a media id." in error.detail
    assert error.retry_after_s == 0


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 413, 415, 422])
def test_a_refusal_is_final_and_passes_on_the_sentence(
    central: Web, image: Path, status: int
) -> None:
    location = {"Location": "http://elsewhere/"} if status < 400 else {}
    error = failure(central, image, lambda request: request.respond(status, PROBLEM, **location))
    assert isinstance(error, errors.CentralRefused)
    assert (error.code, error.attempts) == ("central_refused", 1)
    assert f"answered {status}: That is not a media id." in error.detail


@pytest.mark.parametrize("body", [b"Payload Too Large", b"[1]", b'{"detail"', b"", b"\xff" * 9999])
def test_a_refusal_without_a_sentence_is_told_by_what_came(
    central: Web, image: Path, body: bytes
) -> None:
    error = failure(central, image, lambda request: request.respond(413, body))
    assert isinstance(error, errors.CentralRefused)
    assert "answered 413: " in error.detail
    assert len(error.detail) < 1000


def in_two_minutes() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (lambda: "120", 120),
        (in_two_minutes, 120),
        (lambda: "Wed, 21 Oct 2015 07:28:00 GMT", 0),
        (lambda: "soon", 0),
        (lambda: "-5", 0),
        (lambda: "", 0),
        (lambda: "9" * 400, 3600),
        (lambda: "Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
    ids=["seconds", "date", "past", "words", "negative", "empty", "seconds for ever", "for ever"],
)
@pytest.mark.parametrize("status", [429, 503])
def test_central_says_when_to_come_again_up_to_an_hour(
    central: Web, image: Path, status: int, value: Callable[[], str], wait_s: float
) -> None:
    error = failure(central, image, lambda request: request.respond(status, Retry_After=value()))
    assert_worth_a_retry(error)
    assert error.retry_after_s == pytest.approx(wait_s, abs=5)


def hang(request: Request) -> None:
    request.web.over.wait()


def drip(request: Request) -> None:
    """A byte now and then: no single read takes long."""
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    while not request.web.over.wait(0.05):
        request.wfile.write(b" ")


@pytest.mark.parametrize("answer", [hang, drip])
def test_one_that_gives_no_answer_in_time_is_tried_again(
    central: Web, image: Path, answer: Callable[[Request], None]
) -> None:
    error = failure(central, image, answer, timeout_s=0.5)
    assert_worth_a_retry(error)
    assert "gave no answer within 0.5 s" in error.detail


def close(request: Request) -> None:
    request.close_connection = True


def break_off(request: Request) -> None:
    request.respond(200, b'{"name": "watermarked', Content_Length="1000")
    request.close_connection = True


def nonsense(request: Request) -> None:
    request.wfile.write(b"hello there\r\n\r\n")
    request.close_connection = True


def not_gzip(request: Request) -> None:
    request.respond(200, b"plain", Content_Encoding="gzip")


@pytest.mark.parametrize("answer", [close, break_off, nonsense, not_gzip])
def test_a_connection_that_goes_wrong_is_tried_again(
    central: Web, image: Path, answer: Callable[[Request], None]
) -> None:
    error = failure(central, image, answer)
    assert_worth_a_retry(error)
    assert "cannot be reached: " in error.detail


def test_nobody_there_is_tried_again(central: Web, image: Path) -> None:
    central.__exit__()
    assert_worth_a_retry(failure(central, image, as_central))


@pytest.mark.parametrize(
    "body", [b"<html>Welcome to the hotel's wifi</html>", b"{}", b"null", b"[]", b"", b"\xff"]
)
def test_a_200_that_is_not_centrals_is_tried_again(central: Web, image: Path, body: bytes) -> None:
    error = failure(central, image, lambda request: request.respond(200, body))
    assert_worth_a_retry(error)
    assert "not as central-server does" in error.detail


def test_a_missing_file_is_a_fault_of_the_disk(central: Web, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        deliver(central.url, tmp_path / "missing.jpg")
    assert central.requests == []
