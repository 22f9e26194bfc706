"""GET /stats as text: for whom, and of which shape."""

from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pytest

from overview.answers import EXAMPLE, Stats
from overview.negotiation import prefers_text
from overview.table import text
from support.fast import assert_problem, gateway

HOSTILE = "a\r\nb\x1b[31m\u202e\u2028|" + "日本" * 100
_MEDIA = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"


def stats(**changed: Any) -> Stats:
    return Stats.model_validate({**EXAMPLE, **changed})


@pytest.mark.parametrize(
    ("accept", "is_text"),
    [
        ("text/plain", True),
        ("text/*", True),
        ("TEXT/Plain; charset=utf-8", True),
        ("text/plain, application/json;q=0.9", True),
        ("text/plain, */*;q=0.1", True),
        ("application/json;q=0, */*", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/plain, application/json", False),
        ("text/plain;q=0.5, */*", False),
        ("text/plain;q=0", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("text/plain;q=many", False),
        ("image/png", False),
        (";,;", False),
    ],
)
def test_text_is_for_those_who_prefer_it(accept: str, is_text: bool) -> None:
    assert prefers_text([accept]) is is_text


def test_several_lines_of_accept_are_one() -> None:
    assert prefers_text(["application/json;q=0.1", "text/plain"])


def test_the_same_is_answered_in_both_shapes(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast:
        as_json = fast.http.get("/stats")
        assert as_json.headers["Content-Type"] == "application/json"
        as_text = fast.http.get("/stats", headers={"Accept": "text/plain"})
        assert as_text.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert as_json.headers["Vary"] == as_text.headers["Vary"] == "Accept"
        words = " ".join(as_text.text.split())
        assert words.startswith(as_json.json()["summary"])
        refused = fast.http.get("/stats?a=b", headers={"Accept": "text/plain"})
        assert_problem(refused, 422, "unknown_parameter")


def test_it_shows_all_there_is() -> None:
    shown = text(stats()).splitlines()
    assert shown[0] == "12 wait, 1 worker does 140 a minute: about 5 s"
    for row in (
        "waiting  12, the oldest for 4 s, about 5 s to go",
        "stored   1,203",
        "queues   watermark 10, upload 2",
        "disk     74.5 of 93.1 GB free",
        f"worker-1              watermark  14:30:45  {_MEDIA}  photo.jpg",
    ):
        assert row in shown
    assert any(row.startswith("corrupt_image") and row.endswith(_MEDIA) for row in shown)
    assert any(row.startswith("14:30 ") for row in shown)


def test_what_nobody_knows_is_left_out_or_a_question_mark() -> None:
    names = ["pending", "failed", "done", "oldest_pending_seconds", "eta_seconds", "queues"]
    names += ["per_minute", "failures", "workers", "disk", "redis", "central"]
    shown = text(stats(**dict.fromkeys(names), complete=False))
    assert "waiting  ?" in shown
    assert "central  ?" in shown
    assert "WORKER" not in shown


def test_of_much_work_in_hand_the_longest_is_shown() -> None:
    worker = stats().model_dump()["workers"][0]
    at = [{**worker["at"][0], "filename": f"{n}.jpg"} for n in range(24)]
    at.append({**at[0], "filename": "first.jpg", "since": "2026-01-15T14:00:00.000Z"})
    lines = text(stats(workers=[{**worker, "at": at}])).splitlines()
    heading = next(number for number, line in enumerate(lines) if "IS AT" in line)
    assert lines[heading + 1].endswith("first.jpg")
    assert lines[heading + 21] == "and 5 more"


def test_hostile_names_break_no_line_and_all_fit_a_terminal() -> None:
    work = {"media_id": _MEDIA, "filename": HOSTILE, "stage": HOSTILE, "since": "then"}
    worker = {
        **stats().model_dump()["workers"][0],
        "name": HOSTILE,
        "version": HOSTILE,
        "started_at": HOSTILE,
        "memory_mb": 10**30,
        "at": [work, {**work, "since": "9999-12-31T23:59:59-23:00"}],
        "unhealthy": HOSTILE,
    }
    gone = {"answers": False, "since": "2026-01-15T08:00:00.000Z", "reason": HOSTILE}
    whole = text(stats(workers=[worker] * 3, redis=gone, summary="long " * 60))
    assert len(whole.splitlines()) == len(whole.split("\n")) - 1
    for line in whole.split("\n"):
        assert sum(2 if east_asian_width(char) in "WF" else 1 for char in line) <= 100
        assert line.isprintable()
