"""Attempts are counted on the disk, and what a failed one leads to."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest

import errors
from pipeline import attempts
from pipeline.attempts import Postponed, attempt
from pipeline.delivery import DeliveryClient
from pipeline.logo import Logo
from pipeline.stages import Stages
from runtime.decoder_processes import DecoderProcesses
from settings import Settings
from shared import clock, records
from shared.contract import Stage, Status
from shared.spool import HeldMedia, Spool
from support.services import until
from support.worker import add_media

UNREACHABLE = errors.Unavailable("central_unreachable", "Central is not there.")


@pytest.fixture
def media(tmp_path: Path) -> Iterator[HeldMedia]:
    media_id = add_media(tmp_path)
    with Spool(tmp_path).hold(media_id) as held:
        yield held


def begin(media: HeldMedia, stage: Stage = Stage.UPLOAD) -> None:
    """An attempt that never ends."""
    with attempt(media, stage, "worker-1", 10) as this:
        this.begin()


def succeed(media: HeldMedia) -> None:
    with attempt(media, Stage.UPLOAD, "worker-1", 10) as this:
        this.begin()
        this.end()


def fail(
    media: HeldMedia, error: errors.StageError, stage: Stage = Stage.UPLOAD
) -> tuple[int, float | None]:
    """Begin and fail an attempt; how many did like this, and the next one's delay or None."""
    delay_s = None
    try:
        with attempt(media, stage, "worker-1", 10) as this:
            this.begin()
            raise error
    except Postponed as postponed:
        delay_s = postponed.delay_s
    media.save()
    ended = [a["error"] for a in media.progress["attempts"] if a["stage"] == stage and a["error"]]
    return [each["code"] for each in ended].count(error.code), delay_s


def meet_full_disk(media: HeldMedia, *, stays_full: bool) -> None:
    full = OSError(28, "No space left on device")
    with ExitStack() as disk, attempt(media, Stage.UPLOAD, "worker-1", 10) as this:
        this.begin()
        if stays_full:
            disk.enter_context(patch("os.write", side_effect=full))
        raise full


def saved(media: HeldMedia) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((media.path / "progress.json").read_text())
    return record


def test_the_nth_retry_waits_n_times_the_backoff_and_the_sixth_failure_is_final(
    media: HeldMedia,
) -> None:
    retries = [fail(media, UNREACHABLE) for _ in range(6)]
    assert retries == [(1, 10), (2, 20), (3, 30), (4, 40), (5, 50), (6, None)]
    assert saved(media)["status"] == "failed"
    assert saved(media)["error"] == {
        "code": "central_unreachable",
        "detail": "Central is not there.",
    }
    assert len(saved(media)["attempts"]) == 6


@pytest.mark.parametrize(("asked_s", "waited_s"), [(3, 10), (10, 10), (120, 120)])
def test_a_wait_that_was_asked_for_counts_if_it_is_longer(
    media: HeldMedia, asked_s: float, waited_s: float
) -> None:
    error = errors.Unavailable("central_unreachable", "Too many requests.", asked_s)
    assert fail(media, error) == (1, waited_s)
    due = datetime.fromisoformat(saved(media)["next_attempt_at"])
    assert due <= datetime.now(UTC) + timedelta(seconds=waited_s)
    assert attempts.wait_s(media, 3600) == pytest.approx(waited_s, abs=5)


def test_no_wait_is_longer_than_it_was_meant_to_be_though_redis_clock_was_set_back(
    media: HeldMedia,
) -> None:
    ahead = time.time() + 400
    clock.measure(ahead, time.monotonic())
    fail(media, UNREACHABLE)
    assert attempts.wait_s(media, 3600) == pytest.approx(10, abs=5)
    clock.measure(time.time(), time.monotonic())
    assert attempts.wait_s(media, 3600) == 0


@pytest.mark.parametrize(
    ("error", "allowed"),
    [
        (errors.ImageRejected("corrupt_image", "It is damaged."), 1),
        (errors.CentralRefused("central_refused", "Central said no."), 1),
        (errors.DecoderFailed("decoder_crashed", "It died."), 2),
        (errors.DecoderKilled("decoder_killed", "It was killed."), 10),
        (UNREACHABLE, 6),
        (errors.LogoUnusable("logo_unavailable", "It is an SVG."), 1),
    ],
)
def test_each_kind_of_failure_is_worth_so_many_attempts(
    media: HeldMedia, error: errors.StageError, allowed: int
) -> None:
    for _ in range(allowed - 1):
        assert fail(media, error)[1] is not None
        assert saved(media)["error"] is None
    assert fail(media, error) == (allowed, None)
    assert saved(media)["status"] == "failed"


def test_failures_of_another_kind_or_stage_are_not_counted_together(media: HeldMedia) -> None:
    for _ in range(5):
        fail(media, UNREACHABLE)
    assert fail(media, errors.Unavailable("logo_unavailable", "No logo.")) == (1, 10)
    assert fail(media, UNREACHABLE, Stage.WATERMARK) == (1, 10)


def test_an_attempt_is_on_the_disk_before_its_work_begins(media: HeldMedia) -> None:
    with attempt(media, Stage.UPLOAD, "worker-1", 10) as this:
        this.begin()
        [record] = saved(media)["attempts"]
        assert (record["stage"], record["worker"]) == ("upload", "worker-1")
        assert (record["ended_at"], record["error"]) == (None, None)
        this.end()
    media.save()
    [record] = saved(media)["attempts"]
    assert record["started_at"] <= record["ended_at"]
    assert saved(media)["status"] == "stored"


def test_the_end_of_stage_1_is_saved_at_once(media: HeldMedia) -> None:
    with attempt(media, Stage.WATERMARK, "worker-1", 10) as this:
        this.begin()
        this.end()
    assert saved(media)["status"] == "watermarked"
    assert saved(media)["attempts"][0]["ended_at"] is not None


def test_an_attempt_says_on_the_console_that_it_begins_and_how_it_ends(
    media: HeldMedia, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(media, UNREACHABLE)
    fail(media, errors.CentralRefused("central_refused", "No."))
    succeed(media)
    media_id = media.record["media_id"]
    whose = f"media_id={media_id} filename=photo.jpg worker=worker-1"
    lines = [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    [begun, retried, _, failed, _, stored] = lines
    assert begun == f"🚚 uploading {whose}"
    said = 'stage=upload code=central_unreachable detail="Central is not there."'
    assert retried == f"🔁 retry 1/5 in 10s {whose} {said}"
    assert failed.startswith(f"💀 failed {whose} stage=upload code=central_refused detail=No.")
    assert f'attempts=2 next="Nothing by itself: POST /media/{media_id}/retry' in failed
    assert stored.startswith(f"📦 stored {whose} seconds=")


def test_a_new_attempt_is_not_waiting_any_more(media: HeldMedia) -> None:
    fail(media, UNREACHABLE)
    assert attempts.wait_s(media, 3600) > 0
    begin(media)
    assert attempts.wait_s(media, 3600) == 0
    assert saved(media)["next_attempt_at"] is None


def test_after_ten_attempts_that_never_ended_the_worker_counts_as_lost(media: HeldMedia) -> None:
    for _ in range(10):
        begin(media)
    begin(media)
    media.save()
    assert saved(media)["status"] == "failed"
    assert saved(media)["error"]["code"] == "worker_lost"
    assert len(saved(media)["attempts"]) == 10


def test_attempts_that_ended_do_not_make_a_worker_lost(media: HeldMedia) -> None:
    for _ in range(12):
        succeed(media)
    begin(media, Stage.WATERMARK)
    assert len(saved(media)["attempts"]) == 13


def test_a_fault_of_the_disk_is_not_charged_and_kept_only_once(media: HeldMedia) -> None:
    for _ in range(30):
        with pytest.raises(OSError, match="No space left"):
            meet_full_disk(media, stays_full=False)
    [record] = saved(media)["attempts"]
    assert record["error"]["code"] == "disk_fault"
    assert "No space left" in record["error"]["detail"]
    assert fail(media, UNREACHABLE) == (1, 10)


def test_a_disk_too_full_to_say_so_is_excused_all_the_same(media: HeldMedia) -> None:
    with pytest.raises(OSError, match="No space left"):
        meet_full_disk(media, stays_full=True)
    assert saved(media)["attempts"][0]["ended_at"] is None


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b"{",
        b'{"run": 3, "status": "sto',
        b"\0" * 100,
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"run": "3"}',
        b'{"run": 3, "attempts": null}',
        b'{"run": 3, "attempts": [5]}',
        b'{"run": 3, "error": "it failed"}',
        b'{"run": 3, "next_attempt_at": "soon"}',
        b'{"run": 3, "next_attempt_at": "2026-01-15T14:30:45"}',
        b'{"run": 3, "watermarked": {}}',
    ],
)
def test_a_torn_record_reads_as_that_of_a_new_media(tmp_path: Path, torn: bytes) -> None:
    media_id = add_media(tmp_path)
    path = tmp_path / "pending" / media_id
    (path / "progress.json").write_bytes(torn)
    fresh = records.read_progress(path)
    (path / "progress.json").unlink()
    assert fresh == records.read_progress(path)
    assert (fresh["run"], fresh["status"], fresh["attempts"]) == (1, "queued", [])


def stages_with(logo: object = None, central: object = None) -> Stages:
    return Stages(
        Settings(),
        "worker-1",
        cast(Spool, None),
        cast(DecoderProcesses, None),
        cast(Logo, logo),
        cast(DeliveryClient, central),
    )


def test_an_attempt_cut_short_by_the_workers_stop_is_not_charged(media: HeldMedia) -> None:
    class LogoThatNeverComes:
        async def path(self) -> None:
            await asyncio.Event().wait()

    at_work = stages_with(LogoThatNeverComes())

    async def stopped_meanwhile() -> None:
        working = asyncio.create_task(at_work.advance(media, Stage.WATERMARK))
        await asyncio.to_thread(until, lambda: media.progress["status"] == "watermarking")
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    for _ in range(12):
        asyncio.run(stopped_meanwhile())
        media.progress["status"] = Status.QUEUED
        media.save()
    [record] = saved(media)["attempts"]
    assert record["error"]["code"] == "interrupted"


def test_a_next_attempt_that_is_due_later_than_any_can_be_is_due_now(media: HeldMedia) -> None:
    """The clock was wrong when it was noted."""
    media.progress["next_attempt_at"] = "2999-01-15T14:30:45.123Z"
    assert attempts.wait_s(media, 3600) == 0


@pytest.mark.parametrize(
    "unforeseen", [ImportError("no socksio"), KeyError("x"), ZeroDivisionError()]
)
def test_an_exception_nobody_foresaw_ends_the_attempt_and_is_tried_again_within_limits(
    media: HeldMedia, unforeseen: Exception
) -> None:
    class Broken:
        async def path(self) -> Path:
            raise unforeseen

    at_work = stages_with(Broken())
    for number in range(1, 6):
        with pytest.raises(Postponed) as put_off:
            asyncio.run(at_work.advance(media, Stage.WATERMARK))
        assert put_off.value.delay_s == 10 * number
        assert saved(media)["attempts"][-1]["error"]["code"] == "internal_error"
        media.progress["next_attempt_at"] = None  # so long later
    assert asyncio.run(at_work.advance(media, Stage.WATERMARK)) is None
    assert media.state == "failed"
    record = saved(media)
    assert type(unforeseen).__name__ in record["error"]["detail"]
    assert [each["ended_at"] is None for each in record["attempts"]] == [False] * 6


def test_an_exception_before_the_attempt_has_begun_is_an_attempt_all_the_same(
    media: HeldMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stages, "_output", None)  # which cannot be called
    with pytest.raises(Postponed):
        asyncio.run(stages_with().advance(media, Stage.UPLOAD))
    [record] = saved(media)["attempts"]
    assert (record["stage"], record["worker"]) == ("upload", "worker-1")
    assert record["error"]["code"] == "internal_error"


@pytest.mark.parametrize("state", ["failed", "done"])
def test_a_record_is_on_the_disk_before_its_media_moves(
    media: HeldMedia, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    media.save()
    steps: list[str] = []
    fsync, replace, rename = os.fsync, os.replace, Path.rename

    def noted_fsync(fd: int) -> None:
        fsync(fd)
        steps.append(f"fsync {Path(f'/proc/self/fd/{fd}').readlink().name}")

    def noted_replace(source: Any, target: Any) -> None:
        replace(source, target)
        steps.append(f"replace {Path(target).name}")

    def noted_rename(source: Path, target: Path) -> Path:
        steps.append(f"move to {target.parent.name}")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    monkeypatch.setattr(Path, "rename", noted_rename)
    media.progress["status"] = Status.STORED if state == "done" else Status.FAILED
    media.settle(state)
    assert steps == [
        "fsync .progress.json.new",
        "replace progress.json",
        f"move to {state}",
    ]
