"""WebP, still and animated: the logo on its pictures; all other chunks are copied (RFC 9649)."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from drawing import compositing
from drawing.animation import (
    Frame,
    Mark,
    Marking,
    NeedsWholeCanvasError,
    overlap,
    part,
    redrawn,
    size_of,
    whole_canvases,
)
from drawing.placement import PixelBox
from drawing.stamp import Overlay, Stamp
from formats.webp import riff
from formats.webp.picture import BITSTREAM, decoded, has_alpha, load, reencoded
from formats.webp.riff import ALPHA, EXIF, XMP, AnmfFrame, Chunk, Webp
from metadata import filters
from options import Metadata

_GRID = 2  # ANMF stores half of a frame's left and top
_NOTHING = Image.new("RGBA", (0, 0))
_NO_METADATA = (b"VP8X", b"ICCP", b"ANIM", b"ANMF", *BITSTREAM)
_FILTERS = {b"EXIF": filters.exif, b"XMP ": filters.xmp}


def mark_webp(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    webp = riff.parsed(path.read_bytes())
    orientation = filters.orientation(webp.first(b"EXIF") or b"")
    if webp.first(b"ANMF") is None:
        chunks = _still(webp, image, stamp, orientation)
    else:
        chunks = _animation(webp, stamp, orientation)
    policy = stamp.options.metadata
    chunks = [kept for chunk in chunks if (kept := _filtered(chunk, policy))]
    return Webp(_with_flags(chunks), webp.rest if policy is Metadata.KEEP else b"").to_bytes()


def _still(webp: Webp, image: Image.Image, stamp: Stamp, orientation: int) -> list[Chunk]:
    load(image)
    if stamp.mark(image, orientation, webp.first(b"ICCP")) is None:
        return webp.chunks
    pixels = image.width * image.height
    return reencoded(image, webp.chunks, stamp.options, pixels)


def _animation(webp: Webp, stamp: Stamp, orientation: int) -> list[Chunk]:
    canvas = riff.canvas_size(webp)
    overlay = stamp.overlay(canvas, orientation)
    frames = [riff.anmf_frame(chunk.data) for chunk in webp.chunks if chunk.name == b"ANMF"]
    if overlay is None:
        return webp.chunks
    mark = partial(_mark, stamp, overlay, webp.first(b"ICCP"))
    try:
        drawn = list(_in_place(frames, canvas, overlay.box, mark, stamp))
    except NeedsWholeCanvasError:
        drawn = list(_on_whole_canvases(frames, canvas, overlay.box, mark, stamp))
    following = iter(drawn)
    return [next(following).to_chunk() if chunk.name == b"ANMF" else chunk for chunk in webp.chunks]


def _mark(stamp: Stamp, overlay: Overlay, profile: bytes | None, area: Image.Image) -> None:
    before = area.copy()
    compositing.composite(area, overlay.logo, (0, 0), profile)
    stamp.compare(before, area)


def _in_place(
    frames: list[AnmfFrame], size: tuple[int, int], area: PixelBox, mark: Mark, stamp: Stamp
) -> Iterator[AnmfFrame]:
    """The frames, those that draw in the area changed. Raises NeedsWholeCanvasError."""
    marking = Marking(size, area, mark, grid=_GRID)
    pixels = sum(across * down for across, down in (size_of(each.frame.box) for each in frames))
    for each in frames:
        box = each.frame.box
        picture = _picture(each) if overlap(box, area) else None
        inside = part(picture, box, area) if picture else _NOTHING
        change = marking.change(each.frame, inside)
        if change is None:
            yield each
            continue
        larger = redrawn(picture or _picture(each), box, change)
        chunks = reencoded(larger, each.chunks, stamp.options, pixels)
        flags = each.flags if change.blended else riff.replacing(each.flags)
        yield each._replace(frame=Frame(change.box), flags=flags, chunks=chunks)


def _on_whole_canvases(
    frames: list[AnmfFrame], size: tuple[int, int], area: PixelBox, mark: Mark, stamp: Stamp
) -> Iterator[AnmfFrame]:
    """Each frame replaced by the whole canvas at its time: it looks the same, but is larger."""
    pixels = len(frames) * size[0] * size[1]
    shown = whole_canvases(size, area, mark, ((each.frame, _picture(each)) for each in frames))
    for each, canvas in zip(frames, shown, strict=True):
        chunks = reencoded(canvas, each.chunks, stamp.options, pixels)
        flags = riff.replacing(each.flags, keeps=True)
        yield each._replace(frame=Frame((0, 0, *size)), flags=flags, chunks=chunks)


def _picture(each: AnmfFrame) -> Image.Image:
    return decoded(each.chunks, size_of(each.frame.box))


def _filtered(chunk: Chunk, policy: Metadata) -> Chunk | None:
    """What the METADATA setting leaves of a chunk."""
    if chunk.name in _FILTERS:
        kept = _FILTERS[chunk.name](chunk.data, policy)
        return Chunk(chunk.name, kept) if kept else None
    return chunk if policy is not Metadata.STRIP or chunk.name in _NO_METADATA else None


def _with_flags(chunks: list[Chunk]) -> list[Chunk]:
    """The chunks with the flags in VP8X, if there is one, true of the other chunks."""
    names = {chunk.name for chunk in chunks}
    frames = (riff.anmf_frame(chunk.data) for chunk in chunks if chunk.name == b"ANMF")
    added = ALPHA if any(has_alpha(frame.chunks) for frame in frames) else 0
    removed = sum(flag for name, flag in ((b"EXIF", EXIF), (b"XMP ", XMP)) if name not in names)
    return [
        Chunk(name, bytes([data[0] & ~removed | added]) + data[1:] if name == b"VP8X" else data)
        for name, data in chunks
    ]
