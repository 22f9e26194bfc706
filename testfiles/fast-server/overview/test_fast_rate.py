"""How many media end a minute: as measured, else as the workers say."""

import time

import pytest

from overview.answers import Throughput, Worker
from overview.rate import Rate

BUSY = Worker(
    name="worker-1",
    version="1.0.0",
    started_at="2026-01-15T08:00:00.000Z",
    memory_mb=200,
    processes=3,
    at=[],
    stored_last_minute=50,
    failed_last_minute=10,
    unhealthy=None,
)


class Clock:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def minutes(*stored: int) -> list[Throughput]:
    return [
        Throughput(
            minute=f"2026-01-15T14:{30 + number}:00.000Z", received=0, stored=count, failed=1
        )
        for number, count in enumerate(stored)
    ]


def test_the_first_time_the_workers_are_believed(clock: Clock) -> None:
    assert Rate().per_minute(minutes(0, 0), [BUSY, BUSY]) == 120
    assert Rate().per_minute(minutes(0, 0), []) == 0


def test_what_ended_in_the_last_seconds_counts_from_then_on(clock: Clock) -> None:
    """A burst that has just begun is not taken for a slow minute."""
    rate = Rate()
    rate.per_minute(minutes(0, 100), [BUSY])
    clock.now += 5
    assert rate.per_minute(minutes(0, 150), [BUSY]) == 50 / 5 * 60


def test_a_minute_that_begins_meanwhile_loses_nothing(clock: Clock) -> None:
    rate = Rate()
    rate.per_minute(minutes(0, 100), [BUSY])
    clock.now += 4
    assert rate.per_minute(minutes(0, 110, 9), [BUSY]) == (10 + 9 + 1) / 4 * 60


def test_where_nothing_ends_there_is_no_rate(clock: Clock) -> None:
    """As where all workers have just died: their last reports live on for a while."""
    rate = Rate()
    rate.per_minute(minutes(0, 100), [BUSY])
    clock.now += 5
    assert rate.per_minute(minutes(0, 100), [BUSY]) == 60
    clock.now += 6
    assert rate.per_minute(minutes(0, 100), [BUSY]) == 0


def test_what_was_long_ago_does_not_count(clock: Clock) -> None:
    rate = Rate()
    rate.per_minute(minutes(0, 100), [BUSY])
    clock.now += 60
    assert rate.per_minute(minutes(0, 900), [BUSY]) == 60


def test_counts_that_begin_anew_are_no_rate(clock: Clock) -> None:
    """As those of an index that was removed."""
    rate = Rate()
    rate.per_minute(minutes(0, 100), [BUSY])
    clock.now += 4
    assert rate.per_minute(minutes(0, 20), [BUSY]) == 60
    clock.now += 4
    assert rate.per_minute([], [BUSY]) == 60
    assert rate.per_minute(minutes(0, 5000), [BUSY]) == 60
