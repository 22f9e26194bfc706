"""Small ICC profiles (ICC.1:2022), to test colour spaces other than sRGB."""

from struct import pack

XYZ = tuple[float, float, float]
_D50 = (0.9642, 1.0, 0.8249)  # what all profiles see as white


def rgb_profile(gamma: float, red: XYZ, green: XYZ, blue: XYZ) -> bytes:
    """A matrix profile (section 8.3.3) with those primaries, adapted to D50."""
    primaries = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))
    return _profile(b"RGB ", {b"wtpt": _xyz(_D50), **primaries, **curves})


def grey_profile(gamma: float) -> bytes:
    """A monochrome profile (section 8.3.4)."""
    return _profile(b"GRAY", {b"wtpt": _xyz(_D50), b"kTRC": _curve(gamma)})


def _xyz(values: XYZ) -> bytes:
    return b"XYZ \0\0\0\0" + pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + pack(">IH2x", 1, round(gamma * 256))


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Header (section 7.2), tag table (7.3), tags."""
    table, data = pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + pack(">II", 128 + 4 + 12 * len(tags) + len(data), len(content))
        data += content
    size = 128 + len(table) + len(data)
    header = pack(">I4x4s4s4s4s12x4s", size, b"\x02\x10\0\0", b"mntr", space, b"XYZ ", b"acsp")
    return (
        header
        + bytes(28)
        + pack(">3i", *(round(v * 65536) for v in _D50))
        + bytes(48)
        + table
        + data
    )


DISPLAY_P3 = rgb_profile(
    2.2, (0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)
)
ADOBE_RGB = rgb_profile(
    2.199, (0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)
)
LINEAR_GREY = grey_profile(1.0)
