"""Animated PNG: the logo over what each frame shows. Other frames are copied byte for byte."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

import apng_file
import apng_picture
import compositing
import palette
import png_chunks
from animation import (
    Box,
    Change,
    Mark,
    Marking,
    NeedsWholeCanvasError,
    part,
    whole_canvases,
)
from apng_file import Apng, Picture
from apng_picture import Coding
from png_chunks import Chunk
from stamp import Overlay, Stamp

_HALF, _OPAQUE = 128, 255
_COLOURS = 256
_DESCRIBED = (b"IHDR", b"PLTE", b"tRNS")
_OF_OTHER_SAMPLES = (b"bKGD", b"sBIT", b"hIST")  # they tell of samples as they were


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    apng = apng_file.read(path)
    size = apng.header.width, apng.header.height
    overlay = stamp.overlay(size, png_chunks.orientation(apng.others))
    if overlay is not None:
        profile = image.info.get("icc_profile")
        try:
            apng = _in_place(apng, overlay, profile, stamp)
        except NeedsWholeCanvasError:
            apng = _on_whole_canvases(apng, overlay, profile, stamp)
    return png_chunks.join(png_chunks.kept(apng.all_chunks(), stamp.options.metadata))


def _in_place(apng: Apng, overlay: Overlay, profile: bytes | None, stamp: Stamp) -> Apng:
    """Each picture with what it must draw; all else as it was. Raises NeedsWholeCanvasError."""
    coding = Coding.of(apng)
    mark = partial(_mark, overlay, profile, coding)
    if coding.mode == "P":
        coding = _with_room(apng, coding, overlay.box, mark)
    is_recoded = apng.header.depth != 8 or apng.header.interlace != 0
    pixels = sum(across * down for across, down in (picture.size for picture in apng.pictures))
    pictures = []
    for picture, image, change in _changes(apng, overlay.box, mark):
        box = picture.frame.box
        if change is not None:
            drawn = apng_picture.changed(picture, image, change, coding)
            picture = picture.redrawn(change.box, apng_picture.encoded(drawn, pixels))
        elif is_recoded:
            picture = picture.redrawn(box, apng_picture.encoded(image, pixels))
        pictures.append(picture)
    return _described(apng.with_pictures(pictures), coding, stamp)


def _changes(
    apng: Apng, area: Box, mark: Mark
) -> Iterator[tuple[Picture, Image.Image, Change | None]]:
    """Each picture, decoded, with what it must draw. Raises NeedsWholeCanvasError."""
    marking = Marking(area, mark)
    for picture in apng.pictures:
        image = apng_picture.decoded(apng, picture)
        # What only viewers of still images show is no part of the animation.
        player = Marking(area, mark) if picture.control is None else marking
        yield picture, image, player.change(picture.frame, part(image, picture.frame.box, area))


def _mark(overlay: Overlay, profile: bytes | None, coding: Coding, area: Image.Image) -> None:
    """The logo over an RGBA area, in colours and alphas that the coding has."""
    before = area.copy()
    compositing.composite(area, overlay.logo, (0, 0), profile)
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
    used = Image.new("P", (_COLOURS, 1))
    histogram = [0] * _COLOURS
    change: Change | None = None
    for _, image, its in _changes(apng, area, mark):
        histogram = [all_ + one for all_, one in zip(histogram, image.histogram(), strict=True)]
        change = change or its
    if change is None:
        return coding
    first = next(index for index, count in enumerate(histogram) if count)
    used.putdata([index if count else first for index, count in enumerate(histogram)])
    sample = Image.new("P", (max(_COLOURS, change.pixels.width), 1 + change.pixels.height), first)
    sample.paste(used)
    sample.putpalette(coding.table)
    sample.info["transparency"] = coding.alphas
    alpha = change.pixels.getchannel("A").point(lambda alpha: _OPAQUE * (alpha == _OPAQUE))
    drawn = Image.composite(change.mask, Image.new("L", alpha.size), alpha)
    palette.draw(sample, change.pixels.convert("RGB"), drawn, (0, 1), _COLOURS)
    alphas = sample.info["transparency"] if coding.alphas else b""
    return Coding("P", bytes(sample.getpalette("RGB") or []), alphas)


def _on_whole_canvases(apng: Apng, overlay: Overlay, profile: bytes | None, stamp: Stamp) -> Apng:
    """Each picture replaced by all that is shown while it is: the same to the eye, only larger."""
    coding = Coding.of(apng)
    if coding.mode not in ("RGBA", "LA"):
        stamp.note("Its pixels have an alpha channel now, which their kind of PNG cannot have.")
        coding = Coding("LA" if coding.mode == "L" else "RGBA")
    mark = partial(_mark, overlay, profile, coding)
    size = apng.header.width, apng.header.height
    pixels = len(apng.pictures) * size[0] * size[1]
    pictures = []
    frames = [picture for picture in apng.pictures if picture.control]
    for film in ([picture for picture in apng.pictures if not picture.control], frames):
        decoded = ((picture.frame, apng_picture.decoded(apng, picture)) for picture in film)
        shown = whole_canvases(size, overlay.box, mark, decoded)
        for picture, canvas in zip(film, shown, strict=True):
            data = apng_picture.encoded(apng_picture.coloured(canvas, coding), pixels)
            pictures.append(picture.redrawn((0, 0, *size), data).replacing())
    return _described(apng.with_pictures(pictures), coding, stamp)


def _described(apng: Apng, coding: Coding, stamp: Stamp) -> Apng:
    """With the chunks that tell how its pictures are encoded now."""
    if apng.header.depth > 8:
        stamp.note("The animation had 16 bits a sample and has 8 now.")
    now = {chunk.type: chunk for chunk in coding.chunks(apng.header)}
    is_same = now[b"IHDR"] == apng.header._replace(interlace=0).chunk()
    gone = () if is_same else _OF_OTHER_SAMPLES
    chunks = [
        now.get(chunk.type, chunk) if isinstance(chunk, Chunk) else chunk
        for chunk in apng.chunks
        if isinstance(chunk, Picture)
        or (chunk.type not in gone and (chunk.type not in _DESCRIBED or chunk.type in now))
    ]
    return Apng(chunks)
