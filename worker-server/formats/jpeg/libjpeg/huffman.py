"""The Huffman tables of a JPEG's sequential scans (ITU-T T.81 annexes C and F.1.2)."""

from functools import lru_cache
from typing import NamedTuple

# What coefficients of 8-bit samples may need: ends of blocks, runs of zeros, sizes
END_OF_BLOCK = 0x00
DC_SYMBOLS = frozenset(range(12))
AC_SYMBOLS = frozenset(
    {END_OF_BLOCK, 0xF0} | {run << 4 | size for run in range(16) for size in range(1, 11)}
)
# A damaged picture's, whose DC may have drifted anywhere, beside the logo
DRIFTED_DC_SYMBOLS = frozenset(range(16))
_LONGEST = 16  # bits
_remembering = lru_cache(maxsize=64)  # most files have the tables of T.81 annex K.3


class Table(NamedTuple):
    """Codes are numbered in order, so that their lengths and the symbols are all there is to it."""

    counts: bytes  # how many codes have 0 to 16 bits
    symbols: bytes  # of the shortest code first

    @_remembering
    def code(self, symbol: int) -> str | None:
        """In binary."""
        code, symbols = 0, iter(self.symbols)
        for length, count in enumerate(self.counts):
            code <<= 1
            for _ in range(count):
                if next(symbols) == symbol:
                    return f"{code:0{length}b}"
                code += 1
        return None

    @_remembering
    def has_codes(self, symbols: frozenset[int]) -> bool:
        """One for each of them. With several a decoder takes a table, but no encoder does."""
        return symbols.issubset(self.symbols) and len(set(self.symbols)) == len(self.symbols)

    @_remembering
    def with_codes(self, symbols: frozenset[int]) -> "Table | None":
        """The table with a code of 16 bits for each of those symbols that it has none for.

        Where they leave no room, one of its own codes becomes a bit longer: the longest of which
        that is enough, so that it is a rare symbol's. The code of ones only stays unused. None
        where that is impossible, or where it has codes for anything else.
        """
        missing = sorted(symbols.difference(self.symbols))
        completed = self.symbols + bytes(missing)
        if sorted(completed) != sorted(symbols):
            return None
        counts = [*self.counts]
        used = sum(count << _LONGEST - bits for bits, count in enumerate(counts) if count)
        excess = used + len(missing) - (1 << _LONGEST) + 1
        if missing and excess > 0:
            enough = [b for b in range(_LONGEST) if counts[b] and 1 << _LONGEST - 1 - b >= excess]
            if not enough:
                return None
            counts[enough[-1]] -= 1
            counts[enough[-1] + 1] += 1
        counts[_LONGEST] += len(missing)
        return Table(bytes(counts), completed)
