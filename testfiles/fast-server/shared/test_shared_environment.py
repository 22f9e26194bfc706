"""What a service says of a folder that it cannot use."""

import errno
import os
from pathlib import Path

import pytest

from shared import durable, environment


def test_a_folder_that_it_may_not_write_to_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may do anything
    monkeypatch.setattr(os, "getuid", lambda: 10001)
    with pytest.raises(PermissionError) as told:
        durable.make_folder(tmp_path)
    said = environment.unusable("UPLOAD_DIR", Path("/uploads"), told.value)
    assert said.startswith("UPLOAD_DIR=/uploads: Permission denied. ")
    assert "uid 10001: chown 10001 " in said


def test_any_other_fault_is_told_as_it_is() -> None:
    error = OSError(errno.EROFS, os.strerror(errno.EROFS))
    said = environment.unusable("STORAGE_DIR", Path("/data"), error)
    assert said == "STORAGE_DIR=/data: Read-only file system"
