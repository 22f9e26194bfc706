"""What central-server shows: stored images, the log's end, its health, its documentation."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.central import JPEG, MEDIA_ID, deliver
from support.services import InProcess, in_process

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def central(tmp_path: Path) -> Iterator[InProcess]:
    env = {"STORAGE_DIR": str(tmp_path / "storage"), "ACTIVITY_LOG": str(tmp_path / "log")}
    with in_process("central-server", env) as service:
        yield service


@pytest.mark.parametrize(
    ("declared", "name", "served"),
    [
        ("image/jpeg", "photo.jpg", "image/jpeg"),
        ("image/png", "photo.jpg", "image/png"),
        ("IMAGE/AVIF; q=1", "photo", "image/avif"),
        ("application/octet-stream", "photo.jpg", "image/jpeg"),
        ("application/octet-stream", "photo.WEBP", "image/webp"),
        ("application/octet-stream", "photo.avif", "image/avif"),
        ("application/octet-stream", "photo.heic", "image/heic"),
        ("application/octet-stream", "photo.jp2", "image/jp2"),
        ("application/octet-stream", "photo", "application/octet-stream"),
        ("application/octet-stream", "photo.jpg.gz", "application/octet-stream"),
        ("text/html", "page.html", "application/octet-stream"),
        ("image/svg+xml", "drawing.svg", "application/octet-stream"),
        ("image/svg+xml", "photo.jpg", "image/jpeg"),
        ("image/png, text/html", "page.html", "application/octet-stream"),
    ],
)
def test_a_stored_image_is_served_as_what_it_was_delivered_as(
    central: InProcess, declared: str, name: str, served: str
) -> None:
    """But only as an image, which no client's page or script is."""
    deliver(central, SVG, name, declared, media_id=MEDIA_ID)
    answer = central.get(f"/media/{MEDIA_ID}")
    assert answer.content == SVG
    assert answer.headers["Content-Type"] == served
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("written", [None, "text/html"])
def test_an_image_whose_receipt_has_no_image_type_is_served_by_its_name(
    central: InProcess, tmp_path: Path, written: str | None
) -> None:
    """As in receipts of older versions, or edited ones."""
    deliver(central, name="photo.jpg", content_type="image/png", media_id=MEDIA_ID)
    path = tmp_path / "storage" / ".receipts" / f"{MEDIA_ID}.json"
    receipt = json.loads(path.read_bytes())
    assert receipt.pop("content_type") == "image/png"
    path.write_text(json.dumps(receipt if written is None else receipt | {"content_type": written}))
    assert central.get(f"/media/{MEDIA_ID}").headers["Content-Type"] == "image/jpeg"
    assert central.get(f"/media/{MEDIA_ID}/receipt").json()["name"] == "photo.jpg"


def test_whoever_has_the_image_already_is_told_so(central: InProcess) -> None:
    deliver(central, media_id=MEDIA_ID)
    first = central.get(f"/media/{MEDIA_ID}")
    etag = first.headers["ETag"]
    for said in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = central.get(f"/media/{MEDIA_ID}", headers={"If-None-Match": said})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
    other = central.get(f"/media/{MEDIA_ID}", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_since_when_an_image_is_stored_can_be_asked_as_well(central: InProcess) -> None:
    deliver(central, media_id=MEDIA_ID)
    since = central.get(f"/media/{MEDIA_ID}").headers["Last-Modified"]
    for said, status in ((since, 304), ("Thu, 01 Jan 1970 00:00:00 GMT", 200), ("nonsense", 200)):
        answer = central.get(f"/media/{MEDIA_ID}", headers={"If-Modified-Since": said})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "media_id", [MEDIA_ID, MEDIA_ID.lower(), "x", ".", "..%2F..%2Flog", MEDIA_ID + ".json", "%00"]
)
def test_what_is_not_stored_is_not_found(central: InProcess, media_id: str) -> None:
    answer = central.get(f"/media/{media_id}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_image_an_operator_deleted_is_not_found(central: InProcess, tmp_path: Path) -> None:
    deliver(central, media_id=MEDIA_ID)
    (tmp_path / "storage" / "watermarked_photo.jpg").unlink()
    assert central.get(f"/media/{MEDIA_ID}").json()["code"] == "media_not_found"


def test_the_log_can_be_read_and_is_empty_before_the_first_image(
    central: InProcess, tmp_path: Path
) -> None:
    (tmp_path / "log").unlink()
    assert (central.get("/activity").status_code, central.get("/activity").text) == (200, "")
    deliver(central, name="größe.jpg")
    answer = central.get("/activity")
    assert answer.text.endswith("] WORKER: worker-1 | IMAGE: größe.jpg\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("tail", [1, 2, 99, 3000, 100_000])
@pytest.mark.parametrize("end", ["\n", ""])
def test_tail_gives_the_last_lines(central: InProcess, tmp_path: Path, tail: int, end: str) -> None:
    lines = [f"{number:05} {'x' * 60}" for number in range(5000)]
    (tmp_path / "log").write_text("\n".join(lines) + end)
    assert central.get(f"/activity?tail={tail}").text == "\n".join(lines[-tail:]) + end


def test_tail_of_a_huge_log_reads_only_its_end(central: InProcess, tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        log.seek(1 << 40)  # a terabyte, were it not sparse
        log.write(b"\nlast\n")
    assert central.get("/activity?tail=1").text == "last\n"


@pytest.mark.parametrize("tail", ["0", "-1", "100001", "ten"])
def test_a_senseless_tail_is_refused(central: InProcess, tail: str) -> None:
    answer = central.get(f"/activity?tail={tail}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_ready_tells_which_folder_cannot_be_used(central: InProcess, tmp_path: Path) -> None:
    assert central.get("/ready").json() == {"status": "ready", "keep_receipts_days": None}
    (tmp_path / "storage").rename(tmp_path / "gone")
    answer = central.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith(f"STORAGE_DIR={tmp_path / 'storage'}: No such file")
    (tmp_path / "gone").rename(tmp_path / "storage")
    (tmp_path / "log").unlink()
    (tmp_path / "log").mkdir()
    assert (
        central.get("/ready").json()["detail"] == f"ACTIVITY_LOG={tmp_path / 'log'}: Is a directory"
    )
    assert central.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize("hidden", [".deleted", ".intents", ".names", ".receipts"])
def test_ready_names_the_hidden_folder_that_is_missing(
    central: InProcess, tmp_path: Path, hidden: str
) -> None:
    storage = tmp_path / "storage"
    (storage / hidden).rmdir()
    answer = central.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"] == f"STORAGE_DIR={storage}: its folder {hidden} is missing"


@pytest.mark.parametrize("asked_first", [True, False])
def test_the_folder_of_uploads_comes_back_by_itself(
    central: InProcess, tmp_path: Path, asked_first: bool
) -> None:
    (tmp_path / "storage" / ".incoming").rmdir()
    if asked_first:
        assert central.get("/ready").status_code == 200
    assert deliver(central, media_id=MEDIA_ID).status_code == 200
    assert central.get(f"/media/{MEDIA_ID}").content == JPEG
    assert central.get("/ready").status_code == 200


def test_many_may_ask_at_once_whether_it_is_ready(central: InProcess) -> None:
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda _: central.get("/ready"), range(200)))
    assert {answer.status_code for answer in answers} == {200}


def test_the_documentation_offers_the_form_and_every_refusal(central: InProcess) -> None:
    openapi = central.get("/openapi.json").json()
    post = openapi["paths"]["/upload-final"]["post"]
    form = post["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file", "worker_name"]
    assert set(form["properties"]) == {"file", "worker_name", "media_id"}
    assert set(post["responses"]) == {
        *("200", "400", "403", "408", "410", "413", "415", "421", "422", "503", "507")
    }
    examples = post["responses"]["422"]["content"]["application/problem+json"]["examples"]
    assert examples["worker_missing"]["value"]["status"] == 422
    delete = openapi["paths"]["/media/{media_id}"]["delete"]
    assert set(delete["responses"]) == {"204", "403", "404", "421", "503", "507"}
    assert "HTTPValidationError" not in str(openapi)


def test_a_part_of_an_image_can_be_asked_for(central: InProcess) -> None:
    deliver(central, b"0123456789", media_id=MEDIA_ID)
    answer = central.get(f"/media/{MEDIA_ID}", headers={"Range": "bytes=2-5"})
    assert (answer.status_code, answer.content) == (206, b"2345")


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=8-", 206, b"89"),
        ("bytes=-3", 206, b"789"),
        ("BYTES = 0-0", 206, b"0"),
        ("bytes=0-1,99999-", 206, b"01"),
        ("bytes=5-99", 206, b"56789"),
        ("items=0-1", 200, b"0123456789"),
        ("bytes=5-2", 200, b"0123456789"),
        ("bytes=a-b", 200, b"0123456789"),
        ("bytes=", 200, b"0123456789"),
        ("bytes=99-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_a_range_that_makes_no_sense_is_ignored_and_one_behind_the_end_refused(
    central: InProcess, asked: str, status: int, content: bytes | None
) -> None:
    deliver(central, b"0123456789", media_id=MEDIA_ID)
    answer = central.get(f"/media/{MEDIA_ID}", headers={"Range": asked})
    assert answer.status_code == status
    if content is not None:
        assert answer.content == content
    else:
        assert answer.headers["Content-Range"] == "bytes */10"
        assert answer.json()["code"] == "range_not_satisfiable"
