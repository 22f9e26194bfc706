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
from pipeline.delivery import DeliveryClient
from shared.contract import FileRecord
from support.web_server import Request, Web, as_central

MEDIA_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


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
        client = DeliveryClient(f"{url}/upload-final", "worker-1", timeout_s)
        try:
            return await client.deliver(path, MEDIA_ID, "image/jpeg", SHA256)
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


@pytest.mark.parametrize("status", [400, 404, 408, 421, 425, 429, 500, 502, 503, 504])
def test_a_central_in_trouble_is_tried_again(central: Web, image: Path, status: int) -> None:
    error = failure(central, image, lambda request: request.refuse(status, "in_trouble", "Later."))
    assert_worth_a_retry(error)
    assert f"answered {status}: Later." in error.detail
    assert error.retry_after_s == 0


def test_a_central_without_room_has_a_code_of_its_own(central: Web, image: Path) -> None:
    error = failure(central, image, lambda request: request.refuse(507, "disk_full", "It is full."))
    assert isinstance(error, errors.Unavailable)
    assert error.code == "central_full"
    assert "answered 507: It is full." in error.detail


@pytest.mark.parametrize("status", [410, 413, 415, 422])
def test_what_central_says_of_the_image_is_final(central: Web, image: Path, status: int) -> None:
    error = failure(central, image, lambda request: request.refuse(status, "no", "Not that one."))
    assert isinstance(error, errors.CentralRefused)
    assert (error.code, error.attempts) == ("central_refused", 1)
    assert f"answered {status}: Not that one." in error.detail


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 413, 415, 421, 422, 425])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>413 Request Entity Too Large</html>", "text/html"),
        (b'{"detail": "Not Found"}', "application/json"),
        (b'{"type": "about:blank", "code": "no", "detail": "no"}', "application/problem+json"),
        (b'{"type": "urn:problem:no"}', "application/problem+json"),
        (b"[1]", "application/problem+json"),
        (b'{"detail"', "application/problem+json"),
        (b"", "application/problem+json"),
        (b"\xff" * 9999, "image/jpeg"),
    ],
)
def test_a_proxy_that_says_no_is_tried_again_and_the_setting_named(
    central: Web, image: Path, status: int, body: bytes, content_type: str
) -> None:
    where = {"Location": "http://elsewhere/", "Content_Type": content_type}
    error = failure(central, image, lambda request: request.respond(status, body, **where))
    assert_worth_a_retry(error)
    assert f"answered {status}{': ' if body else '. If that is'}" in error.detail
    assert "CENTRAL_SERVER_URL" in error.detail
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
    assert error.detail.endswith("gave no answer within 0.5 s.")


def close(request: Request) -> None:
    request.close_connection = True


def break_off(request: Request) -> None:
    request.respond(200, b'{"name": "watermarked', Content_Length="1000")
    request.close_connection = True


def nonsense(request: Request) -> None:
    request.wfile.write(b"hello there\r\n\r\n")
    request.close_connection = True


@pytest.mark.parametrize("answer", [close, break_off, nonsense])
def test_a_connection_that_goes_wrong_is_tried_again(
    central: Web, image: Path, answer: Callable[[Request], None]
) -> None:
    error = failure(central, image, answer)
    assert_worth_a_retry(error)
    assert "cannot be reached: " in error.detail


def test_nobody_there_is_tried_again(central: Web, image: Path) -> None:
    central.__exit__()
    assert_worth_a_retry(failure(central, image, as_central))


@pytest.mark.parametrize("name", ["../photo.jpg", "a/b", "", "..", "\ud800", "n" * 256, "a\0b"])
def test_a_name_that_is_no_files_is_none_of_centrals(central: Web, image: Path, name: str) -> None:
    body = json.dumps({"name": name, "sha256": "0" * 64, "size": 1}).encode()
    error = failure(central, image, lambda request: request.respond(200, body))
    assert_worth_a_retry(error)
    assert "no file's name" in error.detail


OWN = {"name": "watermarked_photo.jpg", "sha256": SHA256, "size": len(CONTENT), "duplicate": False}


@pytest.mark.parametrize(
    "changed",
    [
        {"name": None},
        {"name": ["a"]},
        {"sha256": None},
        {"sha256": "\ud800"},
        {"sha256": SHA256.upper()},
        {"size": None},
        {"size": "5"},
        {"size": float("inf")},
        {"sha256": "0" * 64},  # of another image
        {"sha256": "0" * 64, "duplicate": "true"},
    ],
)
def test_a_200_that_is_not_about_this_image_is_none_of_centrals(
    central: Web, image: Path, changed: dict[str, object]
) -> None:
    body = json.dumps({**OWN, **changed}).encode()
    assert_worth_a_retry(failure(central, image, lambda request: request.respond(200, body)))


def test_a_200_about_another_media_is_none_of_centrals(central: Web, image: Path) -> None:
    where = {"Content_Location": "/media/01KAP3V8Z4J5N6Q7R8S9T0VWXZ"}
    body = json.dumps(OWN).encode()
    error = failure(central, image, lambda request: request.respond(200, body, **where))
    assert_worth_a_retry(error)


def test_what_central_stored_before_may_be_another_image(central: Web, image: Path) -> None:
    body = json.dumps({**OWN, "sha256": "0" * 64, "duplicate": True}).encode()
    central.answer = lambda request: request.respond(200, body)
    assert deliver(central.url, image)["sha256"] == "0" * 64


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"[" * 60_000, {}),
        (200, b"plain", {"Content_Encoding": "gzip"}),
        (200, b" " * 70_000, {}),
        (503, b'{"detail": "\\ud800"}', {"Content_Type": "application/problem+json"}),
        (503, b"\\ud800 hello", {"Content_Type": "text/html; charset=unicode_escape"}),
        (503, b"6162", {"Content_Type": "text/plain; charset=hex"}),
        (503, b"", {"Retry_After": f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"}),
        (503, b"", {"Retry_After": "Mon, 01 Jan 2026 00:00:00 GMT", "Date": "x"}),
    ],
)
def test_whatever_stands_where_central_should_it_is_tried_again(
    central: Web, image: Path, status: int, body: bytes, headers: dict[str, str]
) -> None:
    error = failure(central, image, lambda request: request.respond(status, body, **headers))
    assert_worth_a_retry(error)
    error.detail.encode()  # as a record and a console do


def test_an_answer_without_end_is_not_read_to_its_end(central: Web, image: Path) -> None:
    sent: list[int] = []

    def pour(request: Request) -> None:
        request.send_response(200)
        request.end_headers()
        while not request.web.over.is_set() and len(sent) < 10_000:
            request.wfile.write(b" " * 65_536)
            sent.append(65_536)

    assert_worth_a_retry(failure(central, image, pour))
    assert len(sent) < 10_000


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
