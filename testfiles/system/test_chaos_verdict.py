"""The verdict on a chaos run: whatever is wrong with the files is reported."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from faults.answers import Answer, ask
from faults.evidence import Evidence
from faults.uploads import Upload, planned_uploads, post
from faults.verdict import DUPLICATED, LOST, REFUSED, TORN, Wrong, verdict
from local_stack.service import wait_until
from local_stack.stack import ROOT, Stack

COUNT = 5


@dataclass
class Finished:
    """What a small run without faults has left, or a copy of it to tamper with."""

    root: Path
    uploads: list[Upload]
    answers: dict[str, Answer]

    @property
    def found(self) -> Evidence:
        return Evidence(self.root / "uploads", self.storage, sorted(self.root.glob("*.log*")))

    @property
    def storage(self) -> Path:
        return self.root / "central_storage"

    @property
    def log(self) -> Path:
        return self.root / "worker_activity.log"

    @property
    def media_id(self) -> str:
        return self.uploads[0].media_ids[0]

    @property
    def stored(self) -> Path:
        return self.storage / str(self.found.receipts[self.media_id]["name"])

    def move(self, state: str) -> None:
        uploads = self.root / "uploads"
        (uploads / "done" / self.media_id).rename(uploads / state / self.media_id)

    def verdict(self) -> set[tuple[str, str]]:
        wrong = verdict(self.found, self.uploads, self.answers)
        return {(one.kind, one.which) for one in wrong}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("chaos")
    uploads = planned_uploads(seed=3, count=COUNT, seconds=1)
    with Stack(root, {"GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png"}) as stack:
        with httpx.Client(timeout=30, trust_env=False) as http:
            for upload in uploads:
                while post(http, stack.url, upload, upload.content()):
                    pass
        done = stack.upload_dir / "done"
        assert wait_until(lambda: len([*done.iterdir()]) == COUNT, 60)
        media_ids = [media_id for upload in uploads for media_id in upload.media_ids]
        return Finished(root, uploads, ask(stack.url, stack.central_url, media_ids))


@pytest.fixture
def run(untouched: Finished, tmp_path: Path) -> Finished:
    """A copy for one test."""
    shutil.copytree(untouched.root, tmp_path / "run", symlinks=True)
    uploads = [replace(upload, media_ids=[*upload.media_ids]) for upload in untouched.uploads]
    return Finished(tmp_path / "run", uploads, dict(untouched.answers))


def remove_the_stored_file(run: Finished) -> Wrong:
    run.stored.unlink()
    return Wrong(LOST, run.media_id, "")


def remove_the_receipt(run: Finished) -> Wrong:
    (run.storage / ".receipts" / f"{run.media_id}.json").unlink()
    return Wrong(LOST, run.media_id, "")


def remove_its_line(run: Finished) -> Wrong:
    lines = run.log.read_text().splitlines(keepends=True)
    run.log.write_text("".join(line for line in lines if f"IMAGE: {run.stored.name}\n" not in line))
    return Wrong(LOST, run.media_id, "")


def double_its_line_in_a_rotated_log(run: Finished) -> Wrong:
    lines = run.log.read_text().splitlines(keepends=True)
    (line,) = (line for line in lines if line.endswith(f"IMAGE: {run.stored.name}\n"))
    run.log.with_name("worker_activity.log.1").write_text(line)
    return Wrong(DUPLICATED, run.media_id, "")


def tear_a_line(run: Finished) -> Wrong:
    with run.log.open("a") as log:
        log.write("[2026-01-15 14:")
    return Wrong(TORN, "[2026-01-15 14:", "")


def change_a_byte_of_the_stored_file(run: Finished) -> Wrong:
    content = bytearray(run.stored.read_bytes())
    content[len(content) // 2] ^= 1
    run.stored.write_bytes(content)
    return Wrong(TORN, run.media_id, "")


def change_a_byte_of_the_original(run: Finished) -> Wrong:
    original = run.root / "uploads" / "done" / run.media_id / run.uploads[0].filename
    original.write_bytes(original.read_bytes() + b"x")
    return Wrong(TORN, run.media_id, "")


def move_it_to_failed(run: Finished) -> Wrong:
    run.move("failed")
    return Wrong(LOST, run.media_id, "")


def leave_it_in_pending(run: Finished) -> Wrong:
    run.move("pending")
    return Wrong(LOST, run.media_id, "")


def lose_it_in_incoming(run: Finished) -> Wrong:
    run.move("incoming")
    return Wrong(LOST, run.media_id, "")


def add_an_orphan(run: Finished) -> Wrong:
    shutil.copy(run.stored, run.storage / "watermarked_orphan.jpg")
    return Wrong(DUPLICATED, "watermarked_orphan.jpg", "")


def leave_an_intent(run: Finished) -> Wrong:
    (run.storage / ".intents" / f"{run.media_id}.json").touch()
    return Wrong(TORN, f".intents/{run.media_id}.json", "")


def give_its_key_a_second_media(run: Finished) -> Wrong:
    keyed = run.uploads[0]
    assert keyed.key
    keyed.media_ids.append(run.uploads[1].media_ids[0])
    return Wrong(DUPLICATED, keyed.key, "")


def let_the_gateway_forget_it(run: Finished) -> Wrong:
    run.answers[run.media_id] = replace(run.answers[run.media_id], status="404")
    return Wrong(LOST, run.media_id, "")


def let_central_send_something_else(run: Finished) -> Wrong:
    run.answers[run.media_id] = replace(run.answers[run.media_id], central_sha256="0")
    return Wrong(LOST, run.media_id, "")


def refuse_it(run: Finished) -> Wrong:
    run.uploads[0].refusal = "415: not an image"
    return Wrong(REFUSED, run.uploads[0].filename, "")


TAMPERED: list[Callable[[Finished], Wrong]] = [
    remove_the_stored_file,
    remove_the_receipt,
    remove_its_line,
    double_its_line_in_a_rotated_log,
    tear_a_line,
    change_a_byte_of_the_stored_file,
    change_a_byte_of_the_original,
    move_it_to_failed,
    leave_it_in_pending,
    lose_it_in_incoming,
    add_an_orphan,
    leave_an_intent,
    give_its_key_a_second_media,
    let_the_gateway_forget_it,
    let_central_send_something_else,
    refuse_it,
]


def test_nothing_is_wrong_with_a_run_without_faults(run: Finished) -> None:
    assert verdict(run.found, run.uploads, run.answers) == []


@pytest.mark.parametrize("tamper", TAMPERED)
def test_the_verdict_reports(run: Finished, tamper: Callable[[Finished], Wrong]) -> None:
    expected = tamper(run)
    assert (expected.kind, expected.which) in run.verdict()


def test_a_media_nobody_was_told_of_may_be_stored_if_it_is_whole(run: Finished) -> None:
    media_id = run.media_id
    run.uploads[0].media_ids.clear()
    assert run.verdict() == set()
    (run.root / "uploads" / "done" / media_id / "media.json").unlink()
    assert (TORN, media_id) in run.verdict()


def test_a_log_rotated_meanwhile_is_read_too(run: Finished) -> None:
    run.log.rename(run.log.with_name("worker_activity.log.1"))
    assert run.verdict() == set()
