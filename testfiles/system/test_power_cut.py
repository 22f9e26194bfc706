"""A power cut under load: what had its 202 is stored once, or lies in failed/ with its reason."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from faults import power_cut
from faults.power_cut import Disk
from local_stack.stack import ROOT, Stack
from support import images
from support.services import until
from support.stack_client import described

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(power_cut.reason_for_none()), reason=power_cut.reason_for_none()),
]
GOOD = images.jpeg(size=(160, 120))
BAD = GOOD[: len(GOOD) // 2]
ENV = {"WORKERS": "2", "GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png", "MIN_FREE_MB": "0"}
SERVICES = ("redis", "central", "gateway", "worker-1", "worker-2")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk.new(tmp_path / "disk.img", tmp_path / "disk", size_mb=256)
    made.mount()
    yield made
    made.unmount()


class Clients:
    """A few that post, until they are stopped, good images and now and then a broken one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self.accepted: dict[str, bool] = {}  # by media id, whether it is a good one

    def post(self, number: int) -> None:
        with httpx.Client(trust_env=False, timeout=30) as http:
            while not self._over.is_set():
                is_good = number % 5 != 0
                files = {"file": (f"photo-{number}.jpg", GOOD if is_good else BAD)}
                try:
                    answer = http.post(f"{self._url}/media", files=files)
                except httpx.TransportError:
                    return
                if answer.status_code == 202:
                    self.accepted[answer.json()["media_id"]] = is_good
                number += 4

    def stop(self) -> None:
        self._over.set()


def everything(stack: Stack, number: signal.Signals) -> None:
    for service in SERVICES:
        os.killpg(stack[service].pid, number)


def cut_power(stack: Stack, disk: Disk, image: Path) -> None:
    """In the midst of it: all stand still, and what is on the disk is all there is."""
    everything(stack, signal.SIGSTOP)
    disk.copy(image)
    for service in SERVICES:
        stack[service].kill()


def lines_of(stack: Stack) -> Counter[str]:
    log = stack.activity_log.read_text()
    return Counter(line.split(" | IMAGE: ")[1] for line in log.splitlines())


def assert_kept(stack: Stack, media_id: str, lines: Counter[str], *, is_good: bool) -> None:
    told: dict[str, Any] = described(stack, media_id)
    if not is_good:
        assert (told["status"], told["error"]["code"]) == ("failed", "corrupt_image"), told
        return
    assert told["status"] == "stored", told
    receipt = json.loads((stack.storage_dir / ".receipts" / f"{media_id}.json").read_bytes())
    for fact in ("name", "sha256"):
        assert told["stored"][fact] == receipt[fact]
    assert (stack.storage_dir / receipt["name"]).stat().st_size == receipt["size"]
    assert lines[receipt["name"]] == 1


@pytest.mark.parametrize("seconds", [1.5, 3, 5.5])
def test_after_a_power_cut_nothing_that_had_its_202_is_lost_or_doubled(
    tmp_path: Path, disk: Disk, seconds: float
) -> None:
    with Stack(disk.folder / "stack", ENV) as stack, ThreadPoolExecutor(4) as threads:
        clients = Clients(stack.url)
        for number in range(4):
            threads.submit(clients.post, number)
        until(lambda: len(clients.accepted) > 50)
        time.sleep(seconds)  # the moment is what is tried: before, in and after a commit of ext4
        cut_power(stack, disk, tmp_path / "cut.img")
        clients.stop()
    after = Disk(tmp_path / "cut.img", tmp_path / "after")
    after.mount()
    try:
        with Stack(after.folder / "stack", ENV) as stack:
            until(lambda: not any((stack.upload_dir / "pending").iterdir()))
            out_of_order = [*stack.upload_dir.glob("*/*/progress.json")]
            until(lambda: all(path.stat().st_size for path in out_of_order if path.exists()))
            lines = lines_of(stack)
            for media_id, is_good in clients.accepted.items():
                assert_kept(stack, media_id, lines, is_good=is_good)
            assert max(lines.values()) == 1
    finally:
        after.unmount()
