"""GIF: the logo over what each frame shows. Other frames are copied byte for byte."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops

from drawing import compositing, masks, palette
from drawing.animation import (
    Change,
    Marking,
    NeedsWholeCanvasError,
    enlarged,
    part,
    whole_canvases,
)
from drawing.placement import PixelBox
from drawing.stamp import Overlay, Stamp
from errors import ImageRejected
from formats.gif import metadata
from formats.gif.file import GRAPHIC_CONTROL, Extension, Gif, GifFrame, read

_COLOURS = 256
_GREYS = bytes(level for level in range(_COLOURS) for _ in range(3))
_HALF = 128
_DISPOSAL, _CLEAR_AFTERWARDS = 7 << 2, 2 << 2  # in a graphic control's flags


def mark_gif(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    gif = read(path)
    _check_pixels(gif, stamp)
    overlay = stamp.overlay(gif.screen)
    if overlay is None:
        for frame in gif.frames:
            frame.indices()  # raises where it is damaged
        return _written(gif, gif.frames, stamp)
    try:
        return _written(gif, _in_place(gif, overlay, stamp), stamp)
    except NeedsWholeCanvasError:
        return _written(gif, _on_whole_canvases(gif, overlay, stamp), stamp)


def _check_pixels(gif: Gif, stamp: Stamp) -> None:
    """A frame may be larger than the screen, whose size was checked before."""
    each = [across * down for across, down in (frame.size for frame in gif.frames)]
    # Some viewers enlarge the canvas to hold every frame.
    right = max((frame.box[2] for frame in gif.frames), default=0)
    bottom = max((frame.box[3] for frame in gif.frames), default=0)
    if right * bottom > stamp.options.max_pixels:
        detail = "Its pictures reach farther than MAX_MEGAPIXELS allows."
        raise ImageRejected("too_many_pixels", detail)
    if sum(each) > stamp.options.max_total_pixels:
        detail = "Its pictures have more pixels than MAX_TOTAL_MEGAPIXELS allows."
        raise ImageRejected("too_many_pixels", detail)


def _written(gif: Gif, frames: Iterable[GifFrame], stamp: Stamp) -> bytes:
    """The file with these frames instead of its own."""
    pieces = [gif.header]
    control_at = None
    following = iter(frames)
    for block in gif.blocks:
        if isinstance(block, Extension):
            if block.label == GRAPHIC_CONTROL:
                control_at = len(pieces)
            pieces.append(metadata.kept(block, stamp.options.metadata))
            continue
        frame = next(following)
        if frame.control != block.control:
            if control_at is None:
                pieces[0] = b"GIF89a" + gif.header[6:]  # the first version that has controls
                control_at = len(pieces)
                pieces.append(b"")
            pieces[control_at] = frame.control.to_bytes()
        pieces.append(frame.to_bytes())
        control_at = None
    return b"".join([*pieces, gif.rest])


def _in_place(gif: Gif, overlay: Overlay, stamp: Stamp) -> Iterator[GifFrame]:
    """Only what must change is drawn on the frames. Raises NeedsWholeCanvasError."""
    mark = partial(_mark, stamp, overlay)
    marking = Marking(gif.screen, overlay.box, mark, blends_all=True)
    for frame in gif.frames:
        image = _image(frame, gif)
        change = marking.change(frame.on_canvas, part(image, frame.box, overlay.box))
        yield frame if change is None else _changed(frame, gif, image, change)


def _mark(stamp: Stamp, overlay: Overlay, area: Image.Image) -> None:
    """The logo over an area of the canvas, whose pixels are opaque or transparent."""
    before = area.copy()
    compositing.composite(area, overlay.logo, (0, 0))
    area.putalpha(masks.of_alpha(area, _HALF))
    stamp.compare(before, area)


def _image(frame: GifFrame, gif: Gif) -> Image.Image:
    """The decoded frame, of mode P with its palette."""
    image = frame.indices()
    image.putpalette(_table(frame, gif))
    if frame.control.transparent is not None:
        image.info["transparency"] = frame.control.transparent
    return image


def _table(frame: GifFrame, gif: Gif) -> bytes:
    """Greys where there is no table, as in Pillow."""
    return frame.table or gif.table or _GREYS


def _changed(frame: GifFrame, gif: Gif, image: Image.Image, change: Change) -> GifFrame:
    """The frame with its change, in its colours and in new ones where entries are unused."""
    table = _table(frame, gif)
    is_grey = _GREYS.startswith(table)  # Pillow opens such a frame in mode L
    if is_grey:
        image.putpalette(_GREYS)  # so that every grey can be used, and no other colour
    larger = image if change.box == frame.box else _enlarged(frame, image, change.box)
    colours = change.pixels.convert("RGB")
    palette.draw(larger, colours, change.mask, change.corner, 0 if is_grey else _COLOURS)
    drawn = _padded(bytes(larger.getpalette("RGB") or []), len(table))
    own = frame.table if drawn == table else drawn
    control = replace(frame.control, transparent=larger.info.get("transparency"))
    return replace(frame.redrawn(larger, own), box=change.box, control=control)


def _enlarged(frame: GifFrame, image: Image.Image, box: PixelBox) -> Image.Image:
    """The frame with transparent pixels around it. Raises NeedsWholeCanvasError."""
    transparent = frame.control.transparent
    if transparent is None:
        unused = (index for index, count in enumerate(image.histogram()) if not count)
        transparent = next(unused, None)
    if transparent is None:
        raise NeedsWholeCanvasError
    larger = enlarged(image, frame.box, box, transparent)
    larger.putpalette(image.getpalette("RGB") or [])
    larger.info["transparency"] = transparent
    return larger


def _padded(table: bytes, least: int) -> bytes:
    """The table with a power of two of entries, two at least."""
    entries = max(len(table), least) // 3
    return table.ljust(3 << max(1, (entries - 1).bit_length()), b"\0")


def _on_whole_canvases(gif: Gif, overlay: Overlay, stamp: Stamp) -> Iterator[GifFrame]:
    """Each frame is replaced by the whole canvas at its time: it looks the same, but is larger."""
    images = ((frame.on_canvas, _image(frame, gif)) for frame in gif.frames)
    canvases = whole_canvases(gif.screen, overlay.box, partial(_mark, stamp, overlay), images)
    for frame, canvas in zip(gif.frames, canvases, strict=True):
        yield _with_canvas(frame, canvas, stamp)


def _with_canvas(frame: GifFrame, canvas: Image.Image, stamp: Stamp) -> GifFrame:
    visible = canvas.getchannel("A")
    flat = Image.new("RGB", canvas.size)
    flat.paste(canvas, mask=visible)
    indices = flat.quantize(_COLOURS - 1, dither=Image.Dither.NONE)
    if ImageChops.difference(indices.convert("RGB"), flat).getbbox():
        stamp.note("A frame shows more colours than a GIF palette holds; the nearest were taken.")
    table = _padded(bytes(indices.getpalette("RGB") or []), 3 * _COLOURS)
    indices.paste(_COLOURS - 1, mask=ImageChops.invert(visible))
    flags = frame.control.flags & ~_DISPOSAL | _CLEAR_AFTERWARDS
    control = replace(frame.control, flags=flags, transparent=_COLOURS - 1)
    return replace(frame.redrawn(indices, table), box=(0, 0, *canvas.size), control=control)
