"""What the disk has and Redis lacks is queued; what is too old is swept."""

import asyncio
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock, patch

import pytest
from arq.connections import ArqRedis
from redis import Redis
from ulid import ULID

from local_stack.service import Service
from pipeline.delivery import DeliveryClient
from pipeline.logo import Logo
from recovery import preview_sweep, reconciler
from recovery.reconciler import Reconciler
from settings import Settings
from shared.background import end
from shared.console import RecurringNotice
from shared.redis import events
from shared.spool import Spool
from support.services import until
from support.worker import (
    add_media,
    connected,
    enqueue,
    progress_of,
    queued,
    running_redis,
    state_of,
)

WATERMARKED = {"name": "watermarked_photo.jpg", "sha256": "0" * 64, "size": 1}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Redis]]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def redis(service: tuple[Service, Redis]) -> Redis:
    service[1].flushall()
    return service[1]


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    Spool(tmp_path).prepare()
    return tmp_path


class FakeCentral:
    """What the reconciler asks of it."""

    def __init__(self, *, ready: bool = False) -> None:
        self.ready = ready

    async def is_ready(self) -> bool:
        return self.ready


class FakeLogo:
    """The same of it."""

    def __init__(self, *, working: bool = False) -> None:
        self.working = working

    async def works(self) -> bool:
        return self.working


def reconciler_of(
    uploads: Path,
    pool: ArqRedis,
    central: FakeCentral | None = None,
    logo: FakeLogo | None = None,
    **env: str,
) -> Reconciler:
    with patch.dict(os.environ, env):
        settings = Settings()
    needed = cast(DeliveryClient, central or FakeCentral()), cast(Logo, logo or FakeLogo())
    return Reconciler(Spool(uploads), pool, *needed, settings, [], RecurringNotice())


def ulid_of(days_ago: float) -> str:
    return str(ULID.from_datetime(datetime.now(UTC) - timedelta(days=days_ago)))


def one_pass(
    uploads: Path,
    redis: Redis,
    central: FakeCentral | None = None,
    logo: FakeLogo | None = None,
    **env: str,
) -> None:
    async def scenario() -> None:
        async with connected(redis) as pool:
            reconciler = reconciler_of(uploads, pool, central, logo, **env)
            await reconciler._measure_clock()
            await reconciler._pass()

    asyncio.run(scenario())


def test_a_media_without_a_job_gets_one_of_its_stage_and_run(uploads: Path, redis: Redis) -> None:
    new = add_media(uploads)
    again = add_media(uploads, run=3, status="queued")
    marked = add_media(uploads, run=2, status="watermarked", watermarked=WATERMARKED)
    one_pass(uploads, redis)
    assert queued(redis) == {f"{new}:watermark:1", f"{again}:watermark:3", f"{marked}:upload:2"}
    assert redis.zscore("arq:upload", f"{marked}:upload:2") is not None
    assert redis.zcard("arq:watermark") == 2


def test_a_torn_record_means_stage_1_again(uploads: Path, redis: Redis) -> None:
    media_id = add_media(uploads)
    (uploads / "pending" / media_id / "progress.json").write_bytes(b'{"run": 3, "water')
    one_pass(uploads, redis)
    assert queued(redis) == {f"{media_id}:watermark:1"}


@pytest.mark.parametrize("stage", ["watermark", "upload"])
def test_a_media_with_any_job_is_left_alone(uploads: Path, redis: Redis, stage: str) -> None:
    media_id = add_media(uploads)
    enqueue(redis, media_id, stage)
    one_pass(uploads, redis)
    assert queued(redis) == {f"{media_id}:{stage}:1"}


@pytest.mark.parametrize("state", ["incoming", "failed", "done"])
def test_only_what_is_pending_is_queued(uploads: Path, redis: Redis, state: str) -> None:
    add_media(uploads, state=state)
    (uploads / "pending" / "lost+found").mkdir()
    (uploads / "pending" / ".DS_Store").touch()
    one_pass(uploads, redis)
    assert queued(redis) == set()


def test_two_passes_queue_a_media_once(uploads: Path, redis: Redis) -> None:
    media_id = add_media(uploads)
    one_pass(uploads, redis)
    score = redis.zscore("arq:watermark", f"{media_id}:watermark:1")
    one_pass(uploads, redis)
    assert redis.zscore("arq:watermark", f"{media_id}:watermark:1") == score


def looks(uploads: Path, redis: Redis, *between: Callable[[], object]) -> None:
    """A look of one worker, and another one of the same worker after each of these."""

    async def scenario() -> None:
        async with connected(redis) as pool:
            worker = reconciler_of(uploads, pool)
            await worker._look()
            for step in between:
                step()
                await worker._look()

    asyncio.run(scenario())


def test_of_many_workers_one_makes_the_pass(uploads: Path, redis: Redis) -> None:
    looks(uploads, redis)
    media_id = add_media(uploads)
    looks(uploads, redis, lambda: None)
    assert queued(redis) == set(), "the last pass was a moment ago, though another worker's"
    (uploads / ".reconcile.lock").write_text(str(time.time() - 61))
    looks(uploads, redis)
    assert queued(redis) == {f"{media_id}:watermark:1"}


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff\xfe", b"2999999999", None])
def test_a_damaged_turn_or_a_clock_set_back_keeps_nobody_from_the_pass(
    uploads: Path, redis: Redis, content: bytes | None
) -> None:
    if content is None:
        (uploads / ".reconcile.lock").mkdir()
    else:
        (uploads / ".reconcile.lock").write_bytes(content)
    media_id = add_media(uploads)
    looks(uploads, redis)
    assert queued(redis) == {f"{media_id}:watermark:1"}


def test_a_worker_frozen_while_it_takes_its_turn_keeps_others_waiting_no_longer(
    uploads: Path, redis: Redis
) -> None:
    media_id = add_media(uploads)
    with (uploads / ".reconcile.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        looks(uploads, redis)
    looks(uploads, redis)
    assert queued(redis) == {f"{media_id}:watermark:1"}


def test_a_redis_that_lost_everything_is_noticed_by_the_next_look(
    uploads: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "_LOOK_S", 0.0)
    media_id = add_media(uploads)
    looks(uploads, redis, redis.flushall)
    assert queued(redis) == {f"{media_id}:watermark:1"}


def test_thousands_without_a_job_are_queued_in_batches(
    uploads: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "_BATCH", 2)
    media_ids = [add_media(uploads) for _ in range(7)]
    one_pass(uploads, redis)
    assert queued(redis) == {f"{media_id}:watermark:1" for media_id in media_ids}


def test_a_queue_that_was_deleted_by_hand_is_filled_again(uploads: Path, redis: Redis) -> None:
    media_id = add_media(uploads)
    enqueue(redis, media_id)
    redis.delete("arq:watermark")  # the job's payload stays
    one_pass(uploads, redis)
    assert queued(redis) == {f"{media_id}:watermark:1"}


def test_a_job_whose_worker_died_is_free_again(uploads: Path, redis: Redis) -> None:
    dead, at_work = add_media(uploads), add_media(uploads)
    for media_id in (dead, at_work):
        enqueue(redis, media_id)
        redis.set(f"arq:in-progress:{media_id}:watermark:1", b"1")
    with Spool(uploads).hold(at_work):
        looks(uploads, redis)
        assert redis.exists(f"arq:in-progress:{dead}:watermark:1"), "it may just have begun"
        looks(uploads, redis, lambda: None)
    assert not redis.exists(f"arq:in-progress:{dead}:watermark:1")
    assert redis.exists(f"arq:in-progress:{at_work}:watermark:1")
    assert len(queued(redis)) == 2


def failed(uploads: Path, code: str, hours_ago: float = 1) -> str:
    error = {"code": code, "detail": "It did not work."}
    attempt = {"stage": "upload", "worker": "w", "error": error, "started_at": "", "ended_at": ""}
    media_id = ulid_of(days_ago=hours_ago / 24)
    add_media(
        uploads,
        state="failed",
        media_id=media_id,
        run=2,
        status="failed",
        error=error,
        attempts=[attempt] * 6,
        watermarked=WATERMARKED,
    )
    received_at = time.time() - hours_ago * 3600
    os.utime(uploads / "failed" / media_id / "media.json", (received_at, received_at))
    return media_id


def test_what_failed_for_want_of_central_is_rerun_once_it_is_ready(
    uploads: Path, redis: Redis
) -> None:
    media_id = failed(uploads, "central_unreachable")
    one_pass(uploads, redis, FakeCentral(ready=False))
    assert state_of(uploads, media_id) == "failed"
    one_pass(uploads, redis, FakeCentral(ready=True))
    assert queued(redis) == {f"{media_id}:upload:3"}
    described = progress_of(uploads, media_id)
    assert (described["status"], described["attempts"], described["error"]) == ("queued", [], None)


def test_what_failed_for_want_of_a_logo_is_rerun_once_there_is_one(
    uploads: Path, redis: Redis
) -> None:
    without_logo = failed(uploads, "logo_unavailable")
    without_central = failed(uploads, "central_unreachable")
    one_pass(uploads, redis, FakeCentral(ready=True), FakeLogo(working=False))
    assert state_of(uploads, without_logo) == "failed"
    assert state_of(uploads, without_central) == "pending"
    late = failed(uploads, "logo_unavailable", hours_ago=24.1)
    one_pass(uploads, redis, FakeCentral(ready=False), FakeLogo(working=True))
    assert state_of(uploads, without_logo) == "pending"
    assert state_of(uploads, late) == "failed"


def test_only_that_is_rerun_and_only_for_a_day(uploads: Path, redis: Redis) -> None:
    others = [
        failed(uploads, "central_refused"),
        failed(uploads, "corrupt_image"),
        failed(uploads, "central_unreachable", hours_ago=24.1),
    ]
    in_use = failed(uploads, "central_unreachable")
    with Spool(uploads).hold(in_use):
        one_pass(uploads, redis, FakeCentral(ready=True))
    assert [state_of(uploads, each) for each in (*others, in_use)] == ["failed"] * 4
    assert queued(redis) == set()


@pytest.mark.parametrize("damage", ["lock", "record", "half", "year"])
def test_one_that_cannot_be_rerun_does_not_keep_others_waiting(
    uploads: Path, redis: Redis, damage: str
) -> None:
    media_ids = [failed(uploads, "central_unreachable") for _ in range(3)]
    broken = uploads / "failed" / media_ids[1]
    if damage == "lock":
        (broken / ".lock").mkdir()
    elif damage == "record":
        (broken / "progress.json").unlink()
        (broken / "progress.json").mkdir()
    elif damage == "half":
        text = (broken / "progress.json").read_text()
        (broken / "progress.json").write_text(text.replace('"detail": "', '"detail": "\\ud800'))
    else:
        broken.rename(broken.with_name("7" + "Z" * 25))
    one_pass(uploads, redis, FakeCentral(ready=True))
    assert {state_of(uploads, media_ids[number]) for number in (0, 2)} == {"pending"}


def test_a_link_or_a_file_in_pending_is_no_media(
    uploads: Path, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    (uploads / "pending" / str(ULID())).symlink_to(uploads / "done")
    (uploads / "pending" / str(ULID())).touch()
    one_pass(uploads, redis)
    assert queued(redis) == set()
    assert "without a job" not in capsys.readouterr().out


def test_what_failed_is_rerun_though_redis_clock_was_behind_at_its_reception(
    uploads: Path, redis: Redis
) -> None:
    media_id = failed(uploads, "central_unreachable", hours_ago=48)
    os.utime(uploads / "failed" / media_id / "media.json")  # by this machine's clock, just now
    one_pass(uploads, redis, FakeCentral(ready=True))
    assert state_of(uploads, media_id) == "pending"


@pytest.mark.parametrize("record", ["media.json", "progress.json"])
def test_a_folder_that_cannot_be_read_does_not_keep_others_waiting(
    uploads: Path, redis: Redis, record: str
) -> None:
    media_ids = [add_media(uploads) for _ in range(3)]
    unreadable = uploads / "pending" / media_ids[1] / record
    unreadable.unlink(missing_ok=True)
    unreadable.mkdir()
    redis.set(f"arq:in-progress:{media_ids[1]}:watermark:1", b"1")
    one_pass(uploads, redis)
    assert queued(redis) >= {f"{media_ids[0]}:watermark:1", f"{media_ids[2]}:watermark:1"}


@pytest.mark.parametrize("damage", ["folder", "list", "nested", "file"])
@pytest.mark.parametrize("state", ["pending", "failed"])
def test_one_damaged_entry_does_not_keep_others_waiting(
    uploads: Path, redis: Redis, state: str, damage: str
) -> None:
    damaged = uploads / state / add_media(uploads, state=state)
    progress = damaged / "progress.json"
    if damage == "folder":
        progress.mkdir()
    elif damage == "list":
        progress.write_text('{"run": 1, "error": ["central_unreachable"]}')
    elif damage == "nested":
        progress.write_text("[" * 100_000)
    else:
        shutil.rmtree(damaged)
        damaged.touch()
    good, unreachable = add_media(uploads), failed(uploads, "central_unreachable")
    one_pass(uploads, redis, FakeCentral(ready=True), KEEP_FAILED_DAYS="9")
    assert queued(redis) >= {f"{good}:watermark:1", f"{unreachable}:upload:3"}


@pytest.mark.parametrize("queue", ["arq:watermark", "arq:upload"])
def test_what_is_no_job_of_ours_is_taken_out_of_the_queues(
    uploads: Path, redis: Redis, queue: str
) -> None:
    media_id = add_media(uploads)
    redis.zadd(queue, {b"\xff\xfe": 0, b"somebody's job": 0})
    looks(uploads, redis, lambda: None)
    assert queued(redis) == {f"{media_id}:watermark:1"}


def test_a_state_folder_that_was_removed_is_made_again(uploads: Path, redis: Redis) -> None:
    for state in ("incoming", "failed", "done"):
        (uploads / state).rmdir()
    one_pass(uploads, redis)
    assert {"incoming", "failed", "done"} <= {path.name for path in uploads.iterdir()}


def aged(path: Path, hours: float) -> None:
    """Nothing of it has changed for so long; media.json has the time of the id already."""
    then = time.time() - 3600 * hours
    for each in (*path.iterdir(), path):
        if path.parent.name == "incoming" or each.name != "media.json":
            os.utime(each, (then, then))


def test_an_upload_that_broke_off_an_hour_ago_is_swept(uploads: Path, redis: Redis) -> None:
    old, young, going_on = (add_media(uploads, state="incoming") for _ in range(3))
    aged(uploads / "incoming" / old, 1.01)
    aged(uploads / "incoming" / young, 0.99)
    aged(uploads / "incoming" / going_on, 5)
    os.utime(uploads / "incoming" / going_on / "photo.jpg")
    one_pass(uploads, redis)
    states = [state_of(uploads, media_id) for media_id in (old, young, going_on)]
    assert states == [None, "incoming", "incoming"]


def test_a_stray_file_does_not_keep_the_sweep_from_its_work(uploads: Path, redis: Redis) -> None:
    (uploads / "incoming" / ".gitkeep").touch()
    (uploads / "incoming" / "0").touch()
    old = add_media(uploads, state="incoming")
    aged(uploads / "incoming" / old, 2)
    one_pass(uploads, redis)
    assert state_of(uploads, old) is None
    assert (uploads / "incoming" / ".gitkeep").exists()


def test_originals_are_kept_for_as_long_as_the_setting_says(uploads: Path, redis: Redis) -> None:
    ages = {days: add_media(uploads, state="done", media_id=ulid_of(days)) for days in (1.9, 2.1)}
    failed = add_media(uploads, state="failed", media_id=ulid_of(99))
    one_pass(uploads, redis)
    assert state_of(uploads, ages[2.1]) == "done", "unset keeps them"
    one_pass(uploads, redis, KEEP_ORIGINALS_DAYS="2")
    assert state_of(uploads, ages[1.9]) == "done"
    assert state_of(uploads, ages[2.1]) is None
    assert state_of(uploads, failed) == "failed"


def test_a_cache_of_previews_that_cannot_be_swept_keeps_no_original(
    uploads: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = add_media(uploads, state="done", media_id=ulid_of(2))
    swept = Mock(side_effect=PermissionError("the cache is root's"))
    monkeypatch.setattr(preview_sweep, "sweep", swept)

    async def scenario() -> None:
        async with connected(redis) as pool:
            reconciler = reconciler_of(uploads, pool, KEEP_ORIGINALS_DAYS="1")
            running = asyncio.create_task(reconciler.run())
            await asyncio.to_thread(until, lambda: swept.called and not state_of(uploads, old))
            await end([running])

    asyncio.run(scenario())


def test_what_was_removed_is_told_though_the_rest_of_the_sweep_fails(
    uploads: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {add_media(uploads, state="done", media_id=ulid_of(days)) for days in (2, 3, 4)}
    monkeypatch.setattr(reconciler, "_BATCH", 2)
    removals, remove_files = count(1), shutil.rmtree

    def fail_at_last(path: Path, ignore_errors: bool) -> None:
        remove_files(path, ignore_errors)
        if next(removals) == len(old):
            raise MemoryError

    monkeypatch.setattr(shutil, "rmtree", fail_at_last)
    with suppress(MemoryError):
        one_pass(uploads, redis, KEEP_ORIGINALS_DAYS="1")
    told = [json.loads(fields[b"item"]) for _, fields in cast(Any, redis.xrange(events.EVENTS_KEY))]
    assert [each["event"] for each in told] == ["removed"] * 2
    assert {each["media_id"] for each in told} < old


def test_who_reads_of_a_media_that_is_no_longer_kept_finds_all_of_it_or_nothing(
    uploads: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = add_media(uploads, state="done", media_id=ulid_of(2))
    found: list[str | None] = []
    remove_files = shutil.rmtree

    def look_first(path: Path, ignore_errors: bool) -> None:
        found.append(state_of(uploads, old))
        remove_files(path, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", look_first)
    one_pass(uploads, redis, KEEP_ORIGINALS_DAYS="1")
    assert found == ["incoming"]
    assert state_of(uploads, old) is None
    [(_, fields)] = cast(Any, redis.xrange(events.EVENTS_KEY))
    told = json.loads(fields[b"item"])
    assert (told["event"], told["media_id"]) == ("removed", old)


def test_what_failed_is_kept_for_as_long_as_the_setting_says(uploads: Path, redis: Redis) -> None:
    lately, long_ago = (failed(uploads, "corrupt_image", hours_ago=99) for _ in range(2))
    aged(uploads / "failed" / long_ago, 25)
    one_pass(uploads, redis, KEEP_ORIGINALS_DAYS="1")
    assert state_of(uploads, long_ago) == "failed", "unset keeps them"
    one_pass(uploads, redis, KEEP_FAILED_DAYS="1")
    assert state_of(uploads, long_ago) is None
    assert state_of(uploads, lately) == "failed", "though received long ago"


def test_what_has_just_failed_stays_though_its_files_look_old(uploads: Path, redis: Redis) -> None:
    """This machine's clock was behind; the record has Redis' time."""
    media_id = failed(uploads, "corrupt_image", hours_ago=240)
    record = uploads / "failed" / media_id / "progress.json"
    ended_at = datetime.now(UTC).isoformat()
    record.write_text(record.read_text().replace('"ended_at": ""', f'"ended_at": "{ended_at}"'))
    for path in (record, record.parent):
        os.utime(path, (1, 1))
    one_pass(uploads, redis, KEEP_FAILED_DAYS="7")
    assert state_of(uploads, media_id) == "failed"


def test_what_a_killed_probe_left_is_swept(uploads: Path, redis: Redis) -> None:
    for name in (".probe-old", ".probe-new"):
        (uploads / name).mkdir()
    aged(uploads / ".probe-old", 1.01)
    one_pass(uploads, redis)
    assert [path.name for path in uploads.glob(".probe-*")] == [".probe-new"]


def test_an_original_that_somebody_uses_is_kept_for_now(uploads: Path, redis: Redis) -> None:
    media_id = add_media(uploads, state="done", media_id=ulid_of(9))
    with Spool(uploads).hold(media_id):
        one_pass(uploads, redis, KEEP_ORIGINALS_DAYS="1")
    assert state_of(uploads, media_id) == "done"


def test_a_redis_that_is_down_ends_the_pass_and_not_the_reconciler(
    uploads: Path, service: tuple[Service, Redis], capsys: pytest.CaptureFixture[str]
) -> None:
    server, redis = service
    media_id = add_media(uploads)

    async def scenario() -> None:
        async with connected(redis) as pool:
            passes = reconciler_of(uploads, pool, RECONCILE_SECONDS="0.02")
            running = asyncio.create_task(passes.run())
            await asyncio.to_thread(until, lambda: "reconciler: " in capsys.readouterr().out)
            await asyncio.to_thread(server.start)
            await asyncio.to_thread(until, lambda: queued(redis))
            assert not running.done()
            running.cancel()

    server.kill()
    asyncio.run(scenario())
    assert queued(redis) == {f"{media_id}:watermark:1"}
