"""A line of the console log, and of what a library says there."""

import logging
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from shared import console


@pytest.fixture(autouse=True)
def timezone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Seven hours and a half west, in summer one less: POSIX has the sign the other way round."""
    monkeypatch.setenv("TZ", "HERE7:30THERE6:30,J1,J365")
    time.tzset()
    console._second.cache_clear()
    yield
    monkeypatch.undo()
    time.tzset()
    console._second.cache_clear()


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
