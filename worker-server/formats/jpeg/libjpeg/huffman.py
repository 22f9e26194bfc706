"""The Huffman tables of a JPEG's sequential scans (ITU-T T.81 annexes C and F.1.2)."""

from functools import lru_cache
from typing import NamedTuple

# The symbols that coefficients of 8-bit samples may need: end of block, runs of zeros, sizes
END_OF_BLOCK = 0x00
DC_SYMBOLS = frozenset(range(12))
AC_SYMBOLS = frozenset(
    {END_OF_BLOCK, 0xF0} | {run << 4 | size for run in range(16) for size in range(1, 11)}
)
# In a damaged image, where DC coefficients may have any value beside the logo
DRIFTED_DC_SYMBOLS = frozenset(range(16))
_LONGEST = 16  # bits
# Most files have the tables of T.81 annex K.3: without the cache a small image takes 7% longer.
_cached = lru_cache(maxsize=64)


class Table(NamedTuple):
    """The codes follow from their lengths: they are numbered in order."""

    counts: bytes  # the numbers of codes of 0 to 16 bits
    symbols: bytes  # in the order of their codes

    @_cached
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

    @_cached
    def has_codes(self, symbols: frozenset[int]) -> bool:
        """Whether each symbol has one code: decoders accept several, but encoders do not."""
        return symbols.issubset(self.symbols) and len(set(self.symbols)) == len(self.symbols)

    @_cached
    def with_codes(self, symbols: frozenset[int]) -> "Table | None":
        """The table with a code of 16 bits for each of the symbols that has no code.

        Where too few codes are free, one existing code becomes a bit longer: the longest one that
        frees enough, because long codes are for rare symbols. The code of only ones stays unused.
        None where this is impossible, or where the table has codes for other symbols.
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
