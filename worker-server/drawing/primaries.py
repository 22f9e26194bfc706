"""Converts light from sRGB's primaries to others, which chromaticities describe, and back.

These are x and y of white, red, green and blue. White stays white: colours are adapted from one
white to the other by Bradford's cones (ICC.1:2022, annex E).
"""

from collections.abc import Sequence

Chromaticities = tuple[float, ...]
Rows = Sequence[Sequence[float]]

_D65 = (0.3127, 0.3290)
SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_BT_601_525: Chromaticities = (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
# By Rec. ITU-T H.273, table 2
BY_NUMBER: dict[int, Chromaticities] = {
    1: SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),  # BT.470, system M
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),  # BT.601 of 625 lines
    6: _BT_601_525,
    7: _BT_601_525,  # SMPTE ST 240
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # SMPTE RP 431-2
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3 (SMPTE EG 432-1)
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),  # EBU Tech 3213
}
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def from_srgb(target: Chromaticities) -> Rows:
    """The matrix (SMPTE RP 177). Raises ZeroDivisionError where the primaries are on one line."""
    columns = list(zip(*_cones(SRGB), strict=True))
    return [[_sum(row, column) for column in columns] for row in _inverse(_cones(target))]


def into_srgb(source: Chromaticities) -> Rows:
    """The inverse of from_srgb. Raises ZeroDivisionError as it does."""
    return _inverse(from_srgb(source))


def _cones(of: Chromaticities) -> Rows:
    """Each cone's response to red, green and blue; to all three, which are white, it is 1."""
    white, *colours = (_xyz(*of[at : at + 2]) for at in (0, 2, 4, 6))
    rows = [[_sum(cone, colour) / _sum(cone, white) for colour in colours] for cone in _BRADFORD]
    amounts = [sum(row) for row in _inverse(rows)]
    return [[part * amount for part, amount in zip(row, amounts, strict=True)] for row in rows]


def _xyz(x: float, y: float) -> Sequence[float]:
    return x / y, 1.0, (1 - x - y) / y


def _inverse(rows: Rows) -> Rows:
    a, b, c = rows
    columns = _cross(b, c), _cross(c, a), _cross(a, b)
    determinant = _sum(a, columns[0])
    return [[part / determinant for part in row] for row in zip(*columns, strict=True)]


def _cross(a: Sequence[float], b: Sequence[float]) -> Sequence[float]:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _sum(weights: Sequence[float], parts: Sequence[float]) -> float:
    return sum(weight * part for weight, part in zip(weights, parts, strict=True))
