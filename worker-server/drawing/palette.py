"""The logo on images of a palette: the nearest of their colours, and the entries nobody uses."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from PIL import Image

Colour = tuple[int, int, int]
_OPAQUE = 255
_HALF = 128  # an alpha from here on is opaque where a pixel can be only that or nothing
FEW = 16  # levels or colours: half a logo may vanish among them


def composite(image: Image.Image, logo: Image.Image, corner: tuple[int, int], colours: int) -> None:
    """Put the RGBA logo over a P or PA image in place, its top left at corner.

    colours is how many entries the image's palette may have. Those that pixels use stay.
    """
    if max(colours, len(_entries(image))) > FEW:
        _composite(image, logo, corner, colours, Image.Dither.NONE)
        return
    box = (*corner, corner[0] + logo.width, corner[1] + logo.height)
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
    left, top = corner
    under = image.crop((left, top, left + logo.width, top + logo.height))
    shown = under.convert("RGBA")
    shown.alpha_composite(logo)
    drawn = logo.getchannel("A").point(lambda alpha: _OPAQUE * (alpha > 0))
    invisible = shown.getchannel("A").point(lambda alpha: _OPAQUE * (alpha < _HALF))
    opaque = drawn.copy()
    opaque.paste(0, mask=invisible)
    if image.mode == "PA" or not _alphas(image):
        draw(image, shown.convert("RGB"), opaque, corner, colours, dither)
        return
    # An entry that is not opaque may be nearest to what the logo's edge looks like.
    entries, alphas = _with_new_colours(image, shown.convert("RGB"), opaque, colours)
    _set_palette(image, entries, alphas)
    image.paste(_nearest_translucent(shown, entries, alphas), corner, drawn)


def hardened(alpha: Image.Image) -> Image.Image:
    """A logo's alpha (L) where half a colour does not show: all or nothing, from half of its most
    on; as it is where it is less than half everywhere.
    """
    most = _most(alpha)
    if most < _HALF:
        return alpha
    return alpha.point(lambda level: _OPAQUE * (2 * level >= most))


def dithers(alpha: Image.Image) -> Sequence[Image.Dither]:
    """How to draw a logo of that alpha (L) in few colours: the nearest, and if that leaves nothing
    to see, or it is so faint, in dots.
    """
    if _most(alpha) < _HALF:
        return (Image.Dither.FLOYDSTEINBERG,)
    return (Image.Dither.NONE, Image.Dither.FLOYDSTEINBERG)


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
        indexed = Image.merge("LA", (indexed, drawn))  # where it is drawn it is opaque
        indexed = Image.frombytes("PA", indexed.size, indexed.tobytes())
    image.paste(indexed, corner, drawn)


def _with_new_colours(
    image: Image.Image, wanted: Image.Image, drawn: Image.Image, colours: int
) -> tuple[list[Colour], dict[int, int]]:
    """The palette with colours that are wanted in free entries; the alphas that are not 255."""
    entries, alphas = _entries(image), _alphas(image)
    free = _free(image, colours)
    present = {entry for index, entry in enumerate(entries) if index not in alphas}
    for index, colour in zip(free, _missing(wanted, drawn, present, len(free)), strict=False):
        entries += [(0, 0, 0)] * (index + 1 - len(entries))
        entries[index] = colour
        alphas.pop(index, None)
    return entries, alphas


def _entries(image: Image.Image) -> list[Colour]:
    flat = image.getpalette("RGB") or []
    return list(zip(flat[0::3], flat[1::3], flat[2::3], strict=True))


def _alphas(image: Image.Image) -> dict[int, int]:
    """The alpha of each entry that is not opaque: GIF has one of them, PNG a table."""
    transparency = image.info.get("transparency")
    if isinstance(transparency, bytes):
        return {index: alpha for index, alpha in enumerate(transparency) if alpha != _OPAQUE}
    return {} if transparency is None else {transparency: 0}


def _free(image: Image.Image, colours: int) -> list[int]:
    """Entries that no pixel uses. What GIF calls transparent stays that."""
    transparency = image.info.get("transparency")
    pixels = image.getchannel("P") if image.mode == "PA" else image
    return [
        index
        for index, count in enumerate(pixels.histogram()[:colours])
        if count == 0 and index != transparency
    ]


def _missing(
    wanted: Image.Image, drawn: Image.Image, present: set[Colour], room: int
) -> list[Colour]:
    """At most room colours that come near those wanted where something is drawn."""
    pixels: Iterable[Any] = zip(
        wanted.get_flattened_data(), drawn.get_flattened_data(), strict=True
    )
    missing = [colour for colour, is_drawn in pixels if is_drawn and colour not in present]
    if not missing or not room:
        return []
    distinct: list[Colour] = list(dict.fromkeys(missing))
    if len(distinct) <= room:
        return distinct
    strip = Image.new("RGB", (len(missing), 1))
    strip.putdata(missing)
    return _entries(strip.quantize(room, dither=Image.Dither.NONE))


def _nearest(wanted: Image.Image, colours: list[Colour], dither: Image.Dither) -> Image.Image:
    """For each pixel the number of the nearest of the colours, as an L image."""
    of_these = Image.new("P", (1, 1))
    of_these.putpalette([level for colour in colours for level in colour])
    numbers = bytearray(wanted.quantize(palette=of_these, dither=dither).tobytes())
    # Pillow looks only at the upper bits of a level: the colours that are there it may miss.
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
    """For each RGBA pixel the nearest entry, alpha counting: slowly, for Pillow cannot."""
    # Premultiplied: the fainter a pixel, the less its colour matters.
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
