"""GET /media/{media_id}/image and /original: the files of a media, whole, in part or not again."""

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from ulid import ULID

from shared.contract import Status
from shared.redis import events
from shared.redis.events import EVENTS_KEY, Event
from shared.spool import Spool
from shared.web import disposition
from support import images
from support.fast import Gateway, assert_problem, gateway
from support.services import Server, running, until
from support.web_server import Request, Web

ORIGINAL = images.jpeg()
IMAGE = images.jpeg(size=(64, 48))
NAME = 'Größe 1% "日本".jpg'
SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
OUTPUT = {"name": "watermarked_a.jpg", "sha256": "0" * 64, "size": 1}
FILES = ("image", "original")


@contextmanager
def running_central(folder: Path) -> Iterator[Server]:
    (folder / "central").mkdir()
    with running("central-server", folder / "central", {"MIN_FREE_MB": "0"}) as server:
        yield server


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_central(tmp_path_factory.mktemp("central")) as server:
        yield server


@pytest.fixture(scope="module")
def fast(central: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder, address = tmp_path_factory.mktemp("fast"), f"{central.url}/upload-final"
    with gateway(folder, CENTRAL_SERVER_URL=address) as service:
        yield service


def media_in(fast: Gateway, state: str, **progress: Any) -> str:
    """A media in that state, without a worker."""
    media_id: str = fast.post(ORIGINAL, NAME).json()["media_id"]
    with Spool(fast.uploads).hold(media_id) as media:
        media.progress |= progress  # type: ignore[typeddict-item]
        media.save()
        media.move(state)
    return media_id


def stored(fast: Gateway, central: Server, name: str = f"watermarked_{NAME}") -> str:
    """A media that central has; its worker called it so."""
    file = {"name": name, "sha256": "0" * 64, "size": len(IMAGE)}
    media_id = media_in(fast, "done", status=Status.STORED, watermarked=file, stored=file)
    deliver(central, media_id, name)
    return media_id


def deliver(central: Server, media_id: str, name: str = "watermarked_photo.jpg") -> None:
    files = {"file": (name, IMAGE, "image/jpeg")}
    data = {"worker_name": "worker-1", "media_id": media_id}
    httpx.post(
        f"{central.url}/upload-final", files=files, data=data, trust_env=False
    ).raise_for_status()


def saved_as(answer: httpx.Response) -> str | None:
    header = answer.headers["Content-Disposition"].encode()
    return disposition.parse(header, follows_content_type=False)[1]


@pytest.mark.parametrize(("what", "content"), [("image", IMAGE), ("original", ORIGINAL)])
def test_it_comes_whole_under_its_name_and_runs_nothing(
    fast: Gateway, central: Server, what: str, content: bytes
) -> None:
    media_id = stored(fast, central)
    answer = fast.http.get(f"/media/{media_id}/{what}")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == SANDBOX
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Content-Disposition"].startswith("inline; ")
    kept = fast.http.get(f"/media/{media_id}").json()["filename"]
    assert saved_as(answer) == (f"watermarked_{NAME}" if what == "image" else kept)


@pytest.mark.parametrize("what", FILES)
def test_a_browser_and_curl_save_it_under_its_name(
    fast: Gateway, central: Server, what: str
) -> None:
    media_id = stored(fast, central)
    said = fast.http.get(f"/media/{media_id}/{what}?download=1").headers["Content-Disposition"]
    plain = "Gr__e 1_ ____.jpg" if what == "original" else "watermarked_Gr__e 1_ ____.jpg"
    assert said.startswith(f'attachment; filename="{plain}"; filename*=UTF-8')
    assert said.isascii()


@pytest.mark.parametrize("what", FILES)
def test_a_part_of_it_can_be_asked_for(fast: Gateway, central: Server, what: str) -> None:
    url = f"/media/{stored(fast, central)}/{what}"
    whole = fast.http.get(url)
    content, size = whole.content, len(whole.content)
    for asked, start, end in (("0-9", 0, 9), ("10-", 10, size - 1), ("-5", size - 5, size - 1)):
        part = fast.http.get(url, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, content[start : end + 1])
        assert part.headers["Content-Range"] == f"bytes {start}-{end}/{size}"
    two = fast.http.get(url, headers={"Range": "bytes=0-1,5-6"})
    assert two.headers["Content-Type"].startswith("multipart/byteranges")
    beyond = fast.http.get(url, headers={"Range": f"bytes={size}-"})
    assert_problem(beyond, 416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    same = {"Range": "bytes=0-9", "If-Range": whole.headers["ETag"]}
    assert fast.http.get(url, headers=same).status_code == 206
    assert fast.http.get(url, headers=same | {"If-Range": '"other"'}).content == content
    after_its_end = {"Range": f"bytes={size}-", "If-Range": '"of a longer one"'}
    assert fast.http.get(url, headers=after_its_end).content == content


@pytest.mark.parametrize("what", FILES)
def test_whoever_has_it_is_told_so(fast: Gateway, central: Server, what: str) -> None:
    url = f"/media/{stored(fast, central)}/{what}"
    first = fast.http.get(url)
    for said in ("ETag", "Last-Modified"):
        name = "If-None-Match" if said == "ETag" else "If-Modified-Since"
        again = fast.http.get(url, headers={name: first.headers[said]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        beyond = {name: first.headers[said], "Range": "bytes=99999999-"}
        assert fast.http.get(url, headers=beyond).status_code == 304
    for other in (b'"other"', '"größer"'.encode("latin-1"), '"größer"'.encode()):
        assert fast.http.get(url, headers={b"If-None-Match": other}).content == first.content


@pytest.mark.parametrize("what", FILES)
def test_its_head_is_that_of_the_whole(fast: Gateway, central: Server, what: str) -> None:
    url = f"/media/{stored(fast, central)}/{what}"
    head, whole = fast.http.head(url), fast.http.get(url)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition"):
        assert head.headers[name] == whole.headers[name]


def test_the_record_and_the_list_say_where_it_is(fast: Gateway, central: Server) -> None:
    waits = fast.post(ORIGINAL).json()["media_id"]
    media_id = stored(fast, central)
    url = fast.http.get(f"/media/{media_id}").json()["result_url"]
    assert url == f"{fast.http.base_url}/media/{media_id}/image".replace("///", "//")
    assert fast.http.get(url).content == IMAGE
    assert fast.http.get(f"/media/{waits}").json()["result_url"] is None

    with Spool(fast.uploads).hold(media_id) as media:
        told = events.encoded(events.now(media), Event.STORED)
    fast.redis.client.xadd(EVENTS_KEY, {"item": told})
    until(lambda: listed(fast)[media_id] == url)
    assert listed(fast)[waits] is None


def listed(fast: Gateway) -> dict[str, str | None]:
    page = fast.http.get("/media").json()["media"]
    return {item["media_id"]: item["result_url"] for item in page}


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        ({}, "waits for a worker"),
        ({"status": Status.WATERMARKED, "watermarked": OUTPUT}, "send it to central"),
    ],
)
def test_an_image_that_is_not_stored_yet_says_what_comes_next(
    fast: Gateway, progress: dict[str, Any], said: str
) -> None:
    media_id = media_in(fast, "pending", **progress)
    refused = fast.http.get(f"/media/{media_id}/image")
    assert said in assert_problem(refused, 404, "not_stored")["detail"]
    assert fast.http.get(f"/media/{media_id}/original").content == ORIGINAL


def test_an_image_that_failed_says_why_and_what_to_do(fast: Gateway) -> None:
    error = {"code": "corrupt_image", "detail": "The image is damaged."}
    media_id = media_in(fast, "failed", status=Status.FAILED, error=error)
    refused = fast.http.get(f"/media/{media_id}/image")
    detail = assert_problem(refused, 404, "not_stored")["detail"]
    assert "The image is damaged. Nothing by itself: POST" in detail
    assert fast.http.get(f"/media/{media_id}/original").content == ORIGINAL


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("media_id", [str(ULID()), "x", "%2e%2e", "%00"])
def test_what_nobody_knows_is_not_found(fast: Gateway, what: str, media_id: str) -> None:
    assert_problem(fast.http.get(f"/media/{media_id}/{what}"), 404, "media_not_found")


def test_an_image_stays_when_its_record_has_been_dropped(fast: Gateway, central: Server) -> None:
    """As KEEP_ORIGINALS_DAYS does."""
    media_id = stored(fast, central, "watermarked_photo.jpg")
    shutil.rmtree(fast.uploads / "done" / media_id)
    answer = fast.http.get(f"/media/{media_id}/image")
    assert (answer.content, saved_as(answer)) == (IMAGE, "watermarked_photo.jpg")
    assert_problem(fast.http.get(f"/media/{media_id}/original"), 404, "media_not_found")


def test_an_image_that_central_lost_is_not_stored(fast: Gateway, central: Server) -> None:
    media_id = stored(fast, central)
    httpx.delete(f"{central.url}/media/{media_id}", trust_env=False).raise_for_status()
    refused = fast.http.get(f"/media/{media_id}/image")
    assert "Central says: " in assert_problem(refused, 404, "not_stored")["detail"]


@pytest.mark.parametrize("in_its_place", ["nothing", "folder", "link", "pipe"])
def test_an_original_that_is_gone_says_so(fast: Gateway, tmp_path: Path, in_its_place: str) -> None:
    media_id = media_in(fast, "pending")
    [path] = (fast.uploads / "pending" / media_id).glob("*.jpg")
    path.unlink()
    if in_its_place == "folder":
        path.mkdir()
    elif in_its_place == "link":
        path.symlink_to("/etc/hostname")
    elif in_its_place == "pipe":
        os.mkfifo(path)
    assert_problem(fast.http.get(f"/media/{media_id}/original"), 404, "original_missing")


def test_an_original_whose_record_is_damaged_is_not_there(fast: Gateway) -> None:
    media_id = media_in(fast, "pending")
    (fast.uploads / "pending" / media_id / "media.json").write_text("{")
    assert_problem(fast.http.get(f"/media/{media_id}/original"), 404, "original_missing")


def test_an_original_is_sent_whole_while_it_is_deleted(fast: Gateway, central: Server) -> None:
    media_id = stored(fast, central)
    with fast.http.stream("GET", f"/media/{media_id}/original") as answer:
        assert fast.http.delete(f"/media/{media_id}").status_code == 204
        assert answer.read() == ORIGINAL


@pytest.mark.parametrize("what", FILES)
def test_a_senseless_parameter_is_refused(fast: Gateway, what: str) -> None:
    url = f"/media/{media_in(fast, 'pending')}/{what}"
    assert_problem(fast.http.get(f"{url}?download=maybe"), 422, "invalid_request")
    assert_problem(fast.http.get(f"{url}?downlaod=1"), 422, "unknown_parameter")
    assert_problem(fast.http.get(f"{url}?download=1&download=0"), 422, "repeated_parameter")


def test_central_that_is_frozen_or_gone_is_said(tmp_path: Path) -> None:
    with running_central(tmp_path) as central:
        address = f"{central.url}/upload-final"
        with gateway(tmp_path, CENTRAL_SERVER_URL=address) as fast:
            url = f"/media/{stored(fast, central)}/image"
            os.kill(central.process.pid, signal.SIGSTOP)
            try:
                refused = fast.http.get(url)
            finally:
                os.kill(central.process.pid, signal.SIGCONT)
            assert "within 5 s" in assert_problem(refused, 503, "central_unreachable")["detail"]
            central.process.kill()
            assert_problem(fast.http.get(url), 503, "central_unreachable")


MARKS = {"X_Content_Type_Options": "nosniff"}


def login(request: Request) -> None:
    request.respond(200, b"<form>", Content_Type="text/html", **MARKS)


def unmarked(request: Request) -> None:
    request.respond(200, IMAGE, Content_Type="image/jpeg")


def drawing(request: Request) -> None:
    request.respond(200, b"<svg/>", Content_Type="image/svg+xml", **MARKS)


def packed(request: Request) -> None:
    request.respond(200, IMAGE, Content_Type="image/jpeg", Content_Encoding="gzip", **MARKS)


def elsewhere(request: Request) -> None:
    request.respond(302, Location=f"{request.web.url}/other")


def missing(request: Request) -> None:
    request.respond(404, b"<h1>Not found</h1>", Content_Type="text/html")


@pytest.mark.parametrize("stranger", [login, unmarked, drawing, packed, elsewhere, missing])
def test_what_is_not_centrals_own_is_not_passed_on(
    tmp_path: Path, stranger: Callable[[Request], None]
) -> None:
    with Web(stranger) as web, gateway(tmp_path, CENTRAL_SERVER_URL=web.url) as fast:
        refused = fast.http.get(f"/media/{ULID()}/image")
        assert len(web.requests) == 1
    assert_problem(refused, 503, "central_unreachable")


def breaks_off(request: Request) -> None:
    named = {"Content_Type": "image/jpeg", "Content_Length": "1000", "Set_Cookie": "a=b"}
    request.respond(200, b"half", **named, **MARKS)


def test_half_an_image_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    with Web(breaks_off) as web, gateway(tmp_path, CENTRAL_SERVER_URL=web.url) as fast:
        with fast.http.stream("GET", f"/media/{ULID()}/image") as answer:
            assert "Set-Cookie" not in answer.headers
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        until(lambda: "central's answer broke off" in fast.server.console())
        assert "Traceback" not in fast.server.console()


def test_a_client_that_leaves_is_left_by_central_too(fast: Gateway, central: Server) -> None:
    media_id = str(ULID())
    files = {"file": ("watermarked_large.jpg", os.urandom(20_000_000), "image/jpeg")}
    data = {"worker_name": "worker-1", "media_id": media_id}
    httpx.post(f"{central.url}/upload-final", files=files, data=data, trust_env=False)
    with fast.connect() as call:
        call.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        call.sendall(f"GET /media/{media_id}/image HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert call.recv(12) == b"HTTP/1.1 200"
        until(lambda: "watermarked_large.jpg" in open_files(central))
    until(lambda: "watermarked_large.jpg" not in open_files(central))
    assert "Traceback" not in fast.server.console()


def open_files(server: Server) -> set[str]:
    links = Path(f"/proc/{server.process.pid}/fd").iterdir()
    return {link.readlink().name for link in links if link.is_symlink()}
