"""The logo on several channels of more than 8 bits, for which Pillow has no modes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from PIL import Image, ImageMath

from drawing import compositing
from drawing.compositing import Profile

_LIMITS = {
    "H": (0, 2**16 - 1),
    "h": (-(2**15), 2**15 - 1),
    "I": (0, 2**32 - 1),
    "i": (-(2**31), 2**31 - 1),
}


class Alpha(Enum):
    STRAIGHT = 1  # colours do not depend on alpha (PNG; TIFF's unassociated)
    PREMULTIPLIED = 2  # colours are multiplied by alpha (TIFF's associated)


class Pixels(NamedTuple):
    """The channels of a pixel: the colours of mode (L, RGB or CMYK), alpha, then any others."""

    mode: str
    channels: int
    alpha: Alpha | None
    black: float
    white: float


def composite(
    samples: array[Any], kind: Pixels, logo: Image.Image, profile: Profile | None
) -> None:
    """Put an RGBA logo over samples of the same size, in place."""
    inks = compositing.inks(logo, kind.mode, profile)
    cover = logo.getchannel("A")
    weight = cover.convert("F").point(lambda alpha: alpha / 255)
    planes = [_plane(samples, number, kind, logo.size) for number in range(len(inks))]
    weights = [weight] * len(inks)
    if kind.alpha is not None:
        alpha = _plane(samples, len(inks), kind, logo.size)
        if kind.alpha is Alpha.STRAIGHT:
            weights = [_share_of_ink(weight, alpha, kind.white)] * len(inks)
        planes, weights = [*planes, alpha], [*weights, weight]
        inks.append(Image.new("L", logo.size, 255))
    levels = kind.black, kind.white
    blended = [
        compositing.blended(plane, ink, ink_weight, levels)
        for plane, ink, ink_weight in zip(planes, inks, weights, strict=True)
    ]
    covered = cover.tobytes()
    for number, plane in enumerate(blended):
        old = samples[number :: kind.channels]
        new = _numbers(plane, samples.typecode)
        pixels = zip(covered, new, old, strict=True)
        samples[number :: kind.channels] = array(
            samples.typecode,
            [after if is_covered else before for is_covered, after, before in pixels],
        )


def _plane(samples: array[Any], number: int, kind: Pixels, size: tuple[int, int]) -> Image.Image:
    floats = array("f", samples[number :: kind.channels])
    return Image.frombytes("F", size, floats.tobytes())


def _share_of_ink(weight: Image.Image, alpha: Image.Image, white: float) -> Image.Image:
    """How much of a pixel's new colour is ink.

    Ink of this weight covers a colour with straight alpha.
    """
    share: Image.Image = ImageMath.lambda_eval(
        lambda of: of["ink"] / of["max"](of["ink"] + of["alpha"] / white * (1 - of["ink"]), 1e-9),
        ink=weight,
        alpha=alpha,
    )
    return share


def _numbers(plane: Image.Image, typecode: str) -> Iterator[float]:
    """Rounded and within the limits of an integer type: a float may exceed those of 32 bits."""
    floats = array("f", plane.tobytes())
    if typecode in "fd":
        return iter(floats)
    least, most = _LIMITS[typecode]
    return (min(max(round(number), least), most) for number in floats)
