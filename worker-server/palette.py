"""The logo on images of a palette: the nearest of their colours, and the entries nobody uses."""

from PIL import Image

Colour = tuple[int, int, int]
_OPAQUE = 255
_HALF = 128  # an alpha from here on is opaque where a pixel can be only that or nothing


def composite(image: Image.Image, logo: Image.Image, corner: tuple[int, int], colours: int) -> None:
    """Put the RGBA logo over a P or PA image in place, its top left at corner.

    colours is how many entries the image's palette may have. Those that pixels use stay.
    """
    left, top = corner
    under = image.crop((left, top, left + logo.width, top + logo.height))
    shown = under.convert("RGBA")
    shown.alpha_composite(logo)
    drawn = logo.getchannel("A").point(lambda alpha: _OPAQUE * (alpha > 0))
    invisible = shown.getchannel("A").point(lambda alpha: _OPAQUE * (alpha < _HALF))
    drawn.paste(0, mask=invisible)
    draw(image, shown.convert("RGB"), drawn, corner, colours)


def draw(
    image: Image.Image,
    wanted: Image.Image,
    drawn: Image.Image,
    corner: tuple[int, int],
    colours: int,
) -> None:
    """Give a P or PA image these RGB pixels at corner, where drawn (L) is 255."""
    entries, alphas = _entries(image), _alphas(image)
    free = _free(image, colours)
    for index, colour in zip(free, _missing(wanted, drawn, entries, len(free)), strict=False):
        entries += [(0, 0, 0)] * (index + 1 - len(entries))
        entries[index] = colour
        alphas.pop(index, None)
    usable = [index for index in range(len(entries)) if alphas.get(index, _OPAQUE) == _OPAQUE]
    if not usable or drawn.getbbox() is None:
        return
    nearest = _nearest(wanted, [entries[index] for index in usable])
    indexed = nearest.point(usable + [0] * (256 - len(usable)))

    _set_palette(image, entries, alphas)
    if image.mode == "PA":
        indexed = Image.merge("LA", (indexed, drawn))  # where it is drawn it is opaque
        indexed = Image.frombytes("PA", indexed.size, indexed.tobytes())
    image.paste(indexed, corner, drawn)


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
    wanted: Image.Image, drawn: Image.Image, entries: list[Colour], room: int
) -> list[Colour]:
    """At most room colours that come near those wanted where something is drawn."""
    present = set(entries)
    pixels = zip(wanted.get_flattened_data(), drawn.get_flattened_data(), strict=True)
    missing = [colour for colour, is_drawn in pixels if is_drawn and colour not in present]
    if not missing or not room:
        return []
    strip = Image.new("RGB", (len(missing), 1))
    strip.putdata(missing)
    return _entries(strip.quantize(room, dither=Image.Dither.NONE))


def _nearest(wanted: Image.Image, colours: list[Colour]) -> Image.Image:
    """For each pixel the number of the nearest of the colours, as an L image."""
    of_these = Image.new("P", (1, 1))
    of_these.putpalette([level for colour in colours for level in colour])
    numbers = wanted.quantize(palette=of_these, dither=Image.Dither.NONE)
    return Image.frombytes("L", numbers.size, numbers.tobytes())


def _set_palette(image: Image.Image, entries: list[Colour], alphas: dict[int, int]) -> None:
    image.putpalette([level for colour in entries for level in colour])
    if isinstance(image.info.get("transparency"), bytes):
        last = max(alphas, default=-1)
        table = bytes(alphas.get(index, _OPAQUE) for index in range(last + 1))
        image.info["transparency"] = table or bytes([_OPAQUE])
