"""The logo on images with a palette: in new colours where entries are unused, else the nearest."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from PIL import Image, ImageChops

from drawing import masks, placement

Colour = tuple[int, int, int]
_OPAQUE = 255
_HALF = 128  # the least alpha that counts as opaque where a pixel is opaque or transparent
FEW = 16  # with so few levels or colours, half of a logo may become invisible


def composite(image: Image.Image, logo: Image.Image, corner: tuple[int, int], colours: int) -> None:
    """Put the RGBA logo over a P or PA image in place, its top left at corner.

    colours is the number of entries that the palette may have. Used entries are kept.
    """
    if max(colours, len(_entries(image))) > FEW:
        _composite(image, logo, corner, colours, Image.Dither.NONE)
        return
    box = placement.box_at(corner, logo.size)
    logo, under = logo.copy(), image.crop(box).tobytes()
    logo.putalpha(hardened(logo.getchannel("A")))
    for dither in dithers(logo.getchannel("A")):
        _composite(image, logo, corner, colours, dither)
        if image.crop(box).tobytes() != under:
            return


def _composite(
    image: Image.Image,
    logo: Image.Image,
    corner: tuple[int, int],
    colours: int,
    dither: Image.Dither,
) -> None:
    shown = image.crop(placement.box_at(corner, logo.size)).convert("RGBA")
    shown.alpha_composite(logo)
    drawn = masks.of_alpha(logo, 1)
    opaque = ImageChops.darker(drawn, masks.of_alpha(shown, _HALF))
    if image.mode == "PA" or not _alphas(image):
        draw(image, shown.convert("RGB"), opaque, corner, colours, dither)
        return
    # A translucent entry may be the nearest to the logo's edge.
    entries, alphas = _with_new_colours(image, shown.convert("RGB"), opaque, colours)
    _set_palette(image, entries, alphas)
    image.paste(_nearest_translucent(shown, entries, alphas), corner, drawn)


def hardened(alpha: Image.Image) -> Image.Image:
    """A logo's alpha (L) for few colours: opaque from half of its maximum on, else transparent.

    An alpha that is below 128 everywhere is kept.
    """
    most = _most(alpha)
    return alpha if most < _HALF else masks.from_level(alpha, -(-most // 2))


def dithers(alpha: Image.Image) -> Sequence[Image.Dither]:
    """How to draw a logo of this alpha (L) in few colours, in turn until something shows."""
    both = Image.Dither.NONE, Image.Dither.FLOYDSTEINBERG
    return both[1:] if _most(alpha) < _HALF else both


def _most(alpha: Image.Image) -> int:
    _, most = alpha.getextrema()
    return int(most)  # type: ignore[arg-type]


def draw(
    image: Image.Image,
    wanted: Image.Image,
    drawn: Image.Image,
    corner: tuple[int, int],
    colours: int,
    dither: Image.Dither = Image.Dither.NONE,
) -> None:
    """Give a P or PA image these RGB pixels at corner, where drawn (L) is 255."""
    entries, alphas = _with_new_colours(image, wanted, drawn, colours)
    usable = [index for index in range(len(entries)) if alphas.get(index, _OPAQUE) == _OPAQUE]
    if not usable or drawn.getbbox() is None:
        return
    nearest = _nearest(wanted, [entries[index] for index in usable], dither)
    indexed = nearest.point(usable + [0] * (256 - len(usable)))

    _set_palette(image, entries, alphas)
    if image.mode == "PA":
        indexed = Image.merge("LA", (indexed, drawn))  # drawn pixels are opaque
        indexed = Image.frombytes("PA", indexed.size, indexed.tobytes())
    image.paste(indexed, corner, drawn)


def _with_new_colours(
    image: Image.Image, wanted: Image.Image, drawn: Image.Image, colours: int
) -> tuple[list[Colour], dict[int, int]]:
    """The palette with wanted colours in unused entries, and its alphas that are not 255."""
    entries, alphas = _entries(image), _alphas(image)
    unused = _unused(image, colours)
    present = {entry for index, entry in enumerate(entries) if index not in alphas}
    for index, colour in zip(unused, _missing(wanted, drawn, present, len(unused)), strict=False):
        entries += [(0, 0, 0)] * (index + 1 - len(entries))
        entries[index] = colour
        alphas.pop(index, None)
    return entries, alphas


def _entries(image: Image.Image) -> list[Colour]:
    flat = image.getpalette("RGB") or []
    return list(zip(flat[0::3], flat[1::3], flat[2::3], strict=True))


def _alphas(image: Image.Image) -> dict[int, int]:
    """The alpha of each entry that is not opaque: GIF has one such entry, PNG a table."""
    transparency = image.info.get("transparency")
    if isinstance(transparency, bytes):
        return {index: alpha for index, alpha in enumerate(transparency) if alpha != _OPAQUE}
    return {} if transparency is None else {transparency: 0}


def _unused(image: Image.Image, colours: int) -> list[int]:
    """The entries that no pixel uses, but for GIF's transparent one."""
    transparency = image.info.get("transparency")
    pixels = image.getchannel("P") if image.mode == "PA" else image
    return [
        index
        for index, count in enumerate(pixels.histogram()[:colours])
        if count == 0 and index != transparency
    ]


def _missing(
    wanted: Image.Image, drawn: Image.Image, present: set[Colour], most: int
) -> list[Colour]:
    """The wanted colours that are drawn but not present; the nearest to them if more than most."""
    pixels: Iterable[Any] = zip(
        wanted.get_flattened_data(), drawn.get_flattened_data(), strict=True
    )
    missing = [colour for colour, is_drawn in pixels if is_drawn and colour not in present]
    if not missing or not most:
        return []
    distinct: list[Colour] = list(dict.fromkeys(missing))
    if len(distinct) <= most:
        return distinct
    strip = Image.new("RGB", (len(missing), 1))
    strip.putdata(missing)
    return _entries(strip.quantize(most, dither=Image.Dither.NONE))


def _nearest(wanted: Image.Image, colours: list[Colour], dither: Image.Dither) -> Image.Image:
    """For each pixel the number of the nearest colour, as an L image."""
    table = Image.new("P", (1, 1))
    table.putpalette([level for colour in colours for level in colour])
    numbers = bytearray(wanted.quantize(palette=table, dither=dither).tobytes())
    # Pillow compares only the upper bits of a level, and so may miss colours that are present.
    exact = {colour: number for number, colour in reversed(list(enumerate(colours)))}
    pixels: Sequence[Any] = wanted.get_flattened_data()
    for place, colour in enumerate(pixels):
        number = exact.get(colour)
        if number is not None:
            numbers[place] = number
    return Image.frombytes("L", wanted.size, bytes(numbers))


def _nearest_translucent(
    shown: Image.Image, entries: list[Colour], alphas: dict[int, int]
) -> Image.Image:
    """For each RGBA pixel the number of the nearest entry, alpha included, as an L image.

    It is slow, but Pillow has nothing like it.
    """
    # Colours are multiplied by alpha: the fainter a pixel, the less its colour counts.
    levels = [(entry, alphas.get(index, _OPAQUE)) for index, entry in enumerate(entries)]
    known = [(r * a, g * a, b * a, _OPAQUE * a) for (r, g, b), a in levels]

    @cache
    def nearest(pixel: tuple[int, int, int, int]) -> int:
        r, g, b, a = pixel
        distances = [math.dist((r * a, g * a, b * a, _OPAQUE * a), entry) for entry in known]
        return distances.index(min(distances))

    pixels: Sequence[Any] = shown.get_flattened_data()
    numbers = bytes(map(nearest, pixels))
    return Image.frombytes("L", shown.size, numbers)


def _set_palette(image: Image.Image, entries: list[Colour], alphas: dict[int, int]) -> None:
    image.putpalette([level for colour in entries for level in colour])
    if isinstance(image.info.get("transparency"), bytes):
        last = max(alphas, default=-1)
        table = bytes(alphas.get(index, _OPAQUE) for index in range(last + 1))
        image.info["transparency"] = table or bytes([_OPAQUE])
