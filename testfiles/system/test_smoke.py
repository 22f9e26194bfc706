"""make smoke against real deployments, of whose settings it knows nothing."""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

import test as smoke
from local_stack.stack import ROOT, Stack
from support.services import IN_THE_BACKGROUND, until

LOGO = f"{ROOT}/worker-server/bundled_logo.png"
SETTINGS = [
    {"LOGO_POSITION": "bottom-left", "LOGO_PADDING": "5%"},
    {"LOGO_POSITION": "center", "LOGO_OPACITY": "10%"},
    {"LOGO_SCALE": "1", "LOGO_PADDING": "0", "GOOGLE_LOGO": "square.png"},
    {"LOGO_SCALE": "3%", "GOOGLE_LOGO": "square.png"},
    {"LOGO_MIN_IMAGE": "5000"},
    *({"OUTPUT_FORMAT": target} for target in ("jpeg", "webp", "avif", "png")),
    {"OUTPUT_FORMAT": "jpeg", "OUTPUT_QUALITY": "1"},
    {"METADATA": "strip", "WORKER_NAME": "a | b"},
    {"MAX_UPLOAD_MB": "0.02", "MAX_MEGAPIXELS": "0.01"},
    {"SIMULATED_LATENCY": "0.5-1", "MAX_QUEUE_DEPTH": "1"},
    {"KEEP_ORIGINALS_DAYS": "0.000001", "RECONCILE_SECONDS": "0.2"},
    {"UPLOAD_TIMEOUT_SECONDS": "60", "WATERMARK_PROCESSES": "1", "MAX_STORE_MB": "1"},
]


def command(stack: Stack, *options: str) -> list[str]:
    where = ["--url", stack.url, "--central", stack.central_url]
    return [sys.executable, str(ROOT / "testfiles" / "test.py"), *where, *options]


def results(stack: Stack, *options: str) -> tuple[int, list[dict[str, Any]]]:
    run = subprocess.run(command(stack, "--json", *options), capture_output=True, text=True)
    print(run.stderr)
    return run.returncode, json.loads(run.stdout)


def left_of(stack: Stack) -> list[Path]:
    """Media and images that are there."""
    media = [path for state in ("pending", "failed", "done") for path in media_in(stack, state)]
    return media + [path for path in stack.storage_dir.glob("*") if path.name[0] != "."]


def media_in(stack: Stack, state: str) -> list[Path]:
    return [*stack.upload_dir.glob(f"{state}/*")]


def test_it_finds_nothing_wrong_and_leaves_nothing(stack: Stack) -> None:
    until(lambda: not media_in(stack, "pending"))  # of other tests
    before = left_of(stack)
    status, rows = results(stack, "--count", "2")
    assert (status, {row["result"] for row in rows}, len(rows)) == (0, {"ok"}, 8)
    assert {row["status"] for row in rows} == {"stored"}
    assert left_of(stack) == before


@pytest.mark.slow
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_it_holds_whatever_the_settings(tmp_path: Path, settings: dict[str, str]) -> None:
    Image.new("RGB", (90, 90), "red").save(tmp_path / "square.png")
    logo = tmp_path / "square.png" if "GOOGLE_LOGO" in settings else LOGO
    with Stack(tmp_path / "run", settings | {"GOOGLE_LOGO": str(logo)}) as stack:
        status, rows = results(stack)
        assert (status, {row["result"] for row in rows}) == (0, {"ok"})
        assert not left_of(stack)


@pytest.mark.slow
def test_what_fails_is_told_and_removed_unless_it_is_to_be_looked_at(tmp_path: Path) -> None:
    env = {"GOOGLE_LOGO": "/no/such/logo.png", "RETRY_BACKOFF_SECONDS": "0.01"}
    with Stack(tmp_path, env) as stack:
        status, rows = results(stack)
        assert status == 1
        assert all("logo_unavailable" in row["result"] for row in rows)
        assert not left_of(stack)
        assert results(stack, "--keep")[0] == 1
        assert len(media_in(stack, "failed")) == 4


@pytest.mark.slow
@pytest.mark.parametrize("start", [[], IN_THE_BACKGROUND])
def test_ctrl_c_leaves_nothing(tmp_path: Path, start: list[str]) -> None:
    with Stack(tmp_path, {"GOOGLE_LOGO": LOGO, "SIMULATED_LATENCY": "1"}) as stack:
        running = subprocess.Popen([*start, *command(stack)], stdout=subprocess.DEVNULL)
        until(lambda: len(media_in(stack, "pending")) == 4)
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
        assert not left_of(stack)


def test_what_was_taken_while_ctrl_c_came_is_removed_too(stack: Stack) -> None:
    before = left_of(stack)
    args = argparse.Namespace(url=stack.url, central=stack.central_url, timeout=60)
    with httpx.Client(trust_env=False) as http:
        trial = smoke.Trial("photo.jpg", "JPEG", 0)
        smoke.post(http, stack.url, trial, 60)
        trial.media_id = ""
        smoke.remove(http, args, trial)
    assert left_of(stack) == before


@pytest.mark.slow
def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    with Stack(tmp_path, {"GOOGLE_LOGO": LOGO, "WORKERS": "0"}) as stack:
        status, rows = results(stack, "--timeout", "0.1")
        assert status == 1
        for row in rows:
            assert row["result"].startswith("not stored after 0.1 s; ")
            assert "stays there" in row["result"]
            assert "not_finished" in row["result"]
