"""Colours that numbers signal. What is right is read from the standards the other way round: of the
signal that the logo gets, the light that a display makes of it.
"""

import math

import pytest
from PIL import Image

from drawing import signalled_colour
from drawing.primaries import BY_NUMBER, SRGB

BT_2020, DISPLAY_P3, PQ, HLG, LINEAR = 9, 12, 16, 18, 8
WHITE_NITS = 203
Light = list[float]

# Of red, green, blue (the columns) light of BT.709 in BT.2020's (Rec. ITU-R BT.2087-0, section 2)
BT_2087 = [(0.6274, 0.3293, 0.0433), (0.0691, 0.9195, 0.0114), (0.0164, 0.0880, 0.8956)]
COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "red": (1.0, 0.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "#bcbcbc": (0.5029, 0.5029, 0.5029),  # sRGB's 188 (IEC 61966-2-1)
    "#0a0a0a": (0.003035, 0.003035, 0.003035),  # 10, where its curve is straight
    "black": (0.0, 0.0, 0.0),
}


def signal(
    colour: str, primaries: int, transfer: int, mode: str = "RGB", *, is_full_range: bool = True
) -> Light:
    """What becomes of a logo of one colour, from 0 to 1."""
    signalled = signalled_colour.of_numbers(primaries, transfer, is_full_range=is_full_range)
    assert signalled is not None
    return first_pixel(signalled, colour, mode)


def first_pixel(
    signalled: signalled_colour.SignalledColour, colour: str, mode: str = "RGB"
) -> Light:
    planes = signalled.planes(Image.new("RGBA", (3, 2), colour), mode)
    levels = [plane.getpixel((2, 1)) for plane in planes]
    return [level / 255 for level in levels if isinstance(level, float)]


def nits_of_pq(level: float) -> float:
    """The EOTF of Rec. ITU-R BT.2100-2, table 4."""
    power = math.pow(level, 1 / 78.84375)
    share = max(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return 10_000 * math.pow(share, 1 / 0.1593017578)


def nits_of_hlg(levels: Light) -> Light:
    """The EOTF of table 5, on a display of 1000 cd/m2."""
    scene = [
        level**2 / 3
        if level <= 0.5
        else (math.exp((level - 0.55991073) / 0.17883277) + 0.28466892) / 12
        for level in levels
    ]
    luminance = 0.2627 * scene[0] + 0.6780 * scene[1] + 0.0593 * scene[2]
    return [1000 * math.pow(luminance, 0.2) * light for light in scene]


def in_bt_2020(colour: str) -> Light:
    """In cd/m2."""
    light = COLOURS[colour]
    return [WHITE_NITS * sum(a * b for a, b in zip(row, light, strict=True)) for row in BT_2087]


@pytest.mark.parametrize("colour", COLOURS)
def test_on_pq_and_hlg_the_logo_shines_as_if_white_had_203_nits(colour: str) -> None:
    right = pytest.approx(in_bt_2020(colour), rel=0.003, abs=0.01)
    assert [nits_of_pq(level) for level in signal(colour, BT_2020, PQ)] == right
    assert nits_of_hlg(signal(colour, BT_2020, HLG)) == right


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_white_is_the_reference_white_of_hdr(mode: str) -> None:
    """Report ITU-R BT.2408, table 1: 58% of PQ and 75% of HLG."""
    assert signal("white", BT_2020, PQ, mode) == pytest.approx([0.5807] * len(mode), abs=1e-4)
    assert signal("white", BT_2020, HLG, mode) == pytest.approx([0.75] * len(mode), abs=2e-4)


def test_red_of_srgb_is_no_brighter_on_display_p3() -> None:
    """CSS Color 4, section 10.4: color(display-p3 0.9175 0.2003 0.1386)."""
    assert signal("red", DISPLAY_P3, 13) == pytest.approx([0.9175, 0.2003, 0.1386], abs=1e-4)


def test_light_and_powers_of_it() -> None:
    assert signal("#bcbcbc", 1, LINEAR) == pytest.approx([0.5029] * 3, abs=1e-4)
    assert signal("#bcbcbc", 1, 4) == pytest.approx([0.5029 ** (1 / 2.2)] * 3, abs=1e-4)
    signalled = signalled_colour.of_gamma(1 / 1.8, SRGB)
    assert signalled is not None
    assert first_pixel(signalled, "#bcbcbc") == pytest.approx([0.5029 ** (1 / 1.8)] * 3, abs=1e-4)


def test_the_narrow_range_of_video_ends_at_16_and_235() -> None:
    """Rec. ITU-T H.273, section 8.3."""
    assert signal("black", 1, 13, is_full_range=False) == pytest.approx([16 / 255] * 3)
    assert signal("white", 1, 13, is_full_range=False) == pytest.approx([235 / 255] * 3)


@pytest.mark.parametrize("primaries", BY_NUMBER)
def test_white_stays_white_in_whatever_light_theirs_is(primaries: int) -> None:
    signalled = signalled_colour.of_gamma(1, BY_NUMBER[primaries])
    assert signalled is not None
    assert first_pixel(signalled, "white") == pytest.approx([1, 1, 1], abs=1e-6)


def test_colours_beyond_theirs_are_the_nearest_they_have() -> None:
    narrow = (0.3127, 0.3290, 0.5, 0.33, 0.30, 0.5, 0.2, 0.15)
    signalled = signalled_colour.of_gamma(1, narrow)
    assert signalled is not None
    assert first_pixel(signalled, "red")[0] == 1
    assert first_pixel(signalled, "blue")[0] == 0


@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (1, 1), (1, 6), (2, 2), (0, 255)])
def test_srgb_video_and_what_is_unknown_need_nothing(primaries: int, transfer: int) -> None:
    assert signalled_colour.of_numbers(primaries, transfer) is None


@pytest.mark.parametrize("chromaticities", [(0.0,) * 8, (0.3, 0.3) * 4, (0.3, 0.3, *[0.1] * 6)])
def test_chromaticities_that_span_no_colours_are_ignored(chromaticities: tuple[float, ...]) -> None:
    assert signalled_colour.of_gamma(0.5, chromaticities) is None
