"""GET /media on a running gateway: what it lists, what it refuses, and that uploads do not care."""

import json
import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from ulid import ULID

from shared.contract import Status
from shared.spool import Spool
from support import images
from support.fast import Gateway, assert_problem, client, gateway
from support.services import running, until

PHOTO = images.jpeg(size=(32, 32))
BATCH = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running_gateway:
        until(lambda: listed(running_gateway)["complete"])
        yield running_gateway


def listed(fast: Gateway, **params: str | int) -> dict[str, Any]:
    answer = fast.http.get("/media", params=params)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def ids(fast: Gateway, **params: str | int) -> list[str]:
    return [media["media_id"] for media in listed(fast, **params)["media"]]


def post(fast: Gateway, name: str = "photo.jpg", **params: str) -> str:
    answer = fast.http.post("/media", files={"file": (name, PHOTO)}, params=params)
    assert answer.status_code == 202, answer.text
    media_id: str = answer.json()["media_id"]
    return media_id


def settle(fast: Gateway, media_id: str, state: str) -> None:
    """As a worker leaves it. Nobody tells the gateway."""
    with Spool(fast.uploads).hold(media_id) as media:
        media.progress["status"] = Status.STORED if state == "done" else Status.FAILED
        media.progress["error"] = None
        if state == "failed":
            media.progress["error"] = {"code": "corrupt_image", "detail": "It is broken."}
        media.settle(state)


def test_an_upload_is_in_the_list_at_once(fast: Gateway) -> None:
    for n in range(30):
        media_id = post(fast, f"A {n}.jpg", ref=f"r{n}", batch=BATCH)
        [newest] = listed(fast, limit=1)["media"]
        record = fast.http.get(f"/media/{media_id}").json()
        assert newest == {
            "media_id": media_id,
            "state": "pending",
            "status": "queued",
            "code": None,
            "filename": f"A {n}.jpg",
            "ref": f"r{n}",
            "batch": BATCH,
            "size": len(PHOTO),
            "changed_at": record["received_at"],
            "status_url": f"{fast.server.url}/media/{media_id}",
            "result_url": None,
        }


def test_a_retry_and_a_deletion_are_seen_at_once(fast: Gateway, tmp_path: Path) -> None:
    with running("central-server", tmp_path, {"MIN_FREE_MB": "0"}) as central:
        url = f"{central.url}/upload-final"
        (tmp_path / "fast").mkdir()
        with gateway(tmp_path / "fast", CENTRAL_SERVER_URL=url) as own:
            media_id, other = post(own), post(own)
            until(lambda: listed(own)["complete"])
            for failed in (media_id, other):
                settle(own, failed, "failed")
            (own.uploads / ".index" / "0.sqlite3").unlink()
            until(lambda: ids(own, state="failed", code="corrupt_image") == [other, media_id])
            assert own.http.post(f"/media/{media_id}/retry").status_code == 202
            assert ids(own, state="failed") == [other]
            assert ids(own, state="pending", status="queued") == [media_id]
            assert own.http.delete(f"/media/{other}").status_code == 204
            assert ids(own) == [media_id]


def test_a_repeat_of_an_upload_stands_there_once(fast: Gateway) -> None:
    for _ in range(2):
        media_id = fast.post(PHOTO, "again.jpg", key='"again"').json()["media_id"]
    assert ids(fast, name="AGAIN") == [media_id]


def test_pages_follow_each_other_to_the_last(fast: Gateway) -> None:
    batch = str(ULID())
    posted = [post(fast, batch=batch) for _ in range(7)]
    for order, expected in (("newest", posted[::-1]), ("oldest", posted)):
        seen, page = list[str](), listed(fast, batch=batch, order=order, limit=3)
        for _ in range(2):
            assert page["next"] == page["media"][-1]["media_id"]
            seen += [media["media_id"] for media in page["media"]]
            page = listed(fast, batch=batch, order=order, limit=3, after=page["next"])
        seen += [media["media_id"] for media in page["media"]]
        assert (seen, page["next"]) == (expected, None)


@pytest.mark.parametrize("zone", ["Z", "+01:00", "-07:30"])
def test_times_are_those_of_the_reception(fast: Gateway, zone: str) -> None:
    batch = str(ULID())
    first, second, third = [post(fast, batch=batch) for _ in range(3)]
    until(lambda: ULID().milliseconds > ULID.from_str(third).milliseconds)

    def at(media_id: str) -> str:
        """In this zone, of which a URL may make the + a space."""
        hours, minutes = (int(zone[:3]), int(zone[4:])) if zone != "Z" else (0, 0)
        offset = timedelta(hours=hours, minutes=minutes if hours >= 0 else -minutes)
        local = ULID.from_str(media_id).datetime.astimezone(timezone(offset))
        return local.isoformat(timespec="milliseconds")

    assert ids(fast, batch=batch, since=at(second)) == [third, second]
    assert ids(fast, batch=batch, until=at(second)) == [first]
    assert ids(fast, batch=batch, since=at(second), until=at(third)) == [second]
    spaced = fast.http.get(f"/media?batch={batch}&since={at(third)}").json()["media"]
    assert [media["media_id"] for media in spaced] == [third]
    assert ids(fast, batch=batch, since="1969-12-31T23:59:59Z") == [third, second, first]
    assert ids(fast, batch=batch, until="1969-12-31T23:59:59Z") == []


@pytest.mark.parametrize(
    ("query", "code", "named"),
    [
        ("stat=failed", "unknown_parameter", "stat is no parameter"),
        ("state=failed&state=done", "repeated_parameter", "state comes"),
        ("state=lost", "bad_parameter", "state is one of pending, failed, done"),
        ("state=", "bad_parameter", "state is one of"),
        ("status=removed", "bad_parameter", "status is one of queued, "),
        ("code=bogus", "unknown_code", "code is one of central_full, "),
        ("batch=1", "bad_batch", "batch is one ULID"),
        (f"batch={BATCH.lower()}", "bad_batch", "batch is one ULID"),
        ("order=up", "bad_parameter", "order is one of newest, oldest"),
        ("limit=0", "bad_parameter", "limit is a number from 1 to 500"),
        ("limit=501", "bad_parameter", "limit is a number"),
        ("limit=-1", "bad_parameter", "limit is a number"),
        ("limit=%D9%A3", "bad_parameter", "limit is a number"),
        ("limit=1e1", "bad_parameter", "limit is a number"),
        ("after=x", "bad_parameter", "after is the media_id"),
        ("since=yesterday", "bad_parameter", "since is a time"),
        ("since=2026-01-15", "bad_parameter", "since is a time"),
        ("since=2026-01-15T14:30:45", "bad_parameter", "since is a time with its zone"),
        ("until=2026-02-30T14:30:45Z", "bad_parameter", "until is a time"),
        ("until=2026-01-15T14:30:45%2B25:00", "bad_parameter", "until is a time"),
        ("until=1768487445", "bad_parameter", "until is a time"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(
    fast: Gateway, query: str, code: str, named: str
) -> None:
    problem = assert_problem(fast.http.get(f"/media?{query}"), 422, code)
    assert problem["detail"].startswith(named)


@pytest.mark.parametrize("name", ["%", "_", "photo' OR 1=1 --", "\0", "\U0010ffff"])
def test_a_name_is_no_pattern(fast: Gateway, name: str) -> None:
    post(fast, "photo.jpg")
    assert ids(fast, name=name) == []


def test_a_batch_is_kept_given_back_and_listed(fast: Gateway) -> None:
    batch = str(ULID())
    answer = fast.http.post("/media", files={"file": ("a.jpg", PHOTO)}, params={"batch": batch})
    media_id = answer.json()["media_id"]
    assert answer.json()["batch"] == batch
    assert fast.http.get(f"/media/{media_id}").json()["batch"] == batch
    record = json.loads((fast.uploads / "pending" / media_id / "media.json").read_bytes())
    assert record["batch"] == batch
    assert ids(fast, batch=batch) == [media_id]
    without = fast.post(PHOTO)
    assert "batch" not in without.json()
    assert "batch" not in fast.http.get(without.headers["Location"]).json()


@pytest.mark.parametrize(
    "query", ["batch=", "batch=1", f"batch={BATCH}&batch={BATCH}", f"batch={BATCH}x", "batch=%00"]
)
@pytest.mark.parametrize("path", ["/media", "/media/retry"])
def test_a_batch_that_is_none_is_refused(fast: Gateway, path: str, query: str) -> None:
    before = fast.folders("pending")
    answer = fast.http.post(f"{path}?{query}", files={"file": ("a.jpg", PHOTO)})
    is_twice = path == "/media/retry" and "&" in query
    assert_problem(answer, 422, "repeated_parameter" if is_twice else "bad_batch")
    assert fast.folders("pending") == before


def test_a_batch_may_be_a_field_of_the_form(fast: Gateway) -> None:
    def posted(sent: str, **params: str) -> httpx.Response:
        files, data = {"file": ("a.jpg", PHOTO)}, {"batch": sent}
        return fast.http.post("/media", files=files, data=data, params=params)

    batch = str(ULID())
    for answer in (posted(batch), posted(batch, batch=batch), posted("", batch=batch)):
        assert answer.json()["batch"] == batch
    assert len(ids(fast, batch=batch)) == 3
    assert_problem(posted("mine"), 422, "bad_batch")
    assert_problem(posted(str(ULID()), batch=batch), 422, "bad_batch")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
@pytest.mark.parametrize("content", [b"", b"junk"])
def test_whatever_somebody_does_to_its_files_it_comes_back(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    with gateway(tmp_path) as fast:
        posted = {post(fast) for _ in range(5)}
        until(lambda: listed(fast)["complete"])
        (fast.uploads / ".index" / f"0.sqlite3{suffix}").write_bytes(content)
        until(lambda: fast.http.get("/media").json().get("complete"))
        assert {*ids(fast)} == posted
        posted.add(post(fast))
        until(lambda: fast.http.get("/media").json().get("complete"))
        assert {*ids(fast)} == posted
        assert fast.server.process.poll() is None


def test_a_key_with_another_batch_is_another_upload(fast: Gateway) -> None:
    def post_with_key(**params: str) -> httpx.Response:
        headers, files = {"Idempotency-Key": '"batch"'}, {"file": ("a.jpg", PHOTO)}
        return fast.http.post("/media", params=params, files=files, headers=headers)

    first, again = post_with_key(batch=BATCH), post_with_key(batch=BATCH)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json()["media_id"], again.json()["batch"]) == (first.json()["media_id"], BATCH)
    assert_problem(post_with_key(batch=str(ULID())), 422, "idempotency_key_reused")
    assert_problem(post_with_key(), 422, "idempotency_key_reused")


def test_those_of_a_batch_are_retried_alone(fast: Gateway) -> None:
    batch = str(ULID())
    of_it, other = post(fast, batch=batch), post(fast)
    for media_id in (of_it, other):
        settle(fast, media_id, "failed")
    for params, retried in (
        ({"batch": str(ULID())}, 0),
        ({"batch": batch, "code": "time_limit"}, 0),
        ({"batch": batch, "code": "corrupt_image"}, 1),
    ):
        answer = fast.http.post("/media/retry", params=params)
        assert answer.json() == {"retried": retried, "skipped": 0}
    assert {of_it} <= fast.folders("pending")
    assert {other} <= fast.folders("failed")


def are_more(posted: list[str], number: int) -> bool:
    return len(posted) > number


def test_uploads_go_on_while_the_index_is_removed_under_them(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast:
        posted, ended = list[str](), threading.Event()

        def go_on() -> None:
            with client(fast.server.url) as http:
                while not ended.is_set():
                    answer = http.post("/media", files={"file": ("a.jpg", PHOTO)})
                    assert answer.status_code == 202
                    posted.append(answer.json()["media_id"])

        uploading = threading.Thread(target=go_on)
        uploading.start()
        for _ in range(3):
            until(partial(are_more, posted, len(posted) + 50))
            shutil.rmtree(fast.uploads / ".index", ignore_errors=True)
        until(partial(are_more, posted, len(posted) + 50))
        ended.set()
        uploading.join()
        until(lambda: fast.http.get("/media").json().get("complete"))
        seen, page = set[str](), listed(fast, limit=500)
        while page["next"]:
            seen |= {media["media_id"] for media in page["media"]}
            page = listed(fast, limit=500, after=page["next"])
        seen |= {media["media_id"] for media in page["media"]}
        assert seen == {*posted} == fast.folders("pending")


def test_without_an_index_lists_are_refused_and_uploads_are_taken(tmp_path: Path) -> None:
    (tmp_path / "in the way").touch()
    with gateway(tmp_path, INDEX_DIR=str(tmp_path / "in the way")) as fast:
        for _ in range(3):
            answer = fast.http.get("/media")
            assert_problem(answer, 503, "index_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            post(fast)
        assert fast.http.get("/ready").status_code == 200
        assert fast.server.console().count("the index is made again") == 1


def test_two_gateways_list_the_same_folder(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast:
        env = {"REDIS_URL": fast.redis.url, "UPLOAD_DIR": str(fast.uploads), "MIN_FREE_MB": "0"}
        posted = post(fast)
        (tmp_path / "other").mkdir()
        with running("fast-server", tmp_path / "other", env) as other, client(other.url) as http:
            until(lambda: http.get("/media").json()["complete"])
            [media] = http.get("/media").json()["media"]
            assert media["media_id"] == posted
            assert media["status_url"].startswith(other.url)
        assert ids(fast) == [posted]


def test_it_lies_where_index_dir_says(tmp_path: Path) -> None:
    with gateway(tmp_path, INDEX_DIR=str(tmp_path / "own" / "index")) as fast:
        media_id = post(fast)
        assert ids(fast) == [media_id]
        assert (tmp_path / "own" / "index" / "0.sqlite3").exists()
        assert not (fast.uploads / ".index").exists()


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, br", "gzip"), ("identity", None), ("gzip;q=0", None), ("*", "gzip")],
)
def test_a_long_list_is_compressed_for_who_takes_it(
    fast: Gateway, accepted: str, encoding: str | None
) -> None:
    while len(listed(fast, limit=5)["media"]) < 5:
        post(fast)
    answer = fast.http.get("/media", params={"limit": 5}, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == encoding
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert answer.json() == listed(fast, limit=5)
