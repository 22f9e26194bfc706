"""worker_activity.log torn by a crash, or rotated by others: each image has its one line."""

from pathlib import Path

import pytest

from support.archive import (
    OTHER_ID,
    Crash,
    Steps,
    deliver,
    failing_at,
    interrupted,
    log,
    logged,
    opened,
    step_of,
)
from support.central import MEDIA_ID


def test_a_torn_line_is_cut_before_any_other_is_written(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        deliver(archive, OTHER_ID, b"another")
    before = log(tmp_path)
    one_more = 1  # the first name is taken
    assert interrupted(tmp_path, failing_from=step_of("write", 2) + one_more, half_a_write=True)
    assert len(log(tmp_path)) > len(before)
    with opened(tmp_path):
        assert log(tmp_path).startswith(before)
        assert logged(tmp_path) == ["photo.jpg", f"photo-{MEDIA_ID}.jpg"]


def test_a_torn_line_is_cut_even_when_another_was_to_stand_there(tmp_path: Path) -> None:
    with opened(tmp_path) as archive:
        with failing_at("write", 2), pytest.raises(OSError, match="EIO"):
            deliver(archive, worker="a")
        torn = Steps(step_of("write", 2) + 1, Crash(), half_a_write=True)
        with torn.failing(), pytest.raises(Crash):
            deliver(archive, OTHER_ID, worker="b")
        assert log(tmp_path)
    with opened(tmp_path) as archive:
        lines = [deliver(archive)[0]["line"], deliver(archive, OTHER_ID)[0]["line"]]
    assert sorted(log(tmp_path).splitlines(keepends=True)) == sorted(lines)


def test_a_line_that_a_power_cut_turned_into_zeros_is_written_again(tmp_path: Path) -> None:
    assert interrupted(tmp_path, failing_from=step_of("write", 2))
    (tmp_path / "worker_activity.log").write_bytes(b"[20" + b"\0" * 20)
    with opened(tmp_path):
        assert logged(tmp_path) == ["photo.jpg"]
        assert "\0" not in log(tmp_path)


@pytest.mark.parametrize("rotated_to", ["", "short\n", "a line somebody else wrote\n" * 20])
@pytest.mark.parametrize("before", ["", "an older line\n" * 5])
def test_a_log_rotated_while_a_line_was_due_gets_it_at_its_end(
    tmp_path: Path, before: str, rotated_to: str
) -> None:
    (tmp_path / "worker_activity.log").write_text(before)
    assert interrupted(tmp_path, failing_from=step_of("write", 2))
    (tmp_path / "worker_activity.log").write_text(rotated_to)
    with opened(tmp_path) as archive:
        receipt, duplicate = deliver(archive)
        assert duplicate
    assert log(tmp_path) == rotated_to + receipt["line"]


@pytest.mark.parametrize("rotated_to", ["", "short\n"])
def test_a_line_that_stands_in_a_rotated_log_is_not_written_again(
    tmp_path: Path, rotated_to: str
) -> None:
    assert interrupted(tmp_path, failing_from=step_of("replace", 2))
    written = log(tmp_path)
    rotated = tmp_path / "worker_activity.log-20260115"
    (tmp_path / "worker_activity.log").rename(rotated)
    (tmp_path / "worker_activity.log").write_text(rotated_to)
    with opened(tmp_path) as archive:
        receipt, duplicate = deliver(archive)
        assert duplicate
    assert log(tmp_path) == rotated_to
    assert rotated.read_text() == written == receipt["line"]


@pytest.mark.parametrize("how", ["renamed", "truncated", "deleted", "unended"])
def test_a_log_rotated_under_a_running_service_goes_on_cleanly(tmp_path: Path, how: str) -> None:
    path = tmp_path / "worker_activity.log"
    with opened(tmp_path) as archive:
        first, _ = deliver(archive)
        if how == "renamed":
            path.rename(tmp_path / "worker_activity.log.1")
        elif how == "truncated":
            path.write_bytes(b"")
        elif how == "deleted":
            path.unlink()
        else:
            path.write_text("a note without its end")
        second, _ = deliver(archive, OTHER_ID)
        kept = "a note without its end\n" if how == "unended" else ""
        assert log(tmp_path) == kept + second["line"]
        assert deliver(archive) == (first, True)
