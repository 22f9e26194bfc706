"""A JPEG's components encoded with the tables, sampling and way of loading of their source."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import zip_longest
from typing import Any

from PIL import Image, ImageChops, ImageFile

from jpeg_decoding import Picture
from jpeg_stream import (
    APP,
    COM,
    DQT,
    FRAMES,
    SOS,
    Component,
    Frame,
    Jpeg,
    Ratio,
    Segment,
    parse,
    renamed,
    up,
)

_MAX_ENCODED = 128_000_000  # bytes; more than any upload has

# The chroma resolutions that Pillow can write, by its numbers for them.
_SUBSAMPLING = {(1, 1): 0, (2, 1): 1, (2, 2): 2}


def encoded(picture: Picture, jpeg: Jpeg, *, optimize: bool) -> list[Segment]:
    """What decoded() gave, as segments for a file with the same frame."""
    frame, tables = jpeg.frame, jpeg.quantisation()
    options = _options(jpeg, optimize=optimize)
    subsampling = _subsampling(frame.ratios)
    if subsampling is None:
        return _component_by_component(picture, frame, tables, options)
    whole = _without_surplus(picture.whole(), frame, subsampling)
    segments = _encode(whole, qtables=_distinct(tables), subsampling=subsampling, **options)
    written = Jpeg(segments, complete=True, trailer=b"").frame
    names: dict[int, list[int]] = {}
    components: list[Component] = []
    for new, old in zip(written.components, frame.components, strict=True):
        names[new.identifier] = [old.identifier]
        components.append(new._replace(identifier=old.identifier))
    header = frame._replace(marker=written.marker, components=tuple(components)).segment()
    return [
        header if s.marker in FRAMES else renamed(s, names) if s.marker == SOS else s
        for s in segments
    ]


def encoded_by_pillow(image: Image.Image, jpeg: Jpeg, *, optimize: bool) -> list[Segment]:
    """An image that Pillow decoded, with its source's tables and sampling, which Pillow has."""
    return _encode(
        image,
        qtables=_distinct(jpeg.quantisation()),
        subsampling=_subsampling(jpeg.frame.ratios),
        **_options(jpeg, optimize=optimize),
    )


def _options(jpeg: Jpeg, *, optimize: bool) -> dict[str, Any]:
    return {
        "progressive": jpeg.frame.progressive,
        "optimize": optimize,
        "restart_marker_blocks": jpeg.restart_interval(),
    }


def _distinct(tables: list[list[int]]) -> list[list[int]]:
    """Without the last ones that repeat the one before: it serves all that follow."""
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables = tables[:-1]
    return tables


def _subsampling(ratios: Sequence[Ratio]) -> int | None:
    """Pillow's number, None where it cannot write these components."""
    if len(set(ratios)) == 1:
        return 0
    first, *others = ratios
    if len(ratios) != 3 or first != (1, 1) or others[0] != others[1]:
        return None
    return _SUBSAMPLING.get(others[0])


def _without_surplus(picture: Image.Image, frame: Frame, subsampling: int) -> Image.Image:
    """The picture without blocks that only the source's way to write these ratios needs.

    4:2:2, for one, is 2x1 to 1x1 as Pillow writes it, and may have been 2x2 to 1x2.
    """
    [(across, down)] = [pair for pair, number in _SUBSAMPLING.items() if number == subsampling]
    size = up(frame.width, 8 * across), up(frame.height, 8 * down)
    if picture.width <= size[0] and picture.height <= size[1]:
        return picture
    return picture.crop((0, 0, min(size[0], picture.width), min(size[1], picture.height)))


def _component_by_component(
    picture: Picture, frame: Frame, tables: list[list[int]], options: dict[str, Any]
) -> list[Segment]:
    """Each component in scans of its own (T.81 A.2.2), as Pillow would write it alone."""
    heads: list[Segment] = []
    markers: list[int] = []
    scans: list[list[list[Segment]]] = []
    first_with = [tables.index(table) for table in tables]
    for number, band in enumerate(_bands(picture, frame)):
        scans.append([[]])
        for segment in _encode(band, qtables=[tables[number]], **options):
            if segment.marker == DQT:  # one table, its number in the first byte's low bits
                if first_with[number] == number:
                    name = segment.payload[0] & 0xF0 | number
                    heads.append(segment._replace(payload=bytes([name]) + segment.payload[1:]))
            elif segment.marker in FRAMES:
                markers.append(segment.marker)
            elif segment.marker == SOS:
                scan = renamed(segment, {1: [frame.components[number].identifier]})
                scans[-1][-1].append(scan)
                scans[-1].append([])
            else:
                scans[-1][-1].append(segment)
    components = tuple(c._replace(table=first_with[n]) for n, c in enumerate(frame.components))
    heads.append(frame._replace(marker=max(markers), components=components).segment())
    # Of a progressive picture, the first scans of all components come first.
    return heads + [s for step in zip_longest(*scans, fillvalue=[]) for scan in step for s in scan]


def _bands(picture: Picture, frame: Frame) -> Iterator[Image.Image]:
    """The components at their own resolution: the blocks that their scans have."""
    images = picture.parts if len(picture.parts) > 1 else picture.parts[0].split()
    for band, component, ratio in zip(images, frame.components, frame.ratios, strict=True):
        native = _native(band, frame, component, ratio if len(picture.parts) == 1 else (1, 1))
        yield ImageChops.invert(native) if picture.mode == "CMYK" else native


def _native(band: Image.Image, frame: Frame, component: Component, ratio: Ratio) -> Image.Image:
    """A component at its own resolution: the blocks that its scans have."""
    (across, down), (most_across, most_down) = ratio, frame.most
    width = -(-frame.width * component.across // most_across)
    height = -(-frame.height * component.down // most_down)
    room = -(-band.width // across), -(-band.height // down)
    size = min(up(width, 8), room[0]), min(up(height, 8), room[1])
    if ratio == (1, 1):
        return band if band.size == size else band.crop((0, 0, *size))
    # The middle of each output pixel falls onto the first pixel of those that repeat it.
    matrix = (across, 0, (1 - across) / 2, 0, down, (1 - down) / 2)
    return band.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def _encode(picture: Image.Image, **options: Any) -> list[Segment]:
    file = BytesIO()
    # libjpeg cannot wait for room as it writes optimised scans (Pillow issue 148).
    enough = ImageFile.MAXBLOCK
    if options["optimize"] or options["progressive"]:
        most = min(3 * picture.width * picture.height, _MAX_ENCODED)
        ImageFile.MAXBLOCK = max(enough, most)
    try:
        picture.save(file, "JPEG", **options)
    finally:
        ImageFile.MAXBLOCK = enough
    segments = parse(file.getvalue()).segments
    return [s for s in segments if s.marker not in APP and s.marker != COM]
