"""Animated PNG: the logo over what each frame shows. Other frames are copied byte for byte."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops

from drawing import compositing, palette
from drawing.animation import (
    Box,
    Change,
    Mark,
    Marking,
    NeedsWholeCanvasError,
    part,
    size_of,
    whole_canvases,
)
from drawing.compositing import Profile
from drawing.stamp import Overlay, Stamp
from formats.png import animation_file, animation_picture, chunks, colour_space
from formats.png.animation_file import Apng, Picture
from formats.png.animation_picture import Coding

_HALF, _OPAQUE = 128, 255
_COLOURS = 256
_SAMPLES = 16  # of frames, to see which colours the logo takes over them


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    source = path.read_bytes()
    apng = animation_file.read(source)
    parts = chunks.read(source)
    overlay = stamp.overlay(apng.header.size, chunks.orientation(parts))
    if overlay is not None:
        profile = colour_space.profile(parts, image.info.get("icc_profile"))
        try:
            apng = _in_place(apng, overlay, profile, stamp)
        except NeedsWholeCanvasError:
            apng = _on_whole_canvases(apng, overlay, profile, stamp)
    return chunks.carried(source, apng.to_bytes(), stamp)


def _in_place(apng: Apng, overlay: Overlay, profile: Profile | None, stamp: Stamp) -> Apng:
    """Each picture with what it must draw; all else as it was. Raises NeedsWholeCanvasError."""
    coding = Coding.of(apng)
    mark = partial(_mark, stamp, overlay, profile, coding)
    if coding.mode == "P":
        coding = _with_room(apng, coding, overlay.box, mark)
    is_recoded = apng.header.depth != 8 or apng.header.interlace != 0
    pixels = sum(across * down for across, down in (picture.size for picture in apng.pictures))
    pictures = []
    for picture, image, change in _changes(apng, overlay.box, mark):
        box = picture.frame.box
        if change is not None:
            drawn = animation_picture.changed(picture, image, change, coding)
            redrawn = picture.redrawn(change.box, animation_picture.encoded(drawn, pixels))
            picture = redrawn if change.blended else redrawn.replacing()
        elif is_recoded:
            picture = picture.redrawn(box, animation_picture.encoded(image, pixels))
        pictures.append(picture)
    return _written(apng, pictures, coding, stamp)


def _changes(
    apng: Apng, area: Box, mark: Mark
) -> Iterator[tuple[Picture, Image.Image, Change | None]]:
    """Each picture, decoded, with what it must draw. Raises NeedsWholeCanvasError."""
    size = apng.header.size
    marking = Marking(size, area, mark)
    for picture in apng.pictures:
        image = animation_picture.decoded(apng, picture)
        # What only viewers of still images show is no part of the animation.
        player = Marking(size, area, mark) if picture.control is None else marking
        yield picture, image, player.change(picture.frame, part(image, picture.frame.box, area))


def _mark(
    stamp: Stamp, overlay: Overlay, profile: Profile | None, coding: Coding, area: Image.Image
) -> None:
    """The logo over an RGBA area, in colours and alphas that the coding has."""
    before = area.copy()
    compositing.composite(area, overlay.logo, (0, 0), profile)
    stamp.compare(before, area)
    if coding.mode in ("RGBA", "LA") or not coding.transparency:
        return
    # A pixel becomes opaque or stays as it was.
    drawn = overlay.logo.getchannel("A").point(lambda alpha: _OPAQUE * (alpha > 0))
    drawn.paste(0, mask=area.getchannel("A").point(lambda alpha: _OPAQUE * (alpha < _HALF)))
    area.putalpha(_OPAQUE)
    before.paste(area, mask=drawn)
    area.paste(before)


def _with_room(apng: Apng, coding: Coding, area: Box, mark: Mark) -> Coding:
    """The coding with colours of the logo in entries of the palette that no picture uses."""
    histogram = [0] * _COLOURS
    changes: list[Change] = []
    every = -(-len(apng.pictures) // _SAMPLES)
    for number, (_, image, change) in enumerate(_changes(apng, area, mark)):
        histogram = [sum(counts) for counts in zip(histogram, image.histogram(), strict=True)]
        if change and (number % every == 0 or not changes):
            changes.append(change)
    if not changes:
        return coding
    sample = _sample([index for index, count in enumerate(histogram) if count], area, changes)
    sample.putpalette(coding.table)
    sample.info["transparency"] = coding.alphas
    wanted, drawn = Image.new("RGB", sample.size), Image.new("L", sample.size)
    for row, change in enumerate(changes):
        at = (0, 1 + row * (area[3] - area[1]))
        wanted.paste(change.pixels.convert("RGB"), at)
        drawn.paste(ImageChops.darker(change.mask, animation_picture.opaque(change.pixels)), at)
    palette.draw(sample, wanted, drawn, (0, 0), _COLOURS)
    alphas: bytes = sample.info["transparency"] if coding.alphas else b""
    alphas = alphas.ljust(len(coding.alphas), b"\xff")
    return Coding("P", bytes(sample.getpalette("RGB") or []), alphas)


def _sample(used: list[int], area: Box, changes: list[Change]) -> Image.Image:
    """A picture that uses these entries, in its first row, with room for the changes below."""
    width, height = size_of(area)
    sample = Image.new("P", (max(_COLOURS, width), 1 + len(changes) * height), used[0])
    for column, index in enumerate(used):
        sample.putpixel((column, 0), index)
    return sample


def _on_whole_canvases(apng: Apng, overlay: Overlay, profile: Profile | None, stamp: Stamp) -> Apng:
    """Each picture replaced by all that is shown while it is: the same to the eye, only larger."""
    coding = Coding.of(apng)
    if coding.mode not in ("RGBA", "LA"):
        stamp.note("Its pixels have an alpha channel now, which their kind of PNG cannot have.")
        coding = Coding("LA" if coding.mode == "L" else "RGBA")
    mark = partial(_mark, stamp, overlay, profile, coding)
    size = apng.header.size
    pixels = len(apng.pictures) * size[0] * size[1]
    pictures = []
    frames = [picture for picture in apng.pictures if picture.control]
    for film in ([picture for picture in apng.pictures if not picture.control], frames):
        decoded = ((picture.frame, animation_picture.decoded(apng, picture)) for picture in film)
        shown = whole_canvases(size, overlay.box, mark, decoded)
        for picture, canvas in zip(film, shown, strict=True):
            data = animation_picture.encoded(animation_picture.coloured(canvas, coding), pixels)
            pictures.append(picture.redrawn((0, 0, *size), data).replacing(keeps=True))
    return _written(apng, pictures, coding, stamp)


def _written(apng: Apng, pictures: list[Picture], coding: Coding, stamp: Stamp) -> Apng:
    if apng.header.depth > 8:
        stamp.note("The animation had 16 bits a sample and has 8 now.")
    header = coding.header(apng.header)
    return Apng(header, coding.table, coding.transparency, apng.control, pictures)
