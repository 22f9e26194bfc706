"""GET /batches/{batch}: what has become of all that belong together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from shared.contract import Status
from shared.redis import events
from shared.redis.events import EVENTS_KEY
from shared.spool import Spool
from support import images
from support.fast import Gateway, assert_problem, gateway
from support.services import until

PHOTO = images.jpeg(size=(32, 32))


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running:
        until(lambda: running.http.get("/media").json()["complete"])
        yield running


def post(fast: Gateway, batch: str) -> str:
    answer = fast.http.post("/media", params={"batch": batch}, files={"file": ("a.jpg", PHOTO)})
    media_id: str = answer.json()["media_id"]
    return media_id


def end(fast: Gateway, media_id: str, code: str | None = None, at: str = "") -> str:
    """As a worker leaves it, which tells of it: at this time, else now. Returns when."""
    with Spool(fast.uploads).hold(media_id) as media:
        media.progress["status"] = Status.FAILED if code else Status.STORED
        media.progress["error"] = {"code": code, "detail": ""} if code else None
        media.settle("failed" if code else "done")
        item = events.now(media)
        item["changed_at"] = at or item["changed_at"]
    fast.redis.client.xadd(EVENTS_KEY, {"item": events.encoded(item)})
    return item["changed_at"]


def state(fast: Gateway, batch: str) -> dict[str, Any]:
    answer = fast.http.get(f"/batches/{batch}")
    assert answer.status_code == 200, answer.text
    known: dict[str, Any] = answer.json()
    return known


def test_it_counts_its_own_and_says_when_all_have_ended(fast: Gateway) -> None:
    batch = str(ULID())
    first, second, third, fourth = [post(fast, batch) for _ in range(4)]
    post(fast, str(ULID()))
    assert state(fast, batch) == {
        "batch": batch,
        "total": 4,
        "pending": 4,
        "failed": 0,
        "done": 0,
        "failures": [],
        "finished_since": None,
        "complete": True,
        "archive_url": f"{fast.server.url}/batches/{batch}/archive.zip",
    }
    end(fast, first)
    times = [end(fast, second, "corrupt_image"), end(fast, third, "corrupt_image")]
    until(lambda: state(fast, batch)["pending"] == 1)
    known = state(fast, batch)
    assert (known["total"], known["failed"], known["done"]) == (4, 2, 1)
    assert known["finished_since"] is None
    [group] = known["failures"]
    assert (group["code"], group["count"]) == ("corrupt_image", 2)
    assert [group["first"], group["last"]] == times
    assert group["example"] in (second, third)
    last = end(fast, fourth, "time_limit")
    until(lambda: state(fast, batch)["pending"] == 0)
    known = state(fast, batch)
    assert known["finished_since"] == last
    assert [group["code"] for group in known["failures"]] == ["corrupt_image", "time_limit"]


def test_its_example_is_the_last_that_failed(fast: Gateway) -> None:
    batch = str(ULID())
    media_ids = [post(fast, batch) for _ in range(3)]
    times = [f"2026-01-15T14:30:4{n}.000Z" for n in (1, 3, 2)]
    for media_id, at in zip(media_ids, times, strict=True):
        end(fast, media_id, "time_limit", at)
    until(lambda: state(fast, batch)["failed"] == 3)
    [group] = state(fast, batch)["failures"]
    assert (group["first"], group["last"]) == (times[0], times[1])
    assert group["example"] == media_ids[1]


def test_a_batch_without_images_is_unknown(fast: Gateway) -> None:
    batch = str(ULID())
    for unknown in (batch, "holiday", batch.lower(), f"{batch}x"):
        for path in (f"/batches/{unknown}", f"/batches/{unknown}/archive.zip"):
            problem = assert_problem(fast.http.get(path), 404, "batch_not_found")
            assert unknown in problem["detail"]
            assert fast.http.head(path).status_code == 404


def test_parameters_are_refused(fast: Gateway) -> None:
    batch = str(ULID())
    post(fast, batch)
    for path in (f"/batches/{batch}", f"/batches/{batch}/archive.zip"):
        assert_problem(fast.http.get(f"{path}?state=done"), 422, "unknown_parameter")


def test_while_the_index_is_made_again_it_says_so_and_gives_no_archive(tmp_path: Path) -> None:
    batch = str(ULID())
    with gateway(tmp_path) as fast:
        media_id = post(fast, batch)
        until(lambda: state(fast, batch)["complete"])
        failed = fast.uploads / "failed"
        failed.rename(fast.uploads / "elsewhere")
        failed.symlink_to(fast.uploads / "elsewhere")  # the folders cannot be read
        (fast.uploads / ".index" / "0.sqlite3").unlink()
        until(lambda: not state(fast, batch)["complete"])
        until(lambda: state(fast, batch)["total"] == 1)
        assert state(fast, str(ULID()))["total"] == 0
        refused = fast.http.get(f"/batches/{batch}/archive.zip")
        assert_problem(refused, 503, "batch_incomplete")
        assert refused.headers["Retry-After"] == "5"
        chosen = fast.http.post("/archive", data={"media_id": media_id})
        assert chosen.headers["Archive-Left-Out"] == "1"
