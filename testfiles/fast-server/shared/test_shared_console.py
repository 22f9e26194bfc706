"""A line of the console log, of what a library says there, and of trouble that does not end."""

import logging
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from shared import console
from shared.console import RecurringNotice


@pytest.fixture(autouse=True)
def timezone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Seven hours and a half west, in summer one less: POSIX has the sign the other way round."""
    monkeypatch.setenv("TZ", "HERE7:30THERE6:30,J1,J365")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_its_time_is_local_and_says_how_far_from_utc_that_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_768_483_845.0625)
    console.event(console.STORED, name="photo.jpg")
    assert capsys.readouterr().out.startswith("2026-01-15T07:00:45.062-06:30 📦 stored name=")


def test_what_a_library_says_has_the_same_kind_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    handlers = logging.root.handlers[:]
    try:
        console.configure()
        logging.getLogger("library").warning("look out")
    finally:
        logging.root.handlers[:] = handlers
    said = re.fullmatch(r"(\S+) look out\n", capsys.readouterr().out)
    assert said
    assert datetime.fromisoformat(said[1]).utcoffset() == timedelta(hours=-6, minutes=-30)


class Hours:
    """A clock, and a fault at each of its seconds. reported says at which of them it was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.now, self.notice, self._capsys = 1000, RecurringNotice(), capsys
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def reported(self, seconds: int) -> list[int]:
        start, seen = self.now, []
        while self.now < start + seconds:
            self.notice.report(detail="Redis does not answer")
            if "Redis does not answer" in self._capsys.readouterr().out:
                seen.append(self.now - start)
            self.now += 1
        return seen


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hours:
    return Hours(monkeypatch, capsys)


def test_a_fault_is_reported_at_once_and_then_with_a_pause_that_doubles_up_to_a_minute(
    hours: Hours,
) -> None:
    assert hours.reported(300) == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]


def test_its_end_is_reported_once_and_the_next_fault_at_once(
    hours: Hours, capsys: pytest.CaptureFixture[str]
) -> None:
    hours.notice.clear(detail="it answers")
    assert capsys.readouterr().out == "", "there was none"
    hours.reported(40)
    hours.notice.clear(detail="it answers")
    hours.notice.clear(detail="it answers")
    assert capsys.readouterr().out.count("it answers") == 1
    assert hours.reported(4) == [0, 1, 3]


def test_what_stayed_away_for_more_than_a_minute_is_reported_at_once(hours: Hours) -> None:
    hours.reported(40)
    hours.now += 30
    assert hours.reported(1) == [0], "it was due"
    hours.now += 61
    assert hours.reported(4) == [0, 1, 3]
