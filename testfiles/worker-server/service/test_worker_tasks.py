"""What the end of a stage means to its job: it is put off, or is over."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from arq.worker import Retry

from pipeline.attempts import Postponed
from pipeline.stages import Stages
from service import tasks
from shared.contract import Stage
from shared.redis.jobs import Job
from shared.spool import HeldMedia, Spool
from support.worker import add_media, state_of


class Recorder:
    """Stages that end as they are told to."""

    def __init__(self, root: Path, outcome: Stage | Exception | None = None) -> None:
        self.spool = Spool(root)
        self.outcome = outcome
        self.advanced: list[str] = []

    do_job = Stages.do_job

    async def advance(self, media: HeldMedia, stage: str) -> Stage | None:
        self.advanced.append(stage)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def follower(self, media_id: str, run: int = 1) -> Job | None:
        """The job that is to follow."""
        outcome = asyncio.run(tasks.watermark_image_task({"stages": self}, media_id, run))
        if following := outcome.following:
            with self.spool.hold(media_id):
                pass  # the next job needs the lock
        return following

    def put_off_ms(self, media_id: str) -> int | None:
        with pytest.raises(Retry) as told:
            self.follower(media_id)
        return told.value.defer_score


def test_success_queues_the_next_stage_after_the_lock_is_free(tmp_path: Path) -> None:
    media_id = add_media(tmp_path, run=4)
    recorder = Recorder(tmp_path, Stage.UPLOAD)
    assert recorder.follower(media_id, 4) == (media_id, Stage.UPLOAD, 4)
    assert recorder.advanced == ["watermark"]


def test_a_media_somebody_else_holds_comes_back_in_5_s_uncharged(tmp_path: Path) -> None:
    media_id = add_media(tmp_path)
    recorder = Recorder(tmp_path)
    with recorder.spool.hold(media_id):
        assert recorder.put_off_ms(media_id) == 5000
    assert recorder.advanced == []
    assert not (tmp_path / "pending" / media_id / "progress.json").exists()


def test_a_retry_comes_back_when_it_is_due(tmp_path: Path) -> None:
    assert Recorder(tmp_path, Postponed(30)).put_off_ms(add_media(tmp_path)) == 30_000


def test_a_fault_of_the_disk_comes_back_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = OSError(28, "No space left on device")
    assert Recorder(tmp_path, fault).put_off_ms(add_media(tmp_path)) == 10_000
    assert "No space left on device" in capsys.readouterr().out


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
    assert recorder.follower(media_id, run) is None
    assert recorder.advanced == []
    assert state_of(tmp_path, media_id) == before
