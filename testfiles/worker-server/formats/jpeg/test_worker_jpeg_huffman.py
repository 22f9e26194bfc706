"""A Huffman table that lacks codes gets them, and stays one that a decoder takes."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given, strategies

from formats.jpeg.libjpeg.huffman import AC_SYMBOLS, Table


@strategies.composite
def tables(draw: strategies.DrawFn) -> Table:
    """Whole trees, as they are made for a picture: each leaf splits, or is a code but for one."""
    leaves = [0]
    for _ in range(draw(strategies.integers(1, 160))):
        leaf = draw(strategies.sampled_from(range(len(leaves))))
        if leaves[leaf] < 16:
            leaves[leaf : leaf + 1] = [leaves[leaf] + 1] * 2
    lengths = sorted(leaves)[:-1]  # the code of ones only is nobody's
    assume(lengths)
    counts = Counter(lengths)
    symbols = draw(strategies.permutations(sorted(AC_SYMBOLS)))[: len(lengths)]
    return Table(bytes(counts[bits] for bits in range(17)), bytes(symbols))


def code_of(table: Table, symbol: int) -> str:
    code = table.code(symbol)
    assert code is not None
    return code


@given(tables())
def test_everything_has_a_code_and_none_begins_another(table: Table) -> None:
    completed = table.with_codes(AC_SYMBOLS)
    assert completed is not None
    codes = sorted(code_of(completed, symbol) for symbol in AC_SYMBOLS)
    assert set(completed.symbols) == AC_SYMBOLS
    assert len(completed.symbols) == sum(completed.counts)
    assert not any(after.startswith(code) for code, after in pairwise(codes))
    assert all(len(code) <= 16 and "0" in code for code in codes)


@given(tables())
def test_no_code_it_had_gets_longer_but_one_by_a_bit(table: Table) -> None:
    completed = table.with_codes(AC_SYMBOLS)
    assert completed is not None
    growth = [len(code_of(completed, s)) - len(code_of(table, s)) for s in table.symbols]
    assert sorted(growth)[:-1] == [0] * (len(growth) - 1)
    assert max(growth) <= 1


def test_a_table_that_lacks_nothing_stays() -> None:
    completed = Table(bytes([*[0] * 16, 162]), bytes(sorted(AC_SYMBOLS)))
    assert completed.with_codes(AC_SYMBOLS) == completed


@pytest.mark.parametrize(
    ("counts", "symbols"),
    [
        ([0, 200] + [0] * 15, list(range(200))),  # too many of that length
        ([0] * 16 + [100], [1] * 100),  # the same symbol again and again
    ],
)
def test_what_is_no_code_does_not_become_one(counts: list[int], symbols: list[int]) -> None:
    assert Table(bytes(counts), bytes(symbols)).with_codes(AC_SYMBOLS) is None
