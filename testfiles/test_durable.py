"""Records that are whole for whoever reads them, and new files only where they are needed."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from service_loader import load

durable = load("worker-server", "durable")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    written: Path = tmp_path / "progress.json"
    durable.rewrite_json(written, {"status": "watermarking", "name": "photo.jpg"})
    return written


@pytest.mark.parametrize("record", [{}, {"status": "stored"}, {"detail": "ü" * 9000}])
def test_a_record_is_written_over_the_one_that_is_there(path: Path, record: dict[str, Any]) -> None:
    inode = path.stat().st_ino
    durable.rewrite_json(path, record)
    assert json.loads(path.read_bytes()) == record
    assert path.stat().st_ino == inode
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_record_that_a_full_disk_cuts_short_is_a_fault_of_the_disk(path: Path) -> None:
    with (
        patch("os.pwrite", return_value=7),
        pytest.raises(OSError, match="No space left on device"),
    ):
        durable.rewrite_json(path, {"status": "stored"})
