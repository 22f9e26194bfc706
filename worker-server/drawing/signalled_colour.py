"""Colour spaces that numbers signal instead of an ICC profile: the logo in them, and back to sRGB.

These are the numbers of Rec. ITU-T H.273, as in PNG's cICP and in nclx of HEIC and AVIF, or PNG's
gAMA and cHRM. PQ and HLG: Rec. ITU-R BT.2100, tables 4 and 5. The logo's white is HDR's reference
white: 203 cd/m2, 58% of PQ and 75% of HLG (Report ITU-R BT.2408, table 1).
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from PIL import Image, ImageMath

from drawing import primaries
from drawing.primaries import Chromaticities

_WHITE_NITS, _PQ_NITS, _HLG_NITS = 203, 10_000, 1000
_HLG_GAMMA = 1.2  # of a display of 1000 cd/m2
_LIGHT_STEPS = 10**8  # of light, up to white
_LUMINANCE = (0.2126, 0.7152, 0.0722)  # of sRGB's red, green and blue

Transfer = Callable[[float], float]  # from light, where the logo's white is 1, to signal
_Planes = list[Image.Image]  # of mode F


class SignalledColour(NamedTuple):
    chromaticities: Chromaticities
    transfer: Transfer
    is_full_range: bool = True  # else video's range, 16 to 235

    def planes(self, logo: Image.Image, mode: str) -> _Planes:
        """The bands of the logo (sRGB) in mode L or RGB: 0 to 255, not rounded."""
        bands = logo.convert("RGB").convert(mode).split()
        light = [band.point(_LIGHT, "F") for band in bands]
        if self.transfer is _hlg:
            light = _of_scene(light)
        if mode == "RGB":
            light = [_mixed(light, row) for row in primaries.from_srgb(self.chromaticities)]
        return [self._signal(plane) for plane in light]

    def in_srgb(self, picture: Image.Image) -> Image.Image:
        """A picture of mode L or RGB in these colours, in sRGB. What is brighter than white is
        white."""
        light = [band.point(self._lights(), "F") for band in picture.split()]
        if self.transfer is _hlg:
            light = _shown(light)
        if picture.mode == "RGB":
            light = [_mixed(light, row) for row in primaries.into_srgb(self.chromaticities)]
        return Image.merge(picture.mode, [_in_srgb_levels(plane) for plane in light])

    @property
    def _levels(self) -> tuple[int, int]:
        """Those of black and white."""
        return (0, 255) if self.is_full_range else (16, 235)

    def _lights(self) -> list[float]:
        """The light of each level: transfer's inverse, by bisection."""
        black, white = self._levels
        signals = [min(max((level - black) / (white - black), 0), 1) for level in range(256)]
        brightest = _PQ_NITS / _WHITE_NITS if self.transfer is _pq else 1
        candidates = range(round(brightest * _LIGHT_STEPS) + 1)
        return [
            bisect_left(candidates, signal, key=lambda step: self.transfer(step / _LIGHT_STEPS))
            / _LIGHT_STEPS
            for signal in signals
        ]

    def _signal(self, light: Image.Image) -> Image.Image:
        black, white = self._levels
        signals = (
            black + (white - black) * self.transfer(min(max(level, 0.0), 1.0))
            for level in array("f", light.tobytes())
        )
        return Image.frombytes("F", light.size, array("f", signals).tobytes())


def of_numbers(
    colour_primaries: int, transfer: int, *, is_full_range: bool = True
) -> SignalledColour | None:
    """By the numbers of H.273. None where they mean sRGB, or are unknown.

    The curves of video (1, 6, 14, 15) count as sRGB's, as in browsers.
    """
    chromaticities = primaries.BY_NUMBER.get(colour_primaries, primaries.SRGB)
    curve = _TRANSFERS.get(transfer, _srgb)
    if chromaticities == primaries.SRGB and curve is _srgb and is_full_range:
        return None
    return SignalledColour(chromaticities, curve, is_full_range)


def of_gamma(exponent: float | None, chromaticities: Chromaticities) -> SignalledColour | None:
    """By the exponent from light to signal; without one the curve is sRGB's.

    None where the chromaticities' primaries are on one line.
    """
    try:
        primaries.from_srgb(chromaticities)
    except ZeroDivisionError:
        return None
    return SignalledColour(chromaticities, _srgb if exponent is None else _power(exponent))


def _power(exponent: float) -> Transfer:
    return lambda light: math.pow(light, exponent)


def _srgb(light: float) -> float:
    """IEC 61966-2-1."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * math.pow(light, 1 / 2.4) - 0.055


def _pq(light: float) -> float:
    power = math.pow(light * _WHITE_NITS / _PQ_NITS, 2610 / 16384)
    share = (3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)
    return math.pow(share, 2523 / 32)


def _hlg(scene: float) -> float:
    if scene <= 1 / 12:
        return math.sqrt(3 * scene)
    return 0.17883277 * math.log(12 * scene - 0.28466892) + 0.55991073


_TRANSFERS: dict[int, Transfer] = {  # by H.273, table 3
    4: _power(1 / 2.2),
    5: _power(1 / 2.8),
    8: _power(1),
    16: _pq,
    17: lambda light: math.pow(light * 48 / 52.37, 1 / 2.6),  # SMPTE ST 428-1
    18: _hlg,
}


def _light(level: float) -> float:
    return level / 12.92 if level <= 0.04045 else math.pow((level + 0.055) / 1.055, 2.4)


_LIGHT = [_light(level / 255) for level in range(256)]


@cache
def _srgb_levels() -> list[int]:
    """By light in steps of 1/65535."""
    return [round(255 * _srgb(step / 65535)) for step in range(65536)]


def _in_srgb_levels(light: Image.Image) -> Image.Image:
    steps: Image.Image = ImageMath.lambda_eval(
        lambda of: of["int"](of["max"](of["min"](of["light"], 1), 0) * 65535 + 0.5), light=light
    )
    return steps.point(_srgb_levels(), "L")


def _of_scene(light: _Planes) -> _Planes:
    """The scene's light that an HLG display shows as this light (BT.2100: the inverted OOTF)."""
    luminance = light[0] if len(light) == 1 else _mixed(light, _LUMINANCE)
    share = _WHITE_NITS / _HLG_NITS

    def scene(of: dict[str, Any]) -> Any:
        system_gamma = (of["max"](of["luminance"], 1e-6) * share) ** (1 / _HLG_GAMMA - 1)
        return of["light"] * share * system_gamma

    return [ImageMath.lambda_eval(scene, light=plane, luminance=luminance) for plane in light]


def _shown(scene: _Planes) -> _Planes:
    """The light that an HLG display shows of the scene's light: the inverse of _of_scene."""
    luminance = scene[0] if len(scene) == 1 else _mixed(scene, _LUMINANCE)
    share = _WHITE_NITS / _HLG_NITS

    def light(of: dict[str, Any]) -> Any:
        return of["scene"] * of["max"](of["luminance"], 1e-6) ** (_HLG_GAMMA - 1) / share

    return [ImageMath.lambda_eval(light, scene=plane, luminance=luminance) for plane in scene]


def _mixed(light: _Planes, weights: Sequence[float]) -> Image.Image:
    mixed: Image.Image = ImageMath.lambda_eval(
        lambda of: of["r"] * weights[0] + of["g"] * weights[1] + of["b"] * weights[2],
        **dict(zip("rgb", light, strict=True)),
    )
    return mixed
