"""The logo on samples of more than a byte, several channels of them: Pillow's modes end there."""

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
    STRAIGHT = 1  # colours as they are, however transparent (PNG; TIFF's unassociated)
    PREMULTIPLIED = 2  # colours times alpha (TIFF's associated)


class Pixels(NamedTuple):
    """mode names the colours, which stand first: L, RGB or CMYK. Then alpha, and whatever else."""

    mode: str
    channels: int
    alpha: Alpha | None
    black: float
    white: float


def put_on(samples: array[Any], kind: Pixels, logo: Image.Image, profile: Profile | None) -> None:
    """Put an RGBA logo over samples of the same size, in place."""
    inks = compositing.inks(logo, kind.mode, profile)
    cover = logo.getchannel("A")
    planes = [_plane(samples, number, kind, logo.size) for number in range(len(inks))]
    under = None
    if kind.alpha is not None:
        under = _plane(samples, len(inks), kind, logo.size)
    straight = under if kind.alpha is Alpha.STRAIGHT else None
    blended = [
        _blended(plane, ink, cover, kind, straight) for plane, ink in zip(planes, inks, strict=True)
    ]
    if under is not None:
        opaque = Image.new("L", logo.size, 255)
        blended.append(_blended(under, opaque, cover, kind, None))
    covered = cover.tobytes()
    for number, plane in enumerate(blended):
        there = samples[number :: kind.channels]
        new = _numbers(plane, samples.typecode)
        pixels = zip(covered, new, there, strict=True)
        samples[number :: kind.channels] = array(
            samples.typecode, [drawn if by else old for by, drawn, old in pixels]
        )


def _plane(samples: array[Any], number: int, kind: Pixels, size: tuple[int, int]) -> Image.Image:
    floats = array("f", samples[number :: kind.channels])
    return Image.frombytes("F", size, floats.tobytes())


def _blended(
    plane: Image.Image,
    ink: Image.Image,
    cover: Image.Image,
    kind: Pixels,
    under: Image.Image | None,
) -> Image.Image:
    """Ink over a plane, whose own alpha, if it is straight, is under."""
    black, scale = kind.black, (kind.white - kind.black) / 255
    inked = ImageMath.lambda_eval(lambda of: of["ink"] * scale + black, ink=ink.convert("F"))
    weight = ImageMath.lambda_eval(lambda of: of["cover"] / 255, cover=cover.convert("F"))
    if under is not None:  # what shows through counts as much as it is there
        there = ImageMath.lambda_eval(
            lambda of: of["under"] / kind.white * (1 - of["cover"]), under=under, cover=weight
        )
        weight = ImageMath.lambda_eval(
            lambda of: of["cover"] / of["max"](of["cover"] + of["there"], 1e-9),
            cover=weight,
            there=there,
        )
    blended: Image.Image = ImageMath.lambda_eval(
        lambda of: of["plane"] + (of["ink"] - of["plane"]) * of["weight"],
        plane=plane,
        ink=inked,
        weight=weight,
    )
    return blended


def _numbers(plane: Image.Image, typecode: str) -> Iterator[float]:
    """Rounded where they are whole; 32 bits are more than a float holds exactly."""
    floats = array("f", plane.tobytes())
    if typecode in "fd":
        return iter(floats)
    least, most = _LIMITS[typecode]
    return (min(max(round(number), least), most) for number in floats)
