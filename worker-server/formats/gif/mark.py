"""GIF: the logo over what each frame shows. What needs no change is copied byte for byte."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops

from drawing import compositing, palette
from drawing.animation import (
    Box,
    Change,
    Marking,
    NeedsWholeCanvasError,
    moved,
    part,
    whole_canvases,
)
from drawing.stamp import Overlay, Stamp
from errors import ImageRejected
from formats.gif import metadata
from formats.gif.file import GRAPHIC_CONTROL, Extension, Gif, Picture, read

_COLOURS = 256
_GREYS = bytes(level for level in range(_COLOURS) for _ in range(3))
_HALF, _OPAQUE = 128, 255
_DISPOSAL, _CLEAR_AFTERWARDS = 7 << 2, 2 << 2  # in a graphic control's flags


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    gif = read(path)
    _check_pixels(gif, stamp)
    overlay = stamp.overlay(gif.screen)
    if overlay is None:
        for picture in gif.pictures:
            picture.indices()  # a damaged one is refused, marked or not
        return _written(gif, gif.pictures, stamp)
    try:
        return _written(gif, _in_place(gif, overlay, stamp), stamp)
    except NeedsWholeCanvasError:
        return _written(gif, _on_whole_canvases(gif, overlay, stamp), stamp)


def _check_pixels(gif: Gif, stamp: Stamp) -> None:
    """A picture may be larger than the screen, which is what was checked."""
    each = [across * down for across, down in (picture.size for picture in gif.pictures)]
    # Some viewers let the canvas grow to wherever a picture is.
    right = max((picture.box[2] for picture in gif.pictures), default=0)
    bottom = max((picture.box[3] for picture in gif.pictures), default=0)
    if right * bottom > stamp.options.max_pixels:
        detail = "Its pictures reach farther than MAX_MEGAPIXELS allows."
        raise ImageRejected("too_many_pixels", detail)
    if sum(each) > stamp.options.max_total_pixels:
        detail = "Its pictures have more pixels than MAX_TOTAL_MEGAPIXELS allows."
        raise ImageRejected("too_many_pixels", detail)


def _written(gif: Gif, pictures: Iterable[Picture], stamp: Stamp) -> bytes:
    """The file with these pictures in the places of its own."""
    pieces = [gif.header]
    control_at = None
    following = iter(pictures)
    for block in gif.blocks:
        if isinstance(block, Extension):
            if block.label == GRAPHIC_CONTROL:
                control_at = len(pieces)
            pieces.append(metadata.kept(block, stamp.options.metadata))
            continue
        picture = next(following)
        if picture.control != block.control and control_at is None:
            pieces[0] = b"GIF89a" + gif.header[6:]  # the first version that has controls
            control_at = len(pieces)
            pieces.append(b"")
        if control_at is not None and picture.control != block.control:
            pieces[control_at] = picture.control.to_bytes()
        pieces.append(picture.to_bytes())
        control_at = None
    return b"".join([*pieces, gif.rest])


def _in_place(gif: Gif, overlay: Overlay, stamp: Stamp) -> Iterator[Picture]:
    """Each picture with what it must draw; all else as it was. Raises NeedsWholeCanvasError."""
    mark = partial(_mark, stamp, overlay)
    marking = Marking(gif.screen, overlay.box, mark, blends_all=True)
    for picture in gif.pictures:
        image = _image(picture, gif)
        change = marking.change(picture.frame, part(image, picture.box, overlay.box))
        yield picture if change is None else _changed(picture, gif, image, change)


def _mark(stamp: Stamp, overlay: Overlay, area: Image.Image) -> None:
    """The logo over an area of the canvas, whose pixels are opaque or transparent."""
    before = area.copy()
    compositing.composite(area, overlay.logo, (0, 0))
    area.putalpha(area.getchannel("A").point(lambda alpha: _OPAQUE * (alpha >= _HALF)))
    stamp.compare(before, area)


def _image(picture: Picture, gif: Gif) -> Image.Image:
    """The decoded picture with its colours, mode P."""
    image = picture.indices()
    image.putpalette(_table(picture, gif))
    if picture.control.transparent is not None:
        image.info["transparency"] = picture.control.transparent
    return image


def _table(picture: Picture, gif: Gif) -> bytes:
    """Greys where there is no table, as in Pillow."""
    return picture.table or gif.table or _GREYS


def _is_grey(table: bytes) -> bool:
    """Whether each entry is the grey of its number; Pillow knows such pictures as mode L."""
    return _GREYS.startswith(table)


def _changed(picture: Picture, gif: Gif, image: Image.Image, change: Change) -> Picture:
    """The picture with that drawn on it, in its colours and in entries that it does not use."""
    table = _table(picture, gif)
    is_grey = _is_grey(table)
    if is_grey:
        image.putpalette(_GREYS)  # it may use them all, and stays without any other colour
    larger = image if change.box == picture.box else _grown(picture, image, change.box)
    colours = change.pixels.convert("RGB")
    palette.draw(larger, colours, change.mask, change.corner, 0 if is_grey else _COLOURS)
    drawn = _padded(bytes(larger.getpalette("RGB") or []), len(table))
    own = picture.table if drawn == table else drawn
    control = replace(picture.control, transparent=larger.info.get("transparency"))
    return replace(picture.redrawn(larger, own), box=change.box, control=control)


def _grown(picture: Picture, image: Image.Image, box: Box) -> Image.Image:
    """The picture with transparent pixels around it. Raises NeedsWholeCanvasError."""
    nothing = picture.control.transparent
    if nothing is None:
        nothing = next((index for index, count in enumerate(image.histogram()) if not count), None)
    if nothing is None:
        raise NeedsWholeCanvasError
    larger = Image.new("P", (box[2] - box[0], box[3] - box[1]), nothing)
    larger.putpalette(image.getpalette("RGB") or [])
    larger.info["transparency"] = nothing
    larger.paste(image, moved(picture.box, box[:2]))
    return larger


def _padded(table: bytes, least: int) -> bytes:
    """A table has a power of two of entries, two at least."""
    entries = max(len(table), least) // 3
    return table.ljust(3 << max(1, (entries - 1).bit_length()), b"\0")


def _on_whole_canvases(gif: Gif, overlay: Overlay, stamp: Stamp) -> Iterator[Picture]:
    """Each picture replaced by all that is shown while it is: the same to the eye, only larger."""
    frames = ((picture.frame, _image(picture, gif)) for picture in gif.pictures)
    shown = whole_canvases(gif.screen, overlay.box, partial(_mark, stamp, overlay), frames)
    for picture, canvas in zip(gif.pictures, shown, strict=True):
        yield _whole(picture, canvas, stamp)


def _whole(picture: Picture, shown: Image.Image, stamp: Stamp) -> Picture:
    visible = shown.getchannel("A")
    flat = Image.new("RGB", shown.size)
    flat.paste(shown, mask=visible)
    indices = flat.quantize(_COLOURS - 1, dither=Image.Dither.NONE)
    if ImageChops.difference(indices.convert("RGB"), flat).getbbox():
        stamp.note("A frame shows more colours than a GIF palette holds; the nearest were taken.")
    table = _padded(bytes(indices.getpalette("RGB") or []), 3 * _COLOURS)
    indices.paste(_COLOURS - 1, mask=visible.point(lambda alpha: _OPAQUE - alpha))
    control = replace(picture.control, transparent=_COLOURS - 1)
    flags = control.flags & ~_DISPOSAL | _CLEAR_AFTERWARDS
    control = replace(control, flags=flags)
    return replace(picture.redrawn(indices, table), box=(0, 0, *shown.size), control=control)
