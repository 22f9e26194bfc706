"""A JPEG's entropy-coded data with a new beginning; all that follows stays, bit by bit.

For sequential scans of Huffman codes (T.81 F.1.2): each code follows the one before without a gap,
FF is followed by 00, and ones fill up the last byte before a marker.
"""

import re
from collections.abc import Iterator

_PAIR = re.compile(rb"\xff\0")  # bytes.replace takes half as long again
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_FF, _STUFFED = b"\xff", b"\xff\0"
_PIECE_BYTES = 64 * 1024  # what stays in a processor's cache


def spliced(data: bytes, before: bytes, after: bytes, last_code: str) -> bytes | None:
    """data, which begins with the codes of before, with those of after in their place.

    Both end with last_code, in binary. None where data does not begin like that, or where markers
    or padding are in it.
    """
    old, new = before.replace(_STUFFED, _FF), after.replace(_STUFFED, _FF)
    ones = len(last_code) - len(last_code.rstrip("1"))
    unused, free = _trailing_ones(old) - ones, _trailing_ones(new) - ones
    whole = old[:-1].replace(_FF, _STUFFED)
    if not data.startswith(whole) or len(data) == len(whole):
        return None
    border = data[len(whole)]  # the byte in which the old codes end, and others begin
    if border >> unused != old[-1] >> unused:
        return None
    rest = data[len(whole) + (2 if border == 0xFF else 1) :]
    bits = f"{new[-1]:08b}"[: 8 - free] + f"{border:08b}"[8 - unused :]
    try:
        return b"".join(piece.replace(_FF, _STUFFED) for piece in (new[:-1], *_joined(bits, rest)))
    except _Unstuffed:
        return None


def at_restart(data: bytes, before: bytes, after: bytes, intervals: int) -> bytes | None:
    """The same where before and after are so many whole restart intervals."""
    markers = [match.start() for match in _RESTART.finditer(data, 0, len(before) + 2)]
    if len(markers) < intervals or data[: markers[intervals - 1]] != before:
        return None
    return after + data[len(before) :]


class _Unstuffed(Exception):
    """A marker, or padding, in what should be codes only."""


def _joined(bits: str, rest: bytes) -> Iterator[bytes]:
    """Up to 15 bits, in binary, and behind them those of rest.

    Ones should fill up the last byte, but no decoder looks. Zeros are what libjpeg has in place of
    codes that are missing: so what is damaged comes back as it is shown.
    """
    if len(bits) >= 8:
        yield bytes([int(bits[:8], 2)])
        bits = bits[8:]
    shift = len(bits)
    carried, mask = int(bits or "0", 2), (1 << shift) - 1
    at = 0
    while at < len(rest):
        end = at + _PIECE_BYTES
        end += rest[end - 1 : end] == _FF  # the 00 behind it belongs to it
        stuffed = rest[at:end]
        piece = _PAIR.sub(_FF, stuffed)
        size, at = len(piece), end
        if piece.count(_FF) != len(stuffed) - size:
            raise _Unstuffed
        yield ((carried << 8 * size | int.from_bytes(piece)) >> shift).to_bytes(size)
        carried = piece[-1] & mask
    if shift:
        yield bytes([carried << 8 - shift])


def _trailing_ones(data: bytes) -> int:
    """As many as a code, its coefficient and the filling can have, and more."""
    bits = f"{int.from_bytes(data[-8:]):064b}"
    return len(bits) - len(bits.rstrip("1"))
