"""What the end of a stage means to arq: a job is put off, or is over."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from arq.worker import Retry
from redis.exceptions import ConnectionError as RedisGone

from worker_rig import add_media, state_of, worker_module

tasks = worker_module("tasks")
postponed = worker_module("stages").Postponed
spool = worker_module("spool")
Stage = worker_module("contract").Stage


class Recorder:
    """Stages that end as they are told to, and a Redis that notes what is queued."""

    def __init__(self, root: Path, outcome: Any = None) -> None:
        self.spool = spool.Spool(root)
        self.outcome = outcome
        self.advanced: list[str] = []
        self.queued: list[tuple[Any, ...]] = []

    async def advance(self, media: Any, stage: str) -> Any:
        self.advanced.append(stage)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def enqueue(self, redis: str, jobs: list[tuple[Any, ...]]) -> None:
        assert redis == "the worker's own"
        for job in jobs:
            with self.spool.hold(job[0]):  # the next job needs the lock
                self.queued.append(job)

    def run(self, media_id: str, run: int = 1) -> None:
        context = {
            "stages": self,
            "redis": "the worker's own",
            "upload_queued": asyncio.Queue(),
        }
        with patch.object(tasks.jobs, "enqueue", self.enqueue):
            asyncio.run(tasks.watermark_image_task(context, media_id, run))

    def put_off_ms(self, media_id: str) -> Any:
        with pytest.raises(Retry) as told:
            self.run(media_id)
        return told.value.defer_score


def test_success_queues_the_next_stage_after_the_lock_is_free(tmp_path: Path) -> None:
    media_id = add_media(tmp_path, run=4)
    recorder = Recorder(tmp_path, Stage.UPLOAD)
    recorder.run(media_id, 4)
    assert recorder.advanced == ["watermark"]
    assert recorder.queued == [(media_id, Stage.UPLOAD, 4)]


def test_a_media_somebody_else_holds_comes_back_in_5_s_uncharged(tmp_path: Path) -> None:
    media_id = add_media(tmp_path)
    recorder = Recorder(tmp_path)
    with recorder.spool.hold(media_id):
        assert recorder.put_off_ms(media_id) == 5000
    assert recorder.advanced == []
    assert not (tmp_path / "pending" / media_id / "progress.json").exists()


def test_a_retry_comes_back_when_it_is_due(tmp_path: Path) -> None:
    assert Recorder(tmp_path, postponed(30)).put_off_ms(add_media(tmp_path)) == 30_000


def test_a_fault_of_the_disk_comes_back_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fault = OSError(28, "No space left on device")
    with caplog.at_level(logging.INFO, "media"):
        assert Recorder(tmp_path, fault).put_off_ms(add_media(tmp_path)) == 10_000
    assert "No space left on device" in caplog.text


@pytest.mark.parametrize(
    "prepare",
    [
        lambda root: ("01KAP3V8Z4J5N6Q7R8S9T0VWXY", 1),
        lambda root: (add_media(root, state="done"), 1),
        lambda root: (add_media(root, state="failed"), 1),
        lambda root: (add_media(root, run=2), 1),
    ],
)
def test_a_job_of_no_media_a_finished_one_or_an_old_run_is_over(
    tmp_path: Path, prepare: Callable[[Path], tuple[str, int]]
) -> None:
    media_id, run = prepare(tmp_path)
    before = state_of(tmp_path, media_id)
    recorder = Recorder(tmp_path)
    recorder.run(media_id, run)
    assert recorder.advanced == recorder.queued == []
    assert state_of(tmp_path, media_id) == before


def test_a_redis_that_is_gone_when_the_next_stage_is_queued_is_told_and_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: Any, **__: Any) -> None:
        raise RedisGone("Connection closed")

    recorder = Recorder(tmp_path, Stage.UPLOAD)
    monkeypatch.setattr(recorder, "enqueue", gone)
    with caplog.at_level(logging.INFO, "media"):
        recorder.run(add_media(tmp_path))
    assert "upload is not queued yet" in caplog.text
