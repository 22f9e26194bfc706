"""The chaos tool: what it does can be repeated, is undone, and ends with a status."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from faults.plan import INJECT, planned_faults
from faults.uploads import planned_uploads
from local_stack.stack import ROOT
from support.services import IN_THE_BACKGROUND, until


def test_a_seed_stands_for_one_sequence_of_faults() -> None:
    planned = planned_faults(seed=7, seconds=180, workers=3)
    assert planned == planned_faults(seed=7, seconds=180, workers=3)
    assert planned != planned_faults(seed=8, seconds=180, workers=3)
    assert {fault.name for fault in planned} == INJECT.keys()
    assert all(fault.at_s + fault.lasts_s <= 180 for fault in planned)


def test_a_seed_stands_for_one_set_of_images() -> None:
    contents = [[u.content() for u in planned_uploads(7, 6, 60)] for _ in range(2)]
    assert contents[0] == contents[1]
    assert len({*contents[0]}) == 6


def chaos(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "testfiles" / "chaos.py"), *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_a_short_run_finds_nothing_wrong() -> None:
    ended = chaos("--seconds", "8", "--images", "12", "--seed", "5")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.compose
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker here")
def test_a_short_run_with_containers_finds_nothing_wrong() -> None:
    ended = chaos("--compose", "--seconds", "12", "--images", "20", "--seed", "3")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("start", [[], IN_THE_BACKGROUND])
def test_ctrl_c_ends_it_and_leaves_no_process(tmp_path: Path, start: list[str]) -> None:
    console = tmp_path / "console"
    with console.open("wb") as output:
        running = subprocess.Popen(
            [*start, sys.executable, str(ROOT / "testfiles" / "chaos.py"), "--seed", "5"],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until(lambda: len(services_in(tmp_path)) >= 5)  # Redis, central, gateway, two workers
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(60) == 130
    finally:
        running.kill()
        running.wait()
    assert not services_in(tmp_path)
    assert "Traceback" not in console.read_text()


def services_in(folder: Path) -> list[object]:
    """The processes that have something in it in their environment or command."""
    processes = psutil.process_iter(["cmdline", "environ"])
    return [process.info for process in processes if f"{folder}/chaos-" in str(process.info)]


def test_a_setting_the_stack_does_not_take_is_exit_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # the folder of a run that failed is kept
    ended = chaos("--env", "PORT=none")
    assert ended.returncode == 2
    assert "error: PORT=none" in ended.stderr
