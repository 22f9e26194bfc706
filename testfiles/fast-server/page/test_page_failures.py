"""The page has words for each code of a failure."""

import re

import pytest

from local_stack.stack import ROOT
from shared.contract import FAILURE_CODES, RERUN_WHEN

SOURCE = (ROOT / "fast-server" / "page" / "failures.js").read_text(encoding="utf-8")
TEXTS = dict(re.findall(r"^  (\w+): \{\n(.*?)^  \},$", SOURCE, re.M | re.S))


def test_every_code_of_a_failure_has_words() -> None:
    assert sorted(TEXTS) == sorted(FAILURE_CODES)


@pytest.mark.parametrize("code", FAILURE_CODES)
def test_they_say_what_happened_and_what_to_do(code: str) -> None:
    assert re.search(r'^    what: "[A-Z].+[^.]",$', TEXTS[code], re.M)
    assert re.search(r'^    todo: "[A-Z].+\.",$', TEXTS[code], re.M)
    assert re.search(r"^    retryHelps: (true|false),$", TEXTS[code], re.M)


@pytest.mark.parametrize("code", FAILURE_CODES)
def test_they_say_which_of_them_goes_on_by_itself(code: str) -> None:
    assert ("by itself for 24 h" in TEXTS[code]) == (code in RERUN_WHEN)
