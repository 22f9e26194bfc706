"""What comes from Redis or from a record is checked: nothing outside of uploads/ is touched."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from ulid import ULID

from support.services import until
from support.web_server import Request, Web, as_central
from support.worker import (
    QUEUES,
    Worker,
    add_media,
    enqueue,
    queued,
    running_redis,
    running_worker,
    state_of,
)

TASKS = dict(zip(QUEUES, ("watermark_image_task", "upload_to_central_task"), strict=True))
ATTEMPT = {"stage": "upload", "worker": "", "started_at": "", "ended_at": None, "error": None}
MARK = {"name": "watermarked_photo.jpg", "sha256": "0" * 64, "size": 1}


@pytest.fixture(scope="module")
def central() -> Iterator[Web]:
    with Web(as_central) as web:
        yield web


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, central: Web) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("worker")
    with (
        running_redis(folder) as (_, redis),
        running_worker(folder / "uploads", redis, central.url) as running,
    ):
        yield running


@pytest.fixture
def redis(worker: Worker) -> Redis:
    return worker.redis


@pytest.fixture
def uploads(worker: Worker) -> Path:
    return worker.uploads


@pytest.fixture
def outside(uploads: Path) -> Path:
    """A media's folder that is not in uploads/, with all that one has."""
    other = uploads.parent / f"other-{ULID()}"
    media_id = add_media(other, name="photo.jpg")
    return other / "pending" / media_id


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Names, bytes and times of all that is in it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def poison(redis: Redis, queue: str, job: bytes, body: bytes, score: float | None = None) -> None:
    redis.set(b"arq:job:" + job, body)
    redis.zadd(queue, {job: time.time() * 1000 if score is None else score})


def call(function: object, *args: object, **kwargs: object) -> bytes:
    """A job's payload as arq has it."""
    return json.dumps({"t": 1, "f": function, "a": args, "k": kwargs, "et": 0}).encode()


def assert_others_go_on(uploads: Path, redis: Redis) -> None:
    media_id = add_media(uploads)
    enqueue(redis, media_id)
    until(lambda: state_of(uploads, media_id) == "done")


@pytest.mark.parametrize("queue", QUEUES)
def test_a_job_that_is_none_ends_and_touches_nothing(
    worker: Worker, uploads: Path, redis: Redis, outside: Path, queue: str
) -> None:
    before = contents(outside)
    up = f"../../../{outside.parent.parent.name}/pending/{outside.name}"
    for number, args in enumerate(
        [
            (up, 1), (str(outside), 1), ("..", 1), ("", 1), ("\0", 1), (outside.name, "1"),
            (outside.name, None), (outside.name, -1), (outside.name, 10**400), (None, 1),
            ([outside.name], 1), ({}, {}), (), (outside.name,), (outside.name, 1, 2), ("\ud800", 1),
        ]
    ):  # fmt: skip
        poison(redis, queue, f"{ULID()}:{queue}:{number}".encode(), call(TASKS[queue], *args))
    for number, body in enumerate(
        [
            b"", b"null", b"[]", b"{}", b"\x80\x04\x95", b'{"f": 1}', b"[" * 100_000,
            call(TASKS[queue], ctx=1), call([]), call("os.system", "touch /tmp/x"),
        ]
    ):  # fmt: skip
        poison(redis, queue, f"{ULID()}:{queue}:{100 + number}".encode(), body)
    until(lambda: not queued(redis))
    assert contents(outside) == before
    assert_others_go_on(uploads, redis)


@pytest.mark.parametrize("queue", QUEUES)
def test_a_job_id_is_not_printed_as_it_is(
    worker: Worker, uploads: Path, redis: Redis, queue: str
) -> None:
    for evil in (b"\x1b]0;owned\x07", b"\x1b[2J", b"\n2026-01-15 forged", b"\xff\xfe", b""):
        poison(redis, queue, str(ULID()).encode() + b":" + evil, b"no json")
        poison(redis, queue, evil + b"x", call(TASKS[queue], "\x1b[2J", 1))
    until(lambda: redis.zcard(queue) == 0)
    assert_others_go_on(uploads, redis)
    assert not {"\x1b", "\x07"} & set(worker.console())
    assert "\n2026-01-15 forged" not in worker.console()


def test_what_is_due_in_a_thousand_years_is_due_now(
    worker: Worker, uploads: Path, redis: Redis
) -> None:
    media_id = add_media(uploads)
    enqueue(redis, media_id)
    late = [add_media(uploads) for _ in range(3)]
    for each in late:
        poison(
            redis, QUEUES[0], f"{each}:watermark:1".encode(), call(TASKS[QUEUES[0]], each, 1), 1e17
        )
    until(lambda: {state_of(uploads, each) for each in (media_id, *late)} == {"done"})
    assert "brought forward" in worker.console()


@pytest.mark.parametrize("key", [*QUEUES, "media-processor:wake", "media-processor:reconciled-at"])
@pytest.mark.parametrize("kind", ["string", "hash", "set"])
def test_a_foreign_key_with_one_of_our_names_is_put_aside(
    worker: Worker, uploads: Path, redis: Redis, key: str, kind: str
) -> None:
    redis.delete(key, *redis.scan_iter("*:put-aside:*"))
    if kind == "string":
        redis.set(key, "precious")
    elif kind == "hash":
        redis.hset(key, "of", "somebody")
    else:
        redis.sadd(key, "precious")
    media_id = add_media(uploads)
    until(lambda: state_of(uploads, media_id) == "done")
    if key != "media-processor:reconciled-at":  # which is only ever replaced
        aside = [*redis.scan_iter(f"{key}:put-aside:*")]
        kinds: list[Any] = [redis.type(name) for name in aside]
        assert kinds == [kind.encode()]


@pytest.mark.parametrize("prefix", ["arq:job:", "arq:retry:", "arq:in-progress:"])
def test_a_jobs_own_key_may_be_anything(
    worker: Worker, uploads: Path, redis: Redis, prefix: str
) -> None:
    media_id = add_media(uploads, state="incoming")
    redis.rpush(f"{prefix}{media_id}:watermark:1", "x")
    (uploads / "incoming" / media_id).rename(uploads / "pending" / media_id)
    enqueue(redis, media_id)
    until(lambda: state_of(uploads, media_id) == "done")


POISONED_NAMES = ["../../other/x", "/etc/passwd", "..", ".", "", "a/b", "a\0b", "\ud800", "n" * 300]


@pytest.mark.parametrize("name", POISONED_NAMES)
@pytest.mark.parametrize("field", ["watermarked", "stored"])
def test_a_name_in_a_record_that_is_no_files_counts_as_no_record(
    worker: Worker, uploads: Path, redis: Redis, outside: Path, field: str, name: str
) -> None:
    before = contents(outside)
    status = "watermarked" if field == "watermarked" else "stored"
    record: dict[str, Any] = {field: {**MARK, "name": name}}
    media_id = add_media(uploads, status=status, **record)
    enqueue(redis, media_id, "upload")
    until(lambda: state_of(uploads, media_id) == "done")
    assert contents(outside) == before


@pytest.mark.parametrize(
    "poisoned",
    [
        {"run": -1}, {"run": True}, {"run": "1"}, {"run": 10**30}, {"status": "x"}, {"status": 1},
        {"attempts": [{**ATTEMPT, "stage": "x"}]}, {"attempts": [{**ATTEMPT, "ended_at": 1}]},
        {"attempts": {}}, {"attempts": [1]}, {"next_attempt_at": "soon"}, {"next_attempt_at": 9},
        {"error": "x"}, {"watermarked": {"name": 1}}, {"watermarked": {**MARK, "notes": "x"}},
        {"watermarked": {**MARK, "content_type": "a\r\nb"}}, {"filename": 7},
    ],
)  # fmt: skip
def test_any_other_nonsense_in_a_record_counts_as_no_record(
    worker: Worker, uploads: Path, redis: Redis, poisoned: dict[str, Any]
) -> None:
    record = {"run": 1, "status": "watermarked", "watermarked": MARK, **poisoned}
    media_id = add_media(uploads, **record)
    enqueue(redis, media_id)
    until(lambda: state_of(uploads, media_id) == "done")
    assert f"media_id={media_id} stage=watermark detail" not in worker.console()


@pytest.mark.parametrize("poisoned", [{"filename": name} for name in POISONED_NAMES] + [
    {"content_type": "image/jpeg\r\nX: y"}, {"content_type": "text/html"}, {"media_id": "x"},
    {"size": "1"}, {"filename": 7},
])  # fmt: skip
def test_a_media_record_that_makes_no_sense_fails_saying_so(
    worker: Worker, uploads: Path, redis: Redis, outside: Path, poisoned: dict[str, Any]
) -> None:
    before = contents(outside)
    media_id = add_media(uploads, state="incoming")
    path = uploads / "incoming" / media_id / "media.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **poisoned}))
    path.parent.rename(uploads / "pending" / media_id)
    enqueue(redis, media_id)
    until(lambda: state_of(uploads, media_id) == "failed")
    record = json.loads((uploads / "failed" / media_id / "progress.json").read_text())
    assert record["error"]["code"] == "record_damaged"
    assert contents(outside) == before


def test_a_link_in_place_of_a_media_is_not_followed(
    worker: Worker, uploads: Path, redis: Redis, outside: Path
) -> None:
    before = contents(outside)
    (uploads / "pending" / outside.name).symlink_to(outside)
    enqueue(redis, outside.name)
    until(lambda: not queued(redis))
    assert_others_go_on(uploads, redis)
    assert contents(outside) == before


@pytest.mark.parametrize(
    "name",
    [".lock", "progress.json", ".progress.json.new", ".watermarked.new", "watermarked_photo.jpg"],
)
def test_a_link_in_place_of_a_medias_file_is_not_written_through(
    worker: Worker, uploads: Path, redis: Redis, tmp_path: Path, name: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    media_id = add_media(uploads, state="incoming")
    (uploads / "incoming" / media_id / name).symlink_to(precious)
    (uploads / "incoming" / media_id).rename(uploads / "pending" / media_id)
    enqueue(redis, media_id)
    if name == ".lock":  # whoever made it is none of us
        until(lambda: not queued(redis))
    else:
        until(lambda: state_of(uploads, media_id) == "done")
    assert precious.read_bytes() == b"precious"
    assert_others_go_on(uploads, redis)


def test_an_original_that_is_a_link_is_no_original(
    worker: Worker, uploads: Path, redis: Redis, outside: Path
) -> None:
    media_id = add_media(uploads, state="incoming")
    original = uploads / "incoming" / media_id / "photo.jpg"
    original.unlink()
    original.symlink_to(outside / "photo.jpg")
    original.parent.rename(uploads / "pending" / media_id)
    enqueue(redis, media_id)
    until(lambda: state_of(uploads, media_id) == "failed")
    record = json.loads((uploads / "failed" / media_id / "progress.json").read_text())
    assert record["error"]["code"] == "original_missing"


def test_a_pipe_in_place_of_a_record_is_not_waited_for(
    worker: Worker, uploads: Path, redis: Redis
) -> None:
    media_id = add_media(uploads, state="incoming")
    os.mkfifo(uploads / "incoming" / media_id / "progress.json")
    (uploads / "incoming" / media_id).rename(uploads / "pending" / media_id)
    enqueue(redis, media_id)
    until(lambda: state_of(uploads, media_id) == "done")


def test_a_name_of_centrals_that_is_no_files_never_reaches_the_record(
    worker: Worker, uploads: Path, redis: Redis, central: Web
) -> None:
    def poisoned(request: Request) -> None:
        body = json.dumps({"name": "../../x", "sha256": "0" * 64, "size": 1}).encode()
        request.respond(200, body)

    central.answer = poisoned
    try:
        media_id = add_media(uploads)
        enqueue(redis, media_id)
        until(lambda: state_of(uploads, media_id) == "failed")
    finally:
        central.answer = as_central
    record = json.loads((uploads / "failed" / media_id / "progress.json").read_text())
    assert (record["error"]["code"], record["stored"]) == ("central_unreachable", None)
