"""make bench: every part measures what it says, and what it found is there to read."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

import bench
from benchmarks import listing, workers
from benchmarks.figures import Figure, compared
from benchmarks.rig import FULL, KB, MB, Bench, Effort
from local_stack.service import wait_until
from support.images import jpeg, png
from support.services import IN_THE_BACKGROUND

TINY = Effort(
    rounds=1,
    photos=3,
    small=12,
    uploads={80 * KB: 2, 2 * MB: 1},
    large_at_once=2,
    workers={1: 1, 2: 1},
    waiting=40,
    listed=300,
)
STEPS = ("streaming: the form parsed", "hash: SHA-256", "fsync: the file")


@pytest.fixture
def tiny(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TINY, [jpeg(size=(800, 600))], jpeg(size=(64, 48)), lambda *_: None)


def names(part: str, tiny: Bench) -> list[str]:
    """Of what the part found; all of it numbers that can be."""
    figures = list(bench.PARTS[part](tiny))
    for figure in figures:
        assert math.isfinite(figure.value), figure
        assert figure.value > 0 or "idle" in figure.name, figure  # which may cost nothing
        assert figure.ratio is None or figure.ratio > 0, figure
    return [figure.name for figure in figures]


@pytest.mark.slow
def test_the_pipeline_is_compared_with_its_limit_and_with_a_plain_one(tiny: Bench) -> None:
    latencies = ["idle latency, p50", "idle latency, p99"]
    assert names("pipeline", tiny) == ["photos"] * 3 + ["small images"] * 2 + latencies


@pytest.mark.slow
@pytest.mark.parametrize("part", ["gateway", "central"])
def test_a_service_alone_is_compared_at_each_size_and_step_by_step(part: str, tiny: Bench) -> None:
    found = names(part, tiny)
    assert {"80 KB, 2 at once", "2 MB, 1 at once"} <= {*found}
    assert {"80 KB, one at a time", "2 MB, one at a time"} <= {*found}
    for step in STEPS:
        assert found.count(f"  {step}") == 2
    both = 2 if part == "gateway" else 1  # plain, and plain with the same guarantees
    assert found.count("80 KB, 2 at once") == found.count("2 MB, one at a time") == both


@pytest.mark.slow
def test_the_memory_of_each_process_is_found_under_each_load(tiny: Bench) -> None:
    found = names("memory", tiny)
    for process in ("gateway", "central", "worker", "redis", "largest decoder process"):
        assert {f"{process}, 2 x 50 MB at once", f"{process}, large photos"} <= {*found}
    assert "central, 2 x 50 MB at central" in found


@pytest.mark.slow
def test_workers_are_timed_and_their_idleness_is(
    tiny: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LATENCY_S", (0.1, 0.2))
    monkeypatch.setattr(workers, "IDLE_S", 0.2)
    assert names("scaling", tiny) == [
        *("1 worker", "  each of them", "  all of them idle"),
        *("2 workers", "  each of them", "  all of them idle"),
    ]


@pytest.mark.slow
def test_a_long_queue_is_compared_with_an_empty_one(tiny: Bench) -> None:
    assert names("queue", tiny) == ["small images, 40 more behind them"]


@pytest.mark.slow
def test_lists_are_measured_with_and_without_uploads(
    tiny: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "UPLOADS_AT_ONCE", 20)
    monkeypatch.setattr(listing, "PAGES", 50)
    assert names("lists", tiny) == [
        "the index made, nothing else to do",
        "the index made beside uploads",
        "uploads beside it",
        "a page of 300, p50",
        "a page of 300, p99",
        "gateway's memory with 300",
    ]


def test_a_promise_is_held_by_the_ratio_where_there_is_one() -> None:
    rounds = [(3.0, 2.0), (8.0, 4.0), (1.0, 4.0)]
    figure = compared("part", "name", "a second", "plain", rounds, at_least=1.5)
    assert (figure.value, figure.ratio, figure.holds) == (3.0, 1.5, True)
    assert Figure("part", "name", 121, "ms", at_most=120).holds is False
    assert Figure("part", "name", 1, "ms").holds is None


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """The script in this process, with less to do; its exit status."""
    monkeypatch.setattr(bench, "QUICK", TINY)
    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in handled]

    def run_it(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["bench.py", "--quick", *options])
        try:
            return bench.main()
        except SystemExit as end:
            return int(str(end.code))

    yield run_it
    for number, handler in zip(handled, handlers, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.mark.slow
def test_parts_can_be_chosen_and_photos_be_ones_own(
    run: Callable[..., int],
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "FOLDER", photos / "found")
    (photos / "one.jpg").write_bytes(jpeg())
    (photos / "two.png").write_bytes(png(alpha=True))
    results = photos / "found" / "results.json"
    before = {*bench.FOLDER.glob("run-*")}
    assert run("--only", "fairness", "--photos", str(photos)) == 0
    said = capsys.readouterr().out
    assert "fairness, round 1 of 1" in said
    assert "at most 5" in said
    assert f"With the machine's facts: {results}" in said
    read = json.loads(results.read_text())
    assert read["machine"]["cores"] >= 1
    assert read["machine"]["fsync_ms"] > 0
    assert read["run"]["photos"] == "2 of one's own"
    assert [figure["part"] for figure in read["figures"]] == [workers.FAIRNESS] * 2
    assert all(4 <= figure["value"] <= 12 for figure in read["figures"])
    assert {*bench.FOLDER.glob("run-*")} == before, "it removes what it made"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--only", "gateway,sailing"], "sailing is none of pipeline, gateway"),
        (["--photos", "no/such/folder"], "no/such/folder is not a folder."),
        (["--photos", "{photos}"], "There is no JPEG, PNG or WEBP in {photos}."),
    ],
)
def test_an_argument_that_is_wrong_is_exit_status_2(
    options: list[str],
    complaint: str,
    run: Callable[..., int],
    photos: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*(option.format(photos=photos) for option in options)) == 2
    assert complaint.format(photos=photos) in capsys.readouterr().err


def test_a_damaged_photo_is_named_and_not_waited_for(
    run: Callable[..., int], photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "half.jpg").write_bytes(jpeg()[:9000])
    assert run("--only", "pipeline", "--photos", str(photos)) == 2
    assert f"{photos / 'half.jpg'} is damaged, take it out" in capsys.readouterr().err


def using(folder: Path) -> list[object]:
    """The processes that were started with something in it."""
    processes = psutil.process_iter(["cmdline", "environ"])
    return [process.info for process in processes if str(folder) in str(process.info)]


@pytest.mark.slow
@pytest.mark.parametrize("start", [[], IN_THE_BACKGROUND])
def test_ctrl_c_ends_it_and_leaves_nothing(photos: Path, tmp_path: Path, start: list[str]) -> None:
    (photos / "one.jpg").write_bytes(jpeg())
    before, console = {*bench.FOLDER.glob("run-*")}, tmp_path / "console"
    with console.open("wb") as output:
        running = subprocess.Popen(
            [*start, sys.executable, bench.__file__, "--only", "pipeline", "--photos", str(photos)],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # as a terminal does, and then signals all of it
        )
    assert wait_until(lambda: f"round 1 of {FULL.rounds}" in console.read_text(), 60)
    [folder] = {*bench.FOLDER.glob("run-*")} - before
    assert using(folder)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(60) == 130
    assert not folder.exists()
    assert not using(folder)
    assert "Traceback" not in console.read_text()
