"""The sentence of GET /stats: the worst trouble first, what waits, and what to do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from overview.answers import Stats
from overview.noticed import Noticed
from overview.summary import at_utc, duration, summary, troubles
from shared import clock
from shared.contract import timestamp

NOW = datetime(2026, 1, 15, 14, 30, tzinfo=UTC)
SINCE = "2026-01-15T02:51:07.000Z"
WELL = {"answers": True, "since": SINCE, "reason": None}
GONE = {"answers": False, "since": SINCE, "reason": "It cannot be reached."}
WORKER = {
    "name": "worker-1",
    "version": "1.0.0",
    "started_at": SINCE,
    "memory_mb": 200,
    "processes": 3,
    "at": [],
    "stored_last_minute": 70,
    "failed_last_minute": 0,
    "unhealthy": None,
}
DISK = {"free_bytes": 2**30, "total_bytes": 2**40, "least_free_bytes": 2**29, "enough": True}
MINUTE = {"minute": "2026-01-15T14:30:00.000Z", "received": 0, "stored": 0, "failed": 0}


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def stats(**changed: Any) -> Stats:
    fields = {
        "summary": "",
        "healthy": True,
        "complete": True,
        "pending": 1204,
        "failed": 0,
        "done": 0,
        "oldest_pending_seconds": 5,
        "eta_seconds": None,
        "per_minute": [MINUTE] * 60,
        "queues": {"watermark": 0, "upload": 0},
        "failures": [],
        "workers": [WORKER] * 2,
        "limits": {"max_upload_bytes": 1, "max_megapixels": 1, "formats": []},
        "disk": DISK,
        "redis": WELL,
        "central": WELL,
        "paused": None,
        "version": "1.0.0",
    }
    return Stats.model_validate(fields | changed)


def said(noticed: Noticed | None = None, **changed: Any) -> str:
    told = stats(**changed)
    return summary(told, 140, list(troubles(told, 100_000, noticed or Noticed())))


def failures(code: str, count: int, first: datetime = NOW) -> list[dict[str, Any]]:
    at = timestamp(first)
    example = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
    return [{"code": code, "count": count, "first": at, "last": at, "example": example}]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"central": GONE},
            "central does not answer since 02:51 UTC; 1,204 wait, none is lost; "
            "they go on by themselves",
        ),
        (
            {"central": GONE, "pending": 0, "failures": failures("central_unreachable", 3)},
            "central does not answer since 02:51 UTC; 3 wait, none is lost; "
            "they go on by themselves",
        ),
        (
            {"central": GONE, "pending": 1},
            "central does not answer since 02:51 UTC; 1 waits, none is lost; it goes on by itself",
        ),
        (
            {"central": {**GONE, "since": "2026-01-14T02:51:07.000Z"}, "pending": 0},
            "central does not answer since 2026-01-14 02:51 UTC; nothing waits; "
            "all goes on by itself",
        ),
        (
            {"central": {**WELL, "reason": "Less than 512 MB are free."}},
            "central cannot store since 02:51 UTC (Less than 512 MB are free); "
            "1,204 wait, none is lost; they go on by themselves",
        ),
        (
            {"central": {**GONE, "reason": "Something else answers at http://x: it said 404."}},
            "something else answers at central's address since 02:51 UTC; "
            "1,204 wait, none is lost; set CENTRAL_SERVER_URL right and they go on",
        ),
        (
            {"redis": GONE, "workers": None, "queues": None},
            "Redis does not answer since 02:51 UTC, no upload is taken; "
            "1,204 wait, none is lost; they go on by themselves",
        ),
        (
            {"redis": {**WELL, "reason": "OOM. It is full: raise its maxmemory."}},
            "Redis takes no job since 02:51 UTC (OOM. It is full: raise its maxmemory); "
            "1,204 wait, none is lost; they go on by themselves",
        ),
        (
            {"disk": {**DISK, "enough": False, "free_bytes": 2**20}},
            "the disk of the uploads is nearly full since 14:30 UTC: 1 MB are free, and no upload "
            "is taken below 512 MB; 1,204 wait, none is lost; make room there",
        ),
        (
            {"disk": None, "pending": None, "failures": None, "per_minute": None},
            "the disk of the uploads cannot be used since 14:30 UTC; "
            "what was taken is safe on the disk; it goes on by itself",
        ),
        (
            {"queues": {"watermark": 90_000, "upload": 10_000}},
            "100,000 jobs wait since 14:30 UTC, the most MAX_QUEUE_DEPTH allows: "
            "no upload is taken; 1,204 wait, none is lost; they go on by themselves",
        ),
        (
            {"paused": {"since": SINCE}},
            "paused since 02:51 UTC, uploads are taken; 1,204 wait, none is lost; "
            "POST /resume lets them go on",
        ),
        (
            {"paused": {"since": None}, "pending": 0},
            "paused, uploads are taken; nothing waits; POST /resume lets them go on",
        ),
        (
            {"workers": [WORKER, {**WORKER, "unhealthy": "The logo cannot be had."}]},
            "1 of 2 workers is unhealthy since 14:30 UTC (worker-1: The logo cannot be had); "
            "1,204 wait, none is lost; they go on by themselves",
        ),
        (
            {"central": GONE, "complete": False},
            "central does not answer since 02:51 UTC; 1,204 wait (some are not counted yet), "
            "none is lost; they go on by themselves",
        ),
    ],
)
def test_each_trouble_is_told_with_what_waits_and_what_to_do(
    changed: dict[str, Any], sentence: str
) -> None:
    assert said(**changed) == sentence


def test_no_worker_is_believed_once_a_report_would_have_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redis may have lost the reports of those that work."""
    noticed = Noticed()
    assert said(noticed, workers=[]) == "1,204 wait, 0 workers are at it"
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(seconds=5))
    assert said(noticed, workers=[]) == (
        "no worker is alive since 14:30 UTC; 1,204 wait, none is lost; start one and they go on"
    )


MANY_FAILED = [MINUTE] * 59 + [{**MINUTE, "stored": 23, "failed": 37}]


def test_many_failures_are_told_beside_what_goes_on() -> None:
    told = said(per_minute=MANY_FAILED, failures=failures("corrupt_image", 37), eta_seconds=5)
    assert told == (
        "1,204 wait, 2 workers do 140 a minute: about 5 s; 37 of 60 failed in the last "
        "10 minutes, most as corrupt_image: GET /media?state=failed lists them"
    )


@pytest.mark.parametrize(
    "changed",
    [{"failures": []}, {"complete": False, "failures": failures("corrupt_image", 37)}],
)
def test_failures_that_are_gone_or_still_counted_are_not_told(changed: dict[str, Any]) -> None:
    assert "failed" not in said(per_minute=MANY_FAILED, **changed)


def test_the_worst_of_several_comes_first() -> None:
    told = said(central=GONE, redis=GONE, paused={"since": SINCE}, workers=None)
    places = [told.index(word) for word in ("Redis", "paused", "central")]
    assert places == sorted(places)
    assert told.endswith("; POST /resume lets them go on")


def test_what_is_no_longer_queued_again_by_itself_is_told() -> None:
    old = failures("central_unreachable", 3, NOW - timedelta(hours=25))
    told = said(central=GONE, failures=old)
    assert "POST /media/retry for those that were received over 24 h ago" in told


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"pending": 12, "eta_seconds": 5}, "12 wait, 2 workers do 140 a minute: about 5 s"),
        (
            {"pending": 1, "eta_seconds": 200, "workers": [WORKER]},
            "1 waits, 1 worker does 140 a minute: about 3 min",
        ),
        ({"pending": 12}, "12 wait, 2 workers are at it"),
        (
            {"pending": 0, "per_minute": [{**MINUTE, "stored": 20}] * 60},
            "Nothing waits; 1,200 stored in the last hour",
        ),
        (
            {"pending": 0, "complete": False},
            "Nothing waits (some are not counted yet); 0 stored in the last hour",
        ),
        (
            {"pending": None, "failures": None, "per_minute": None, "complete": False},
            "The index cannot be used, so nothing is counted; uploads are taken",
        ),
        (
            {"pending": 0, "per_minute": [{**MINUTE, "stored": 200, "failed": 2}] * 60},
            "Nothing waits; 12,000 stored in the last hour",
        ),
    ],
)
def test_without_trouble_it_tells_what_goes_on(changed: dict[str, Any], sentence: str) -> None:
    assert said(**changed) == sentence


def test_trouble_keeps_the_time_when_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    noticed = Noticed()

    def told(disk: dict[str, Any]) -> str:
        return said(noticed, disk=disk)

    full = {**DISK, "enough": False}
    assert "since 14:30 UTC" in told(full)
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(minutes=5))
    assert "since 14:30 UTC" in told(full)
    assert "disk" not in told(DISK)
    assert "since 14:35 UTC" in told(full)


def test_a_hostile_reason_stays_one_line() -> None:
    hostile = {**WORKER, "name": "\u202ew\nx\x1b[31m", "unhealthy": "a\r\nb\x00" + "c" * 1000}
    told = said(workers=[hostile])
    assert told.isprintable()
    assert len(told) < 500


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days")],
)
def test_a_duration_has_one_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_time_of_another_zone_is_told_in_utc() -> None:
    assert at_utc("2026-01-15T15:00:00+02:00") == "13:00 UTC"
