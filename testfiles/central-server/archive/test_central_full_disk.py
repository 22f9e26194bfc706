"""central-server on a disk that is full, or fails, from any step of a delivery on."""

import errno
import itertools
import os
from pathlib import Path

import pytest

from support.archive import Steps
from support.central import JPEG, MEDIA_ID, deliver, log_lines, stored_names
from support.services import in_process


@pytest.mark.parametrize("half_a_write", [False, True])
@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (errno.ENOSPC, 507, "disk_full"),
        (errno.EDQUOT, 507, "disk_full"),
        (errno.EIO, 503, "storage_unavailable"),
    ],
)
def test_it_is_told_so_and_the_next_delivery_is_stored_once(
    tmp_path: Path, number: int, status: int, code: str, half_a_write: bool
) -> None:
    for step in itertools.count():
        folder = tmp_path / str(step)
        env = {
            "STORAGE_DIR": str(folder / "storage"),
            "ACTIVITY_LOG": str(folder / "worker_activity.log"),
        }
        failure = OSError(number, os.strerror(number))
        steps = Steps(step, failure, half_a_write=half_a_write)
        with in_process("central-server", env) as central:
            with steps.failing():
                refused = deliver(central, media_id=MEDIA_ID)
            if not steps.failed:
                break
            assert (refused.status_code, refused.json()["code"]) == (status, code), step
            assert list((folder / "storage" / ".incoming").iterdir()) == []
            assert deliver(central, b"another").status_code == 200
            assert deliver(central, media_id=MEDIA_ID).status_code == 200
            assert central.get(f"/media/{MEDIA_ID}").content == JPEG
        logged = [line.split(" | IMAGE: ")[1] for line in log_lines(folder)]
        assert len(logged) == 2, step
        assert set(logged) == stored_names(folder)
    assert refused.status_code == 200
    assert step == 13, "the steps of a delivery"


def test_ready_says_that_the_disk_is_full(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    env = {"STORAGE_DIR": str(storage), "ACTIVITY_LOG": str(tmp_path / "log")}
    with in_process("central-server", env) as central:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with Steps(0, full).failing():
            answer = central.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"] == f"STORAGE_DIR={storage}: No space left on device"
