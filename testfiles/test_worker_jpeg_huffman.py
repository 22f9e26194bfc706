"""A Huffman table that lacks codes gets them, and stays one that a decoder takes."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker_rig import worker_module

jpeg_huffman = worker_module("jpeg_huffman")
ALL = jpeg_huffman.AC_SYMBOLS


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """Whole trees, as they are made for a picture: each leaf splits, or is a code but for one."""
    leaves = [0]
    for _ in range(draw(st.integers(1, 160))):
        leaf = draw(st.sampled_from(range(len(leaves))))
        if leaves[leaf] < 16:
            leaves[leaf : leaf + 1] = [leaves[leaf] + 1] * 2
    lengths = sorted(leaves)[:-1]  # the code of ones only is nobody's
    assume(lengths)
    counts = Counter(lengths)
    symbols = draw(st.permutations(sorted(ALL)))[: len(lengths)]
    return jpeg_huffman.Table(bytes(counts[bits] for bits in range(17)), bytes(symbols))


@given(tables())
def test_everything_has_a_code_and_none_begins_another(table: Any) -> None:
    completed = table.with_codes(ALL)
    codes = sorted(completed.code(symbol) for symbol in ALL)
    assert set(completed.symbols) == ALL
    assert len(completed.symbols) == sum(completed.counts)
    assert not any(after.startswith(code) for code, after in pairwise(codes))
    assert all(len(code) <= 16 and "0" in code for code in codes)


@given(tables())
def test_no_code_it_had_gets_longer_but_one_by_a_bit(table: Any) -> None:
    completed = table.with_codes(ALL)
    growth = [len(completed.code(s)) - len(table.code(s)) for s in table.symbols]
    assert sorted(growth)[:-1] == [0] * (len(growth) - 1)
    assert max(growth) <= 1


def test_a_table_that_lacks_nothing_stays() -> None:
    completed = jpeg_huffman.Table(bytes([*[0] * 16, 162]), bytes(sorted(ALL)))
    assert completed.with_codes(ALL) == completed


@pytest.mark.parametrize(
    ("counts", "symbols"),
    [
        ([0, 200] + [0] * 15, list(range(200))),  # too many of that length
        ([0] * 16 + [100], [1] * 100),  # the same symbol again and again
    ],
)
def test_what_is_no_code_does_not_become_one(counts: list[int], symbols: list[int]) -> None:
    assert jpeg_huffman.Table(bytes(counts), bytes(symbols)).with_codes(ALL) is None
