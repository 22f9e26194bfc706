"""What the console says of trouble that does not end."""

import time

import pytest

from shared.console import Trouble


class Hours:
    """A clock, and a trouble that is met at each of its seconds; at which of them it was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.now, self.trouble, self._capsys = 1000, Trouble(), capsys
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def told(self, seconds: int) -> list[int]:
        start, told = self.now, []
        while self.now < start + seconds:
            self.trouble.tell(detail="Redis does not answer")
            if "Redis does not answer" in self._capsys.readouterr().out:
                told.append(self.now - start)
            self.now += 1
        return told


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hours:
    return Hours(monkeypatch, capsys)


def test_trouble_is_told_at_once_and_then_with_a_pause_that_doubles_up_to_a_minute(
    hours: Hours,
) -> None:
    assert hours.told(300) == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]


def test_its_end_is_told_once_and_the_next_trouble_at_once(
    hours: Hours, capsys: pytest.CaptureFixture[str]
) -> None:
    hours.trouble.is_over(detail="it answers")
    assert capsys.readouterr().out == "", "there was none"
    hours.told(40)
    hours.trouble.is_over(detail="it answers")
    hours.trouble.is_over(detail="it answers")
    assert capsys.readouterr().out.count("it answers") == 1
    assert hours.told(4) == [0, 1, 3]


def test_what_stayed_away_for_more_than_a_minute_is_told_at_once(hours: Hours) -> None:
    hours.told(40)
    hours.now += 30
    assert hours.told(1) == [0], "it was due"
    hours.now += 61
    assert hours.told(4) == [0, 1, 3]
