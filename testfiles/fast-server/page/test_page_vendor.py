"""What the page has of others is what its README says."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import vendor
from local_stack.stack import ROOT

OWN = {"README.md", "LICENSE"}


def test_the_file_is_the_one_that_the_readme_names() -> None:
    told = vendor.told()
    assert sha256((vendor.FOLDER / told.file).read_bytes()).hexdigest() == told.digest
    assert {path.name for path in vendor.FOLDER.iterdir()} == {told.file, *OWN}


def test_it_comes_with_its_licence() -> None:
    assert (vendor.FOLDER / "LICENSE").read_text().startswith("BSD 3-Clause License")


def fetched(tmp_path: Path, npm: str) -> str:
    """What make vendor says where npm does this."""
    (tmp_path / "npm").write_text(f"#!/bin/sh\n{npm}\n")
    (tmp_path / "npm").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "testfiles" / "vendor.py")]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    return ended.stderr


def test_another_package_of_the_same_name_is_not_kept(tmp_path: Path) -> None:
    said = fetched(tmp_path, "echo other > x.tgz; echo x.tgz")
    assert "the package is another than the README says" in said
    test_the_file_is_the_one_that_the_readme_names()


def test_it_says_why_npm_cannot_fetch_it(tmp_path: Path) -> None:
    assert "npm cannot fetch lit-html@" in fetched(tmp_path, "echo no network >&2; exit 1")
    assert "no network" in fetched(tmp_path, "echo no network >&2; exit 1")
