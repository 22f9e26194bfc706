"""The index has what the folders have, whatever happens to it, to them or to the disk."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from index import disk, scanner, writer
from index.counts import FailureGroup
from index.index import Index
from index.pages import Page
from index.query import Query
from shared import contract
from shared.contract import FAILURE_CODES, Status
from shared.records import new_progress, read_record
from shared.redis import events
from shared.redis.events import Change, Event, Item
from shared.spool import MediaGone, Spool
from shared.web.problems import Problem
from support.fast import RunningIndex, running_index, tiny_disk
from support.services import until
from support.worker import add_media

FAILED: dict[str, Any] = {
    **new_progress(),
    "status": "failed",
    "error": {"code": "corrupt_image", "detail": "It is broken."},
}
STORED: dict[str, Any] = {**new_progress(), "status": "stored"}
AT = "2026-01-15T14:30:45.123Z"


def fill(uploads: Path, number: int) -> list[str]:
    """Media of all states."""
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("pending", {}),
        ("pending", {**new_progress(), "status": "watermarking"}),
        ("failed", FAILED),
        ("done", STORED),
    ]
    made = []
    for n in range(number):
        state, progress = kinds[n % len(kinds)]
        made.append(add_media(uploads, b"x", f"IMG_{n}.jpg", state, **progress))
    return made


def on_disk(uploads: Path) -> dict[str, tuple[str, str, str | None, str]]:
    """State, status, code and name of all media, read one by one as GET /media/<id> reads them."""
    spool, found = Spool(uploads), {}
    for state in ("pending", "failed", "done"):
        for path in (uploads / state).iterdir():
            if contract.is_media_id(path.name) and path.is_dir() and not path.is_symlink():
                record = spool.describe(path.name)
                code = record["error"] and record["error"]["code"]
                found[path.name] = (state, record["status"], code, record["filename"])
    return found


def in_index(index: RunningIndex) -> dict[str, tuple[str, str, str | None, str]]:
    return {
        media_id: (item["state"], item["status"], item["code"], item["filename"])
        for media_id, item in index.media().items()
    }


def assert_counts_are_those_of(index: RunningIndex, uploads: Path) -> None:
    counts, kinds = index.counts(), on_disk(uploads).values()
    states, statuses = Counter(kind[0] for kind in kinds), Counter(kind[1] for kind in kinds)
    assert Counter(counts.states) == states
    assert Counter(counts.statuses) == statuses
    codes = Counter(code for state, _, code, _ in kinds if state == "failed")
    assert Counter({group.code: group.count for group in counts.failures}) == codes


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again, is tried at once."""
    monkeypatch.setattr(writer, "REOPEN_S", 0.1)
    monkeypatch.setattr(scanner, "AFTER_A_FAULT_S", 0.1)


def test_it_is_made_from_the_folders_however_odd_they_are(tmp_path: Path) -> None:
    made = fill(tmp_path, 60)
    done, failed = tmp_path / "done", tmp_path / "failed"
    for media_id, file, content in (
        (made[3], "media.json", "{"),
        (made[7], "media.json", '{"media_id": "another"}'),
        (made[11], "progress.json", "null"),
        (made[15], "progress.json", json.dumps({**STORED, "status": "queued"})),
        (made[19], "progress.json", json.dumps({**STORED, "attempts": [{"ended_at": 3}]})),
        (made[2], "progress.json", ""),
        (made[6], "progress.json", json.dumps({**FAILED, "error": {"code": 7}})),
    ):
        [folder] = tmp_path.glob(f"*/{media_id}")
        (folder / file).write_text(content)
    for media_id, size in ((made[23], 2**70), (made[27], -1)):
        record = json.loads((done / media_id / "media.json").read_text()) | {"size": size}
        (done / media_id / "media.json").write_text(json.dumps(record))
    (done / "a note.txt").touch()
    (done / str(ULID())).touch()
    (done / str(ULID())).mkdir()
    (failed / str(ULID())).symlink_to(done / made[31])
    os.mkfifo(done / made[31] / "fifo")
    (done / made[35] / "media.json").unlink()
    os.mkfifo(done / made[35] / "media.json")
    with running_index(tmp_path) as index:
        index.wait()
        assert in_index(index) == on_disk(tmp_path)
        assert len(index.media()) == 61
        assert_counts_are_those_of(index, tmp_path)


def test_what_it_has_is_what_the_records_say(tmp_path: Path) -> None:
    media_id = add_media(tmp_path, b"1234", "a.jpg", "done", **STORED)
    path = tmp_path / "done" / media_id
    record = json.loads((path / "media.json").read_text()) | {"ref": "r", "batch": media_id}
    (path / "media.json").write_text(json.dumps(record))
    attempt = {"stage": "upload", "worker": "w", "started_at": AT, "ended_at": None, "error": None}
    ended = {**attempt, "ended_at": "2026-01-15T14:30:46.5+00:00"}
    progress = {**STORED, "attempts": [attempt, ended]}
    (path / "progress.json").write_text(json.dumps(progress))
    with running_index(tmp_path) as index:
        index.wait()
        [item] = index.media().values()
    assert item == {
        "media_id": media_id,
        "state": "done",
        "status": "stored",
        "code": None,
        "filename": "a.jpg",
        "ref": "r",
        "batch": media_id,
        "size": 4,
        "changed_at": "2026-01-15T14:30:46.500Z",
    }


def test_it_is_kept_and_only_looked_over_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(tmp_path, 40)
    with running_index(tmp_path) as index:
        index.wait()
    shutil.rmtree(tmp_path / "done" / made[3])
    (tmp_path / "failed" / made[2]).rename(tmp_path / "done" / made[2])
    (tmp_path / "done" / made[2] / "progress.json").write_text(json.dumps(STORED))
    read, read_listed = list[str](), disk.read_listed

    def noted(spool: Spool, state: str, media_id: str) -> Item | None:
        read.append(state)
        return read_listed(spool, state, media_id)

    monkeypatch.setattr(disk, "read_listed", noted)
    with running_index(tmp_path) as index:
        index.wait()
        assert in_index(index) == on_disk(tmp_path)
        assert_counts_are_those_of(index, tmp_path)
    assert Counter(read) == {"pending": 20, "failed": 9, "done": 1}


def change_at_random(uploads: Path, chance: random.Random, index: Index) -> None:
    """What the services do to one of the media, and their note of it."""
    spool = Spool(uploads)
    media_id = chance.choice([path.name for path in uploads.glob("[pfd]*/*")])
    with suppress(MediaGone), spool.hold(media_id) as media:
        if media.state == "done":
            media.remove()
            index.note(events.removal(media_id))
            new = add_media(uploads, b"x", "IMG.jpg")
            index.note(events.received(read_record(uploads / "pending" / new)))
            return
        if media.state == "failed":
            media.rerun()
        elif chance.random() < 0.5:
            media.progress["status"] = chance.choice([Status.WATERMARKING, Status.UPLOADING])
            media.save()
        elif chance.random() < 0.7:
            media.progress["status"] = Status.STORED
            media.settle("done")
        else:
            media.progress["status"] = Status.FAILED
            media.progress["error"] = {"code": chance.choice(FAILURE_CODES), "detail": ""}
            media.settle("failed")
        index.note(events.now(media))


def test_its_counters_are_what_a_recount_finds_after_many_changes(tmp_path: Path) -> None:
    fill(tmp_path, 60)
    chance = random.Random(7)
    with running_index(tmp_path) as index:
        for n in range(400):
            if n == 200:
                index.wait()
            change_at_random(tmp_path, chance, index.index)
            if n % 20 == 0:
                index.counts()  # so that not all is one write
        index.wait()
        assert in_index(index) == on_disk(tmp_path)
        assert_counts_are_those_of(index, tmp_path)
        oldest = min(path.name for path in (tmp_path / "pending").iterdir())
        assert index.counts().oldest_pending == oldest


def test_removing_it_under_load_loses_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 60)
    chance = random.Random(3)
    with running_index(tmp_path) as index:
        for n in range(200):
            change_at_random(tmp_path, chance, index.index)
            if n % 50 == 20:
                until((tmp_path / ".index" / "0.sqlite3").exists)
                shutil.rmtree(tmp_path / ".index", ignore_errors=True)  # it may be made meanwhile
            if n % 50 == 40:
                page_or_refusal(index)
        until(lambda: page_or_refusal(index) != "index_unavailable")
        index.wait()
        assert in_index(index) == on_disk(tmp_path)
        assert_counts_are_those_of(index, tmp_path)
        assert (tmp_path / ".index" / "0.sqlite3").exists()


def test_two_gateways_have_a_file_each(tmp_path: Path) -> None:
    made = fill(tmp_path, 20)
    files = tmp_path / ".index"
    with running_index(tmp_path) as first:
        first.wait()
        with running_index(tmp_path) as second:
            second.wait()
            assert in_index(second) == in_index(first) == on_disk(tmp_path)
            assert {path.name for path in files.glob("*.sqlite3")} == {"0.sqlite3", "1.sqlite3"}
        shutil.rmtree(tmp_path / "done" / made[3])
    with running_index(tmp_path) as third:  # it takes the first one's, which nobody holds
        third.wait()
        assert in_index(third) == on_disk(tmp_path)
        assert {path.name for path in files.glob("*.sqlite3")} == {"0.sqlite3", "1.sqlite3"}


def taken(media_id: str, event: Event = Event.WATERMARKING) -> Change:
    """As Redis tells that a worker has taken its job."""
    return {"event": event, "media_id": media_id, "status": event, "changed_at": AT}


def damage(file: Path) -> None:
    """All but its first page and its size."""
    with file.open("r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xa5" * (file.stat().st_size - 4096))


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0", b""])
def test_a_file_that_is_none_is_replaced_at_the_start(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path, 8)
    (tmp_path / ".index").mkdir()
    (tmp_path / ".index" / "0.sqlite3").write_bytes(content)
    with running_index(tmp_path) as index:
        index.wait()
        assert in_index(index) == on_disk(tmp_path)


def test_one_of_another_version_is_made_anew(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    (tmp_path / ".index").mkdir()
    with sqlite3.connect(tmp_path / ".index" / "0.sqlite3") as other:
        other.execute("CREATE TABLE media (another TEXT)")
        other.execute("PRAGMA user_version = 99")
    other.close()
    with running_index(tmp_path) as index:
        index.wait()
        assert in_index(index) == on_disk(tmp_path)


def page_or_refusal(index: RunningIndex) -> Page | str:
    try:
        return index.page()
    except Problem as problem:
        return problem.kind.code


def test_one_that_is_damaged_is_dropped_said_once_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 400)
    with running_index(tmp_path) as index:
        index.wait()
    damage(tmp_path / ".index" / "0.sqlite3")
    with running_index(tmp_path) as index:
        until(lambda: page_or_refusal(index) != "index_unavailable" and index.index.is_complete)
        assert in_index(index) == on_disk(tmp_path)
    assert capsys.readouterr().out.count("the index is made again") == 1


def test_without_a_folder_for_it_there_are_no_lists_until_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, folder = fill(tmp_path, 8), tmp_path / ".index"
    folder.write_text("in the way")
    with running_index(tmp_path) as index:
        for _ in range(3):
            assert page_or_refusal(index) == "index_unavailable"
            with pytest.raises(Problem):
                index.counts()
        assert not index.index.is_complete
        [change] = index.complete(taken(made[0]))
        assert (change["filename"], change["state"]) == ("IMG_0.jpg", "pending")
        folder.unlink()
        index.wait()
        assert in_index(index) == on_disk(tmp_path)
    assert capsys.readouterr().out.count("the index is made again") == 1


def test_a_full_disk_ends_it_and_one_with_room_brings_it_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uploads = tmp_path / "uploads"
    fill(uploads, 1200)
    with tiny_disk(tmp_path / "disk") as folder, running_index(uploads, folder) as index:
        fill_up = folder / "fill up"
        with suppress(OSError), fill_up.open("wb", buffering=0) as file:
            for _ in range(1000):
                file.write(bytes(4096))
        until(lambda: page_or_refusal(index) == "index_unavailable")
        assert "the index is made again" in capsys.readouterr().out
        [change] = index.complete(taken(max(on_disk(uploads))))
        assert change["event"] == Event.WATERMARKING
        subprocess.run(["mount", "-o", "remount,size=50m", str(folder)], check=True)
        index.wait()
        assert in_index(index) == on_disk(uploads)
        assert "the index is made again" not in capsys.readouterr().out


def test_an_event_is_completed_by_what_is_known(tmp_path: Path) -> None:
    pending, _, failed, done, *_ = made = fill(tmp_path, 8)
    with running_index(tmp_path) as index:
        index.wait()
        shutil.rmtree(tmp_path / "pending" / made[4])  # the index knows it all the same
        changes = index.complete(
            taken(pending),
            taken(made[4], Event.UPLOADING),
            taken(done),
            taken(failed),
            events.removal(made[7]),
        )
        found = index.media()
    for change in changes[:4]:
        assert {name: change.get(name) for name in Item.__annotations__} == found[
            change["media_id"]
        ]
    assert [(change["event"], change["status"]) for change in changes] == [
        ("watermarking", "watermarking"),
        ("uploading", "uploading"),
        # Their jobs were late: they have nothing to do.
        ("watermarking", "stored"),
        ("watermarking", "failed"),
        ("removed", "removed"),
    ]
    assert changes[0]["filename"] == "IMG_0.jpg"
    assert found.keys() == {*made} - {made[7]}


def test_an_event_of_one_that_is_unknown_is_completed_by_its_folder(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    with running_index(tmp_path) as index:
        index.wait()
        new = add_media(tmp_path, b"x", "new.jpg")
        gone = str(ULID())
        first, second = index.complete(taken(new), taken(gone))
        assert (first["filename"], first["status"], first["state"]) == (
            "new.jpg",
            "queued",
            "pending",
        )
        assert second == events.removal(gone) | {"changed_at": AT}
        assert index.media().keys() == on_disk(tmp_path).keys()


def test_a_late_event_of_one_that_was_removed_does_not_bring_it_back(tmp_path: Path) -> None:
    done = fill(tmp_path, 4)[3]
    with running_index(tmp_path) as index:
        index.wait()
        with Spool(tmp_path).hold(done) as media:
            late: Change = {"event": Event.STORED, **events.now(media)}
            media.remove()
        index.index.note(events.removal(done))
        [change] = index.complete(late)
        assert change["event"] == Event.REMOVED
        assert done not in index.media()


def test_the_last_of_several_events_counts(tmp_path: Path) -> None:
    pending = fill(tmp_path, 4)[0]
    with running_index(tmp_path) as index:
        index.wait()
        with Spool(tmp_path).hold(pending) as media:
            first: Change = {"event": Event.WATERMARKED, **events.now(media)}
            first["status"] = "watermarked"
        index.complete(first, taken(pending, Event.UPLOADING))
        assert index.media()[pending]["status"] == "uploading"
        assert index.counts().statuses["uploading"] == 1


@pytest.mark.parametrize("is_told", [True, False], ids=["after a gap", "each hour"])
def test_what_no_event_told_of_is_found_by_reading_the_folders_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    if not is_told:
        monkeypatch.setattr(scanner, "EVERY_S", 0.1)
    made = fill(tmp_path, 40)
    with running_index(tmp_path) as index:
        index.wait()
        (tmp_path / "done" / made[2]).parent.mkdir(exist_ok=True)
        (tmp_path / "failed" / made[2]).rename(tmp_path / "done" / made[2])
        (tmp_path / "done" / made[2] / "progress.json").write_text(json.dumps(STORED))
        shutil.rmtree(tmp_path / "done" / made[3])
        add_media(tmp_path, b"x", "new.jpg")
        if is_told:
            index.index.rescan()
            assert not index.index.is_complete
            index.wait()
            assert in_index(index) == on_disk(tmp_path)
        until(lambda: in_index(index) == on_disk(tmp_path))
        assert_counts_are_those_of(index, tmp_path)


def test_a_state_whose_folder_was_removed_has_no_media(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    with running_index(tmp_path) as index:
        index.wait()
        shutil.rmtree(tmp_path / "done")
        index.index.rescan()
        index.wait()
        assert index.counts().states == {"pending": 10, "failed": 5, "done": 0}


@pytest.mark.parametrize("is_read_between", [True, False])
def test_what_happened_in_the_last_hour_is_counted_by_minute(
    tmp_path: Path, is_read_between: bool
) -> None:
    """Each step, also where one write has them all."""
    add_media(tmp_path, b"x", media_id="01KAP3V8Z4J5N6Q7R8S9T0VWXY")  # long ago
    with running_index(tmp_path) as index:
        index.wait()
        ids = [add_media(tmp_path, b"x") for _ in range(5)]
        for media_id in ids:
            index.index.note(events.received(read_record(tmp_path / "pending" / media_id)))
        if is_read_between:
            index.counts()
        spool = Spool(tmp_path)
        for n, media_id in enumerate(ids):
            state = "done" if n < 2 else "failed"
            with spool.hold(media_id) as media:
                media.progress["status"] = Status.STORED if state == "done" else Status.FAILED
                media.move(state)
                index.index.note(events.now(media))
            if is_read_between:
                index.counts()
        index.index.note(events.removal(ids[0]))
        minutes = index.counts().minutes
        received, stored, failed = (
            sum(getattr(minute, what) for minute in minutes)
            for what in ("received", "stored", "failed")
        )
    assert (received, stored, failed) == (5, 2, 3)
    assert len(minutes) == 60
    starts = [datetime.fromisoformat(minute.minute) for minute in minutes]
    assert {after - before for before, after in pairwise(starts)} == {timedelta(minutes=1)}
    assert timedelta() <= datetime.now(UTC) - starts[-1] <= timedelta(minutes=2)


def test_failures_are_grouped_by_what_went_wrong(tmp_path: Path) -> None:
    def fail(code: str, at: str) -> str:
        error = {"code": code, "detail": ""}
        attempt = {"stage": "watermark", "worker": "w", "started_at": at, "ended_at": at}
        attempts = [{**attempt, "error": error}]
        return add_media(
            tmp_path, b"x", state="failed", **{**FAILED, "error": error, "attempts": attempts}
        )

    times = [f"2026-01-15T14:30:4{n}.000Z" for n in range(5)]
    example, *_ = [fail("time_limit", times[n]) for n in (3, 1, 2)]
    fail("corrupt_image", times[0])
    with running_index(tmp_path) as index:
        index.wait()
        assert index.counts().failures[0] == FailureGroup(
            "time_limit", 3, times[1], times[3], example
        )
        assert [group.code for group in index.counts().failures] == ["time_limit", "corrupt_image"]


def test_pages_have_each_media_once_while_others_come_and_go(tmp_path: Path) -> None:
    made = fill(tmp_path, 80)
    chance = random.Random(1)
    with running_index(tmp_path) as index:
        index.wait()
        stays = {media_id for n, media_id in enumerate(made) if n % 4 == 1}  # nobody touches those
        seen: list[str] = []
        query = Query(limit=7)
        while True:
            page = index.page(query)
            seen += [item["media_id"] for item in page.media]
            if page.next is None:
                break
            query = Query(limit=7, below=page.next)
            others = [path.name for path in tmp_path.glob("[pfd]*/*") if path.name not in stays]
            for media_id in chance.sample(others, min(3, len(others))):
                with Spool(tmp_path).hold(media_id) as media:
                    media.remove()
                index.index.note(events.removal(media_id))
            new = add_media(tmp_path, b"x")
            index.index.note(events.received(read_record(tmp_path / "pending" / new)))
    assert seen == sorted(set(seen), reverse=True)
    assert stays <= {*seen}


def test_a_record_that_says_what_cannot_be_is_in_lists_and_counts_all_the_same(
    tmp_path: Path,
) -> None:
    never = {"stage": "upload", "worker": "w", "started_at": AT, "error": None}
    never["ended_at"] = "9999-12-31T23:59:59-23:00"
    late = add_media(tmp_path, b"x", "a.jpg", "done", **{**STORED, "attempts": [never]})
    error = {"code": "None of ours!", "detail": ""}
    odd = add_media(tmp_path, b"x", "b.jpg", "failed", **{**FAILED, "error": error})
    with running_index(tmp_path) as index:
        index.wait()
        assert index.media().keys() == {late, odd}
        assert index.media()[odd]["code"] == contract.RECORD_LOST
        assert_counts_are_those_of(index, tmp_path)


def test_events_that_the_index_fails_at_are_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("read")

    with running_index(tmp_path) as index:
        index.wait()
        monkeypatch.setattr(disk, "read", fail)
        media_id = str(ULID())
        taken = events.decoded(b"1768487445123-7", {b"taken": f"{media_id}:upload:1".encode()})
        assert taken
        with pytest.raises(RuntimeError, match="read"):
            index.complete(taken)
        monkeypatch.undo()
        until(lambda: index.complete(taken)[0]["event"] == Event.REMOVED)
