"""make upload: a folder goes up and its results come back, whatever happens meanwhile."""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_stack.stack import ROOT, Stack
from support import images
from support.services import until
from upload import ref_of

SCRIPT = ROOT / "testfiles" / "upload.py"
LOGO = str(ROOT / "worker-server" / "bundled_logo.png")
SIZE = (64, 48)
BROKEN = images.jpeg()[:4000]
# In three folders each: names that are equal there, and that are odd.
NAMES = [
    *(f"IMG_{number}.jpg" for number in range(14)),
    "a b.jpg",
    "😀 Zoë.jpg",
    "Zoe\u0308.jpg",
    "100%.jpg",
    "%0A.jpg",
    "line\nbreak.jpg",
    "not \udcff UTF-8.jpg",
    "; rm 'x' \"y\" $HOME `id` \\.jpg",
    "no ending",
]
FOLDERS = ["", "2026 summer/Zoë 😀/", "2026 summer/" + ("long " * 48 + "/") * 5]
Media = dict[str, Any]


def fill(folder: Path) -> dict[str, bytes]:
    """The good photos by their paths; no two are the same."""
    photos: dict[str, bytes] = {}
    for inner in FOLDERS:
        (folder / inner).mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            path = f"{inner}{name}"
            photos[path] = images.jpeg(seed=len(photos), size=SIZE)
            (folder / path).write_bytes(photos[path])
    return photos


class Run:
    """upload.py as somebody runs it; with other constants where that spares a test time."""

    def __init__(
        self, folder: Path, out: Path, url: str, *options: str, **constants: float
    ) -> None:
        self.console = out.parent / f"{out.name}.console"
        program = [str(SCRIPT)]
        if constants:
            program = [
                "-c",
                f"import upload\nvars(upload).update({constants})\nexit(upload.main())",
            ]
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(
                [sys.executable, *program, str(folder), str(out), "--url", url, *options],
                env={**os.environ, "PYTHONPATH": str(SCRIPT.parent)},
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.console.read_text(errors="backslashreplace")

    def ends_with(self, status: int) -> str:
        """What it has said, once it has ended so."""
        try:
            assert self.process.wait(120) == status, self.said()
        finally:
            self.end()
        assert "Traceback" not in self.said()
        return self.said()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def batch_of(out: Path) -> str:
    return str(json.loads((out / ".upload.json").read_text())["batch"])


def listed(stack: Stack, out: Path) -> list[Media]:
    """The media of the batch that was begun in out, the newest first; none before."""
    if not (out / ".upload.json").exists():
        return []
    asked = {"batch": batch_of(out), "limit": "500"}
    answer = httpx.get(f"{stack.url}/media", params=asked, trust_env=False, timeout=60)
    media: list[Media] = answer.json()["media"]
    return media


def record_of(stack: Stack, media_id: str) -> Media:
    record: Media = httpx.get(f"{stack.url}/media/{media_id}", trust_env=False, timeout=60).json()
    return record


def results_in(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file() and path != out / ".upload.json"]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def assert_back(stack: Stack, out: Path, photos: Mapping[str, bytes]) -> None:
    """Each result is under its photo's path and is what central made of this very photo."""
    media = {item["ref"]: item for item in reversed(listed(stack, out))}
    expected = {}
    for path, content in photos.items():
        media_id = media[ref_of(path)]["media_id"]
        record = record_of(stack, media_id)
        assert record["sha256"] == hashlib.sha256(content).hexdigest(), path
        image = httpx.get(f"{stack.central_url}/media/{media_id}", trust_env=False)
        expected[path] = image.content
        assert hashlib.sha256(image.content).hexdigest() == record["stored"]["sha256"]
    assert results_in(out) == expected


@contextmanager
def own_stack(tmp_path: Path, **settings: str) -> Iterator[Stack]:
    usual = {"GOOGLE_LOGO": LOGO, "RECONCILE_SECONDS": "1", "RETRY_BACKOFF_SECONDS": "0.05"}
    with Stack(tmp_path / "run", usual | settings) as stack:
        yield stack


def test_all_that_is_good_comes_back_and_the_rest_is_named(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "my $photos'", tmp_path / "out"
    photos = fill(folder)
    (folder / ".hidden.jpg").write_bytes(BROKEN)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.jpg").write_bytes(BROKEN)
    (folder / "2026 summer" / "broken.jpg").write_bytes(BROKEN)
    (folder / "notes.txt").write_text("no image")
    (folder / "empty.jpg").touch()
    (folder / "gone.jpg").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    said = Run(folder, out, stack.url).ends_with(1)
    assert f"{len(photos)} back in {out}, 4 failed:\n" in said
    for line in (
        "2026 summer/broken.jpg: The image is damaged",
        "notes.txt: notes.txt holds none of JPEG",
        "empty.jpg: empty.jpg has no bytes",
        "gone.jpg: It cannot be read: No such file or directory",
    ):
        assert f"\n  {line}" in said
    assert f"make retry-failed BATCH={batch_of(out)} URL={stack.url}" in said
    assert_back(stack, out, photos)

    before = {path: (out / path).stat() for path in photos}
    media = listed(stack, out)
    again = re.findall("To go on: python (.*)", said)[-1]
    ended = subprocess.run([sys.executable, *shlex.split(again)], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert listed(stack, out) == media
    assert {path: (out / path).stat() for path in photos} == before


@pytest.mark.slow
def test_a_run_goes_on_after_a_kill_and_nothing_is_doubled(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photos = fill(folder)
    with own_stack(tmp_path, SIMULATED_LATENCY="0.02") as stack:
        for count in (len(photos) // 4, len(photos) // 2):
            run = Run(folder, out, stack.url)
            until(lambda count=count: len(listed(stack, out)) >= count)  # type: ignore[misc]
            run.process.kill()
            run.ends_with(-signal.SIGKILL)
        run = Run(folder, out, stack.url)
        until(lambda: len(results_in(out)) > len(photos) // 2)
        run.process.kill()
        run.ends_with(-signal.SIGKILL)
        said = Run(folder, out, stack.url).ends_with(0)
        assert f"{len(photos)} back in {out}, 0 failed." in said
        assert len(listed(stack, out)) == len(photos)
        assert_back(stack, out, photos)


@pytest.mark.slow
def test_a_run_outlasts_the_services(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    photos = fill(folder)
    with own_stack(tmp_path) as stack:
        stack["central"].kill()
        run = Run(folder, out, stack.url, QUIET_S=1)
        until(lambda: len(listed(stack, out)) >= 20)
        stack["gateway"].kill()
        until(lambda: "Waiting: All connection attempts failed" in run.said())
        stack["gateway"].start()
        until(lambda: "Waiting: central does not answer" in run.said())
        until(lambda: any(item["code"] == "central_unreachable" for item in listed(stack, out)))
        until(lambda: len(listed(stack, out)) == len(photos))
        stack["redis"].restart()
        stack["central"].start()
        run.ends_with(0)
        assert len(listed(stack, out)) == len(photos)
        assert_back(stack, out, photos)


def test_results_that_are_gone_are_fetched_again(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    photos = {f"{number}.jpg": images.jpeg(seed=number, size=SIZE) for number in range(3)}
    for name, content in photos.items():
        (folder / name).write_bytes(content)
    Run(folder, out, stack.url).ends_with(0)
    media, batch = listed(stack, out), batch_of(out)
    (out / "0.jpg").unlink()
    (out / "1.jpg").write_bytes(b"cut")
    Run(folder, out, stack.url).ends_with(0)
    assert_back(stack, out, photos)
    shutil.rmtree(out)
    Run(folder, out, stack.url, "--batch", batch).ends_with(0)
    assert_back(stack, out, photos)
    assert listed(stack, out) == media


def test_a_file_that_was_changed_is_sent_again(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    bmp = images.bmp(seed=1, size=SIZE)
    photos = {"longer.jpg": images.jpeg(size=SIZE), "as_long.bmp": bmp, "touched.bmp": bmp}
    for name, content in photos.items():
        (folder / name).write_bytes(content)
    Run(folder, out, stack.url).ends_with(0)
    photos |= {"longer.jpg": images.jpeg(), "as_long.bmp": images.bmp(seed=2, size=SIZE)}
    for name, content in photos.items():
        (folder / name).write_bytes(content)
    Run(folder, out, stack.url).ends_with(0)
    refs = Counter(item["ref"] for item in listed(stack, out))
    assert refs == {"longer.jpg": 2, "as_long.bmp": 2, "touched.bmp": 1}
    assert_back(stack, out, photos)


def test_a_file_that_changes_while_it_is_sent_is_named(stack: Stack, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(images.jpeg(size=SIZE))
    script = f"""import os, sys, upload
class Sent(upload.Sent):
    def read(self, size=-1, /):
        os.utime({str(folder / "a.jpg")!r}, (1, 1))
        return super().read(size)
upload.Sent = Sent
sys.exit(upload.main())"""
    command = [sys.executable, "-c", script, str(folder), str(out), "--url", stack.url]
    env = {**os.environ, "PYTHONPATH": str(SCRIPT.parent)}
    ended = subprocess.run(command, env=env, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "a.jpg: It changed while it was sent. Run this again." in ended.stdout


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    photos = {f"{number}.jpg": images.jpeg(seed=number, size=SIZE) for number in range(8)}
    for name, content in photos.items():
        (folder / name).write_bytes(content)
    with own_stack(tmp_path) as stack:
        httpx.post(f"{stack.url}/pause", trust_env=False).raise_for_status()
        run = Run(folder, out, stack.url)
        until(lambda: len(listed(stack, out)) == 8)
        run.process.send_signal(signal.SIGINT)
        said = run.ends_with(130)
        assert "8 not yet back" in said
        again = re.findall("To go on: python (.*)", said)[-1]
        httpx.post(f"{stack.url}/resume", trust_env=False).raise_for_status()
        subprocess.run([sys.executable, *shlex.split(again)], check=True)
        assert_back(stack, out, photos)
        assert len(listed(stack, out)) == 8
