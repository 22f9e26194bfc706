"""Records that a power cut left empty, torn or at odds with their folder are put right."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from ulid import ULID

from errors import Unavailable
from pipeline.delivery import DeliveryClient
from recovery import record_repair
from recovery.record_repair import RecordRepair, Rerun
from shared import clock
from shared.contract import FileRecord
from shared.records import is_in_order
from shared.redis.jobs import Job
from shared.spool import Spool
from support.worker import add_media, state_of

RECEIPT: FileRecord = {"name": "watermarked_photo-7.jpg", "sha256": "a" * 64, "size": 7}
ERROR = {"code": "corrupt_image", "detail": "It is damaged."}
STORED: dict[str, Any] = {"status": "stored", "stored": RECEIPT}
DAY_S = 86_400.0


class FakeCentral:
    """What it remembers, and for how many days; None for ever."""

    def __init__(self, *remembered: str, days: float | None = None) -> None:
        self.remembered = set(remembered)
        self.days = days
        self.answers = True
        self.answers_after_s = 0.0

    async def receipt(self, media_id: str) -> FileRecord | None:
        await self._answer()
        return RECEIPT if media_id in self.remembered else None

    async def receipts_kept_days(self) -> float | None:
        await self._answer()
        return self.days

    async def _answer(self) -> None:
        await asyncio.sleep(self.answers_after_s)
        if not self.answers:
            raise Unavailable("central_unreachable", "Central is not there.")


@pytest.fixture(autouse=True)
def clock_of_redis() -> Iterator[None]:
    clock.measure(time.time(), time.monotonic())
    yield
    clock.measure(time.time(), time.monotonic())


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    Spool(tmp_path).prepare()
    return tmp_path


def repair_of(state: str, uploads: Path, central: FakeCentral) -> RecordRepair:
    return RecordRepair(state, Spool(uploads), cast(DeliveryClient, central))


def repaired(state: str, uploads: Path, central: FakeCentral) -> list[Job]:
    """What is queued after a start. Each job's event says that its media waits again."""
    rerun = asyncio.run(repair_of(state, uploads, central).run())
    for (media_id, _, _), event in rerun:
        told = json.loads(event)
        assert told["event"] == "retry"
        assert (told["media_id"], told["state"]) == (media_id, "pending")
    return [job for job, _ in rerun]


def described(uploads: Path, media_id: str) -> dict[str, Any]:
    return Spool(uploads).describe(media_id)


def record_of(uploads: Path, media_id: str) -> dict[str, Any]:
    """The file itself."""
    [path] = uploads.glob(f"*/{media_id}/progress.json")
    record: dict[str, Any] = json.loads(path.read_bytes())
    return record


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def missing(path: Path) -> None:
    path.unlink()


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def still_queued(path: Path) -> None:
    path.write_text(json.dumps({"run": 1, "status": "queued"}))


def still_uploading(path: Path) -> None:
    record = {**json.loads(path.read_text()), "status": "uploading", "stored": None, "error": None}
    path.write_text(json.dumps(record))


damages = pytest.mark.parametrize(
    "damage", [emptied, torn, zeroed, missing, link, still_queued, still_uploading]
)


@damages
@pytest.mark.parametrize("is_remembered", [True, False])
def test_in_done_the_folder_is_the_proof(
    uploads: Path, damage: Callable[[Path], None], is_remembered: bool
) -> None:
    media_id = add_media(uploads, state="done", **STORED)
    damage(uploads / "done" / media_id / "progress.json")
    assert described(uploads, media_id)["status"] == "stored", "before anything is put right"
    central = FakeCentral(media_id) if is_remembered else FakeCentral(days=1)
    assert repaired("done", uploads, central) == []
    assert state_of(uploads, media_id) == "done"
    record = record_of(uploads, media_id)
    assert (record["status"], record["stored"]) == ("stored", RECEIPT if is_remembered else None)


@damages
@pytest.mark.parametrize(
    ("is_remembered", "days", "age_days"), [(True, 1, 9), (False, None, 999), (False, 10, 9)]
)
def test_in_failed_it_is_rerun_where_central_would_know_it(
    uploads: Path,
    damage: Callable[[Path], None],
    is_remembered: bool,
    days: float | None,
    age_days: float,
) -> None:
    media_id = str(ULID.from_timestamp(time.time() - age_days * DAY_S))
    add_media(uploads, state="failed", media_id=media_id, status="failed", error=ERROR)
    damage(uploads / "failed" / media_id / "progress.json")
    central = FakeCentral(*([media_id] if is_remembered else []), days=days)
    [(queued, stage, run)] = repaired("failed", uploads, central)
    assert (queued, stage) == (media_id, "watermark")
    assert state_of(uploads, media_id) == "pending"
    assert described(uploads, media_id)["status"] == "queued"
    assert described(uploads, media_id)["run"] == run


@damages
def test_in_failed_it_stays_where_central_may_have_forgotten_it(
    uploads: Path, damage: Callable[[Path], None]
) -> None:
    media_id = str(ULID.from_timestamp(time.time() - 11 * DAY_S))
    add_media(uploads, state="failed", media_id=media_id, status="failed", error=ERROR)
    damage(uploads / "failed" / media_id / "progress.json")
    assert described(uploads, media_id)["error"]["code"] == "record_lost"
    assert repaired("failed", uploads, FakeCentral(days=10)) == []
    assert state_of(uploads, media_id) == "failed"
    record = record_of(uploads, media_id)
    assert (record["status"], record["error"]["code"]) == ("failed", "record_lost")


def test_in_failed_it_waits_while_two_clocks_disagree(
    uploads: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media_id = add_media(uploads, state="failed")
    clock.measure(time.time() - 400 * DAY_S, time.monotonic())
    assert repaired("failed", uploads, FakeCentral(days=10)) == []
    assert "wait for Redis' clock and this machine's to agree" in capsys.readouterr().out
    assert state_of(uploads, media_id) == "failed"
    assert not (uploads / "failed" / media_id / "progress.json").exists()


def test_what_is_in_order_is_left_alone(uploads: Path) -> None:
    fine = [
        add_media(uploads, state="done", **STORED),
        add_media(uploads, state="failed", status="failed", error=ERROR),
    ]

    def written() -> list[tuple[int, int, int]]:
        found = [path.stat() for path in uploads.glob("*/*/progress.json")]
        return [(stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for stat in found]

    before = written()
    assert len(before) == 2
    for state in ("done", "failed"):
        assert repaired(state, uploads, FakeCentral(*fine)) == []
    assert written() == before


def test_without_central_it_waits_and_says_so_once(
    uploads: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_repair, "_SHARE", 0)
    media_id, central = add_media(uploads, state="failed"), FakeCentral()
    repair = repair_of("failed", uploads, central)

    async def scenario() -> list[Rerun]:
        central.answers = False
        for _ in range(3):
            assert await repair.run() == []
        central.answers = True
        return await repair.run()

    assert len(asyncio.run(scenario())) == 1
    assert state_of(uploads, media_id) == "pending"
    assert capsys.readouterr().out.count("wait for central") == 1


@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_folder_in_a_records_or_the_locks_place_stops_nothing(uploads: Path, state: str) -> None:
    broken, other = (add_media(uploads, state=state) for _ in range(2))
    record = uploads / state / broken / "progress.json"
    record.unlink(missing_ok=True)
    record.mkdir()
    (uploads / state / broken / ".lock").mkdir()
    (uploads / f".{state}-looked-at.lock").mkdir()
    repaired(state, uploads, FakeCentral(broken, other))
    expected = {"done": ("done", "stored"), "failed": ("pending", "queued")}[state]
    for media_id in (broken, other):
        assert (state_of(uploads, media_id), record_of(uploads, media_id)["status"]) == expected


def test_waiting_for_central_is_not_looking(uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that takes long is followed by a long pause, not one that waits or is frozen."""
    monkeypatch.setattr(record_repair, "_SHARE", 1000)
    media_id, central = add_media(uploads, state="failed"), FakeCentral()
    central.answers, central.answers_after_s = False, 0.1
    repair = repair_of("failed", uploads, central)

    async def scenario() -> None:
        assert await repair.run() == []
        central.answers = True
        for _ in range(2000):  # 20 s; a thousand times what the wait took is 100 s
            if await repair.run():
                return
            await asyncio.sleep(0.01)

    asyncio.run(scenario())
    assert state_of(uploads, media_id) == "pending"


def test_later_looks_are_at_what_has_changed_since(
    uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_repair, "_SHARE", 0)
    media_ids = [add_media(uploads, state="done", **STORED) for _ in range(5)]
    for path in uploads.glob("done/*/progress.json"):  # long ago, but for the time it takes
        os.utime(path, (1, 1))
    looked_at: list[str] = []

    def noted(path: Path) -> bool:
        looked_at.append(path.name)
        return is_in_order(path)

    monkeypatch.setattr(record_repair, "is_in_order", noted)
    repair = repair_of("done", uploads, FakeCentral(media_ids[2]))

    async def scenario() -> None:
        await repair.run()
        assert sorted(looked_at) == sorted(media_ids)
        await asyncio.sleep(0.02)
        await repair.run()
        looked_at.clear()
        emptied(uploads / "done" / media_ids[2] / "progress.json")
        await repair.run()
        assert set(looked_at) == {media_ids[2]}

    asyncio.run(scenario())
    assert record_of(uploads, media_ids[2])["stored"] == RECEIPT


def test_one_worker_looks_at_all_and_the_others_that_started_with_it_do_not(
    uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_repair, "_SHARE", 0)
    first, second = (repair_of("failed", uploads, FakeCentral()) for _ in range(2))

    async def scenario() -> None:
        for repair in (first, second):  # both begin
            await repair.run()
        add_media(uploads, state="failed")
        assert len(await first.run()) == 1
        assert await second.run() == []

    asyncio.run(scenario())
    media_id = add_media(uploads, state="failed")
    assert [job[0] for job in repaired("failed", uploads, FakeCentral())] == [media_id]


def test_a_media_that_somebody_holds_is_looked_at_again(
    uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_repair, "_SHARE", 0)
    media_id = add_media(uploads, state="failed")
    repair = repair_of("failed", uploads, FakeCentral())

    async def scenario() -> list[Rerun]:
        with Spool(uploads).hold(media_id):
            assert await repair.run() == []
        return await repair.run()

    assert [job[0] for job, _ in asyncio.run(scenario())] == [media_id]


@pytest.mark.slow
def test_among_200_000_media_in_done_the_one_is_found(uploads: Path) -> None:
    template = uploads / "done" / add_media(uploads, state="done", **STORED) / "progress.json"
    for number in range(200):  # a file has so many links at most
        original = uploads / f"record-{number}.json"
        original.write_bytes(template.read_bytes())
        for _ in range(1000):
            folder = uploads / "done" / str(ULID())
            folder.mkdir()
            os.link(original, folder / "progress.json")
    media_id = add_media(uploads, state="done")
    assert repaired("done", uploads, FakeCentral(media_id)) == []
    assert record_of(uploads, media_id)["stored"] == RECEIPT
    shutil.rmtree(uploads / "done")  # pytest would keep them
