"""One writer at a time: the lock of a media, across processes, moves and crashes."""

import fcntl
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from ulid import ULID

from shared import durable
from shared.contract import Status
from shared.spool import HeldMedia, MediaBusy, MediaGone, Spool
from support.services import until
from support.worker import FOLDER, add_media, state_of

HOLDER = """
import sys
from pathlib import Path
from shared.spool import Spool
with Spool(Path(sys.argv[1])).hold(sys.argv[2]) as media:
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def uploads(tmp_path: Path) -> Spool:
    opened = Spool(tmp_path)
    opened.prepare()
    return opened


@contextmanager
def another_process_holding(
    root: Path, media_id: str, program: str = HOLDER
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(root), media_id],
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def is_free(uploads: Spool, media_id: str) -> bool:
    try:
        with uploads.hold(media_id):
            return True
    except MediaBusy:
        return False


def test_what_another_process_holds_is_busy_until_it_lets_go(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    with another_process_holding(uploads.root, media_id) as process:
        with pytest.raises(MediaBusy), uploads.hold(media_id):
            pass
        process.communicate("\n")
        assert is_free(uploads, media_id)


def test_kill_9_frees_the_lock(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    with another_process_holding(uploads.root, media_id) as process:
        assert not is_free(uploads, media_id)
        process.kill()
        process.wait()
        assert is_free(uploads, media_id)


def test_the_lock_follows_a_move(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    with another_process_holding(uploads.root, media_id):
        uploads.folder("pending", media_id).rename(uploads.folder("failed", media_id))
        assert not is_free(uploads, media_id)


def test_a_holder_moves_with_its_media(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    with uploads.hold(media_id) as media:
        media.move("done")
        assert media.state == "done"
        media.progress["status"] = Status.STORED
        media.save()
        assert not is_free(uploads, media_id)
    assert state_of(uploads.root, media_id) == "done"
    assert uploads.describe(media_id)["status"] == "stored"


def test_what_a_crash_left_half_saved_does_not_move_along(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    with uploads.hold(media_id) as media:
        media.save()
        killed = patch.object(Path, "unlink", side_effect=KeyboardInterrupt)
        with killed, pytest.raises(KeyboardInterrupt):
            media.save()
        assert len(list(media.path.glob(".progress*"))) == 1
        media.move("done")
        assert not list(media.path.glob(".progress*"))


@pytest.mark.parametrize("name", ["photo.jpg", "größe 写真.jpg"])
def test_its_name_stands_in_every_record_for_whoever_greps(uploads: Spool, name: str) -> None:
    media_id = add_media(uploads.root, name=name)
    for save in (HeldMedia.save, HeldMedia.save_durably, HeldMedia.rerun):
        with uploads.hold(media_id) as media:
            save(media)
            written = (media.path / "progress.json").read_text(encoding="utf-8")
            assert f'"filename": "{name}"' in written
            (media.path / "progress.json").unlink()


def test_media_json_has_the_last_word_on_the_name(uploads: Spool) -> None:
    media_id = add_media(uploads.root, run=3, filename="other.jpg")
    assert uploads.describe(media_id).items() >= {"run": 3, "filename": "photo.jpg"}.items()


def test_a_name_outlives_the_record_it_came_from(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    with uploads.hold(media_id) as media:
        media.save()
        (media.path / "media.json").unlink()
    with uploads.hold(media_id) as media:
        media.save()
    path = uploads.folder("pending", media_id) / "progress.json"
    assert json.loads(path.read_text())["filename"] == "photo.jpg"


def test_another_media_is_free_meanwhile(uploads: Spool) -> None:
    one, other = add_media(uploads.root), add_media(uploads.root)
    with uploads.hold(one):
        assert is_free(uploads, other)


def test_a_lock_file_whose_folder_was_replaced_guards_nothing(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    flock = fcntl.flock

    def replaced_before(fd: int, operation: int) -> None:
        shutil.rmtree(uploads.folder("pending", media_id))
        add_media(uploads.root, media_id=media_id)
        (uploads.folder("pending", media_id) / ".lock").touch()
        flock(fd, operation)

    with patch.object(fcntl, "flock", replaced_before):
        assert not is_free(uploads, media_id)
    assert is_free(uploads, media_id)


@pytest.mark.parametrize("target", ["failed", "done"])
def test_a_media_that_moves_while_it_is_locked_is_busy(uploads: Spool, target: str) -> None:
    media_id = add_media(uploads.root)
    flock = fcntl.flock

    def moved_before(fd: int, operation: int) -> None:
        uploads.folder("pending", media_id).rename(uploads.folder(target, media_id))
        flock(fd, operation)

    with patch.object(fcntl, "flock", moved_before):
        assert not is_free(uploads, media_id)


def test_find_looks_once_more_for_a_media_that_is_just_moving(uploads: Spool) -> None:
    media_id = add_media(uploads.root, state="done")
    is_folder = durable.is_folder
    looks: list[str] = []

    def moving_back(path: Path) -> bool:
        """It was not pending yet when that was looked at, and not done any more later."""
        looks.append(path.parent.name)
        if len(looks) == 3:
            uploads.folder("done", media_id).rename(uploads.folder("pending", media_id))
        return is_folder(path)

    with patch.object(durable, "is_folder", moving_back):
        assert uploads.find(media_id) == uploads.folder("pending", media_id)
    assert looks == ["pending", "failed", "done", "pending"]


@pytest.mark.parametrize("state", ["nowhere", "incoming"])
def test_what_was_not_accepted_is_gone(uploads: Spool, state: str) -> None:
    media_id = str(ULID())
    if state == "incoming":
        add_media(uploads.root, state="incoming", media_id=media_id)
    for method in (uploads.find, uploads.describe, lambda name: uploads.hold(name).__enter__()):
        with pytest.raises(MediaGone):
            method(media_id)


def test_a_failure_while_a_media_is_held_frees_it(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    with pytest.raises(ZeroDivisionError), uploads.hold(media_id):
        _ = 1 / 0
    assert is_free(uploads, media_id)


@pytest.mark.slow
def test_a_record_is_whole_at_any_time(uploads: Spool) -> None:
    media_id = add_media(uploads.root)
    program = HOLDER.replace(
        "    sys.stdin.readline()",
        "    for run in range(10**9):\n        media.progress['run'] = run\n        media.save()",
    )
    with another_process_holding(uploads.root, media_id, program):
        seen = [-1]

        def changed_often() -> bool:
            seen.append(uploads.describe(media_id)["run"])
            return len(set(seen)) > 100

        until(changed_often)
    assert seen == sorted(seen), "a torn one would read as run 1"


def test_a_record_is_replaced_where_files_cannot_exchange_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "progress.json"
    for saved in range(4):
        durable.write_json(path, {"saved": saved}, fsync=False)
        assert json.loads(path.read_bytes()) == {"saved": saved}
        assert list(tmp_path.iterdir()) == [path]
        if saved == 1:
            monkeypatch.setattr(durable, "_libc", object())  # which lacks it
