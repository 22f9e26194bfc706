"""Animated PNG: the logo over what each frame shows. Other frames are copied byte for byte."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops

from drawing import compositing, masks, palette
from drawing.animation import (
    Change,
    Mark,
    Marking,
    NeedsWholeCanvasError,
    part,
    size_of,
    whole_canvases,
)
from drawing.compositing import Profile
from drawing.placement import PixelBox
from drawing.stamp import Overlay, Stamp
from formats.png import apng, apng_pixels, chunks, colour_space, metadata
from formats.png.apng import Apng, ApngFrame
from formats.png.apng_pixels import Coding

_HALF, _OPAQUE = 128, 255
_COLOURS = 256
_SAMPLES = 16  # frames that choose the palette's new colours


def mark_apng(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    source = chunks.read(path.read_bytes())
    animation = apng.read(source)
    overlay = stamp.overlay(animation.header.size, metadata.orientation(source))
    if overlay is not None:
        profile = colour_space.profile(source, image.info.get("icc_profile"))
        try:
            animation = _in_place(animation, overlay, profile, stamp)
        except NeedsWholeCanvasError:
            animation = _on_whole_canvases(animation, overlay, profile, stamp)
    return metadata.with_kept(animation.chunks(), source, stamp)


def _in_place(animation: Apng, overlay: Overlay, profile: Profile | None, stamp: Stamp) -> Apng:
    """Only what must change is drawn on the frames. Raises NeedsWholeCanvasError."""
    coding = Coding.of(animation)
    mark = partial(_mark, stamp, overlay, profile, coding)
    if coding.mode == "P":
        coding = _with_colours_of_logo(animation, coding, overlay.box, mark)
    is_recoded = animation.header.depth != 8 or animation.header.interlace != 0
    pixels = sum(across * down for across, down in (each.size for each in animation.frames))
    frames = []
    for frame, image, change in _changes(animation, overlay.box, mark):
        if change is not None:
            drawn = apng_pixels.changed(frame, image, change, coding)
            data = [apng_pixels.encoded(drawn, pixels)]
            frame = replace(frame, box=change.box, blended=change.blended, data=data)
        elif is_recoded:
            frame = replace(frame, data=[apng_pixels.encoded(image, pixels)])
        frames.append(frame)
    return _written(animation, frames, coding, stamp)


def _changes(
    animation: Apng, area: PixelBox, mark: Mark
) -> Iterator[tuple[ApngFrame, Image.Image, Change | None]]:
    """Each frame, its image, and what it must draw. Raises NeedsWholeCanvasError."""
    size = animation.header.size
    marking = Marking(size, area, mark)
    for frame in animation.frames:
        image = apng_pixels.decoded(animation, frame)
        player = marking if frame.delay else Marking(size, area, mark)
        yield frame, image, player.change(frame, part(image, frame.box, area))


def _mark(
    stamp: Stamp, overlay: Overlay, profile: Profile | None, coding: Coding, area: Image.Image
) -> None:
    """The logo over an RGBA area, in colours and alphas that the coding has."""
    before = area.copy()
    compositing.composite(area, overlay.logo, (0, 0), profile)
    stamp.compare(before, area)
    if coding.has_alpha or not coding.transparency:
        return
    # A pixel becomes opaque or stays as it was.
    drawn = ImageChops.darker(masks.of_alpha(overlay.logo, 1), masks.of_alpha(area, _HALF))
    area.putalpha(_OPAQUE)
    before.paste(area, mask=drawn)
    area.paste(before)


def _with_colours_of_logo(animation: Apng, coding: Coding, area: PixelBox, mark: Mark) -> Coding:
    """The coding with colours of the logo in entries of the palette that no frame uses."""
    histogram = [0] * _COLOURS
    changes: list[Change] = []
    every = -(-len(animation.frames) // _SAMPLES)
    for number, (_, image, change) in enumerate(_changes(animation, area, mark)):
        histogram = [sum(counts) for counts in zip(histogram, image.histogram(), strict=True)]
        if change and (number % every == 0 or not changes):
            changes.append(change)
    if not changes:
        return coding
    width, height = size_of(area)
    # A sample image uses the same entries in its first row, and takes the changes below it.
    used = bytes(index for index, count in enumerate(histogram) if count)
    sample = Image.new("P", (max(_COLOURS, width), 1 + len(changes) * height), used[0])
    sample.paste(Image.frombytes("P", (len(used), 1), used))
    sample.putpalette(coding.table)
    sample.info["transparency"] = coding.alphas
    wanted, drawn = Image.new("RGB", sample.size), Image.new("L", sample.size)
    for row, change in enumerate(changes):
        at = (0, 1 + row * height)
        wanted.paste(change.pixels.convert("RGB"), at)
        drawn.paste(ImageChops.darker(change.mask, masks.of_alpha(change.pixels, _OPAQUE)), at)
    palette.draw(sample, wanted, drawn, (0, 0), _COLOURS)
    alphas: bytes = sample.info["transparency"] if coding.alphas else b""
    alphas = alphas.ljust(len(coding.alphas), b"\xff")
    return Coding("P", bytes(sample.getpalette("RGB") or []), alphas)


def _on_whole_canvases(
    animation: Apng, overlay: Overlay, profile: Profile | None, stamp: Stamp
) -> Apng:
    """Each frame is replaced by the whole canvas at its time: it looks the same, but is larger."""
    coding = Coding.of(animation)
    if not coding.has_alpha:
        stamp.note("Its pixels have an alpha channel now, which their kind of PNG cannot have.")
        coding = Coding("LA" if coding.mode == "L" else "RGBA")
    mark = partial(_mark, stamp, overlay, profile, coding)
    size = animation.header.size
    pixels = len(animation.frames) * size[0] * size[1]
    frames = []
    static = [frame for frame in animation.frames if not frame.delay]
    for sequence in (static, [frame for frame in animation.frames if frame.delay]):
        decoded = ((frame, apng_pixels.decoded(animation, frame)) for frame in sequence)
        canvases = whole_canvases(size, overlay.box, mark, decoded)
        for frame, canvas in zip(sequence, canvases, strict=True):
            data = [apng_pixels.encoded(apng_pixels.coded(canvas, coding), pixels)]
            whole = ApngFrame((0, 0, *size), blended=False, delay=frame.delay, data=data)
            frames.append(whole)
    return _written(animation, frames, coding, stamp)


def _written(animation: Apng, frames: list[ApngFrame], coding: Coding, stamp: Stamp) -> Apng:
    if animation.header.depth > 8:
        stamp.note("The animation had 16 bits a sample and has 8 now.")
    header = coding.header(animation.header)
    return Apng(header, coding.table, coding.transparency, animation.control, frames)
