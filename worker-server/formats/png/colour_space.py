"""The colour space of a PNG: by cICP, else iCCP, else sRGB, else gAMA and cHRM.

W3C PNG, third edition, sections 4.3 and 11.3.2.
"""

import struct
from itertools import takewhile

from drawing import signalled_colour
from drawing.compositing import Profile
from drawing.primaries import SRGB
from formats.png.chunks import Chunk

_UNIT = 100_000  # of the numbers in gAMA and cHRM
# Values this near to sRGB's count as sRGB, as in libpng (PNG_GAMMA_THRESHOLD, and for cHRM).
_SRGB_GAMMA, _SAME_GAMMA, _SAME_XY = 0.45455, 0.05, 0.01


def profile(chunks: list[Chunk], icc_profile: bytes | None) -> Profile | None:
    """icc_profile is what Pillow found in iCCP. None means sRGB."""
    before_pixels = takewhile(lambda part: part.name not in (b"IDAT", b"fdAT"), chunks)
    head = {part.name: part.data for part in before_pixels}
    cicp = head.get(b"cICP", b"")
    if len(cicp) == 4:
        return signalled_colour.of_numbers(cicp[0], cicp[1], is_full_range=bool(cicp[3]))
    if icc_profile or b"sRGB" in head:
        return icc_profile
    gamma, *_ = _numbers(head.get(b"gAMA", b""), 1) or [_SRGB_GAMMA]
    exponent = None if abs(gamma / _SRGB_GAMMA - 1) <= _SAME_GAMMA else gamma
    chromaticities = _numbers(head.get(b"cHRM", b""), 8) or list(SRGB)
    distances = (abs(a - b) for a, b in zip(chromaticities, SRGB, strict=True))
    if exponent is None and max(distances) <= _SAME_XY:
        return None
    return signalled_colour.of_gamma(exponent, tuple(chromaticities))


def _numbers(data: bytes, count: int) -> list[float]:
    """Empty where the chunk has another length, or only zeros."""
    if len(data) != 4 * count or not any(data):
        return []
    return [number / _UNIT for number in struct.unpack(f">{count}I", data)]
