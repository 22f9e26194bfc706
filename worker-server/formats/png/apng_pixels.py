"""The pixels of one frame of an animated PNG, decoded and encoded in the way of all frames."""

import struct
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageChops

from drawing import masks, palette
from drawing.animation import Change, NeedsWholeCanvasError, enlarged, redrawn
from formats.png import chunks, colour_key
from formats.png.apng import Apng, ApngFrame, Header

_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}  # by colour type (PNG, section 11.2.1)
_COLOUR_TYPES = {mode: number for number, mode in _MODES.items()}
_OPAQUE = 255
# zlib's level by the pixels of all frames together, so that encoding takes a few seconds at most
_LEVELS = {10_000_000: 6, 40_000_000: 3}
_LEVEL_BEYOND = 1


@dataclass(frozen=True)
class Coding:
    """How all frames are stored: 8 bits a sample, not interlaced."""

    mode: str
    table: bytes = b""  # PLTE
    alphas: bytes = b""  # tRNS of a palette
    key: tuple[int, ...] = ()  # tRNS of L and RGB: the colour that means transparent

    @classmethod
    def of(cls, apng: Apng) -> "Coding":
        mode = _MODES[apng.header.colour_type]
        if mode == "P":
            return cls(mode, apng.palette, apng.transparency)
        most = (1 << apng.header.depth) - 1
        samples = struct.iter_unpack(">H", apng.transparency)
        return cls(mode, key=tuple(sample * _OPAQUE // most for (sample,) in samples))

    @property
    def has_alpha(self) -> bool:
        """Whether there is an alpha channel."""
        return self.mode in ("RGBA", "LA")

    @property
    def transparency(self) -> bytes:
        return self.alphas or struct.pack(f">{len(self.key)}H", *self.key)

    @property
    def transparent_entry(self) -> int:
        """Of the palette. Raises NeedsWholeCanvasError where there is none."""
        if 0 not in self.alphas:
            raise NeedsWholeCanvasError
        return self.alphas.index(0)

    def header(self, before: Header) -> Header:
        return before._replace(depth=8, colour_type=_COLOUR_TYPES[self.mode], interlace=0)


def decoded(apng: Apng, frame: ApngFrame) -> Image.Image:
    """In the mode of its coding; 16 bits become 8. Raises whatever Pillow does for damage."""
    with Image.open(BytesIO(apng.still(frame)), formats=("PNG",)) as image:
        image.load()
        if image.mode.startswith("I;16"):
            high_bytes = image.tobytes()[1::2]
            loaded = Image.frombytes("L", image.size, high_bytes)
        else:
            loaded = image.convert("L") if image.mode == "1" else image.copy()
    coding = Coding.of(apng)
    loaded.info.pop("transparency", None)
    if coding.transparency:
        key = coding.key[0] if len(coding.key) == 1 else coding.key
        loaded.info["transparency"] = coding.alphas or key
    return loaded


def changed(frame: ApngFrame, image: Image.Image, change: Change, coding: Coding) -> Image.Image:
    """The frame's image with its change, in the coding's mode. Raises NeedsWholeCanvasError."""
    if coding.mode != "P":
        return coded(redrawn(image, frame.box, change), coding)
    larger = image
    if change.box != frame.box:
        larger = enlarged(image, frame.box, change.box, coding.transparent_entry)
    larger.putpalette(coding.table)
    larger.info["transparency"] = coding.alphas
    opaque = masks.of_alpha(change.pixels, _OPAQUE)
    drawn = ImageChops.darker(change.mask, opaque)
    palette.draw(larger, change.pixels.convert("RGB"), drawn, change.corner, colours=0)
    cleared = ImageChops.darker(change.mask, ImageChops.invert(opaque))
    if cleared.getbbox():
        larger.paste(coding.transparent_entry, change.corner, cleared)
    return larger


def coded(image: Image.Image, coding: Coding) -> Image.Image:
    """An RGBA image in the coding's mode. Raises NeedsWholeCanvasError."""
    if coding.has_alpha:
        return image.convert(coding.mode)
    flat = image.convert(coding.mode)
    alpha = image.getchannel("A")
    if coding.key:
        colour_key.avoid(flat, coding.key, Image.new("L", flat.size, 255))
        flat.paste(coding.key, mask=ImageChops.invert(alpha))
    elif alpha.getextrema()[0] != _OPAQUE:
        raise NeedsWholeCanvasError
    return flat


def encoded(image: Image.Image, all_pixels: int) -> bytes:
    """The zlib stream of an image; all_pixels is how many the whole file has."""
    levels = (level for most, level in _LEVELS.items() if all_pixels <= most)
    file = BytesIO()
    mode = "L" if image.mode == "P" else image.mode  # entries are stored as grey levels are
    bare = Image.frombytes(mode, image.size, image.tobytes())
    bare.save(file, "PNG", compress_level=next(levels, _LEVEL_BEYOND))
    parts = chunks.read(file.getvalue())
    return b"".join(part.data for part in parts if part.name == b"IDAT")
