"""One picture of an animated PNG: decoded, and encoded anew as all of that file are."""

import struct
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageChops

from drawing import palette
from drawing.animation import Change, NeedsWholeCanvasError, moved, redrawn, size_of
from formats.png import animation_file
from formats.png.animation_file import Apng, Header, Picture

_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}  # of the colour types (PNG, section 11.2.1)
_KINDS = {mode: kind for kind, mode in _MODES.items()}
_OPAQUE = 255
# Up to how many pixels in all pictures which zlib level, so that they take some seconds at most.
_LEVELS = {10_000_000: 6, 40_000_000: 3}
_LEVEL_BEYOND = 1


@dataclass(frozen=True)
class Coding:
    """8 bits a sample, not interlaced."""

    mode: str
    table: bytes = b""  # PLTE
    alphas: bytes = b""  # tRNS of a palette
    key: tuple[int, ...] = ()  # tRNS of L and RGB: the colour that is transparent

    @classmethod
    def of(cls, apng: Apng) -> "Coding":
        mode = _MODES[apng.header.colour_type]
        if mode == "P":
            return cls(mode, apng.palette, apng.transparency)
        most = (1 << apng.header.depth) - 1
        samples = struct.iter_unpack(">H", apng.transparency)
        return cls(mode, key=tuple(sample * _OPAQUE // most for (sample,) in samples))

    def header(self, before: Header) -> Header:
        return before._replace(depth=8, colour_type=_KINDS[self.mode], interlace=0)

    @property
    def transparency(self) -> bytes:
        return self.alphas or struct.pack(f">{len(self.key)}H", *self.key)

    @property
    def nothing(self) -> int:
        """The transparent entry of the palette. Raises NeedsWholeCanvasError."""
        if 0 not in self.alphas:
            raise NeedsWholeCanvasError
        return self.alphas.index(0)


def decoded(apng: Apng, picture: Picture) -> Image.Image:
    """In the mode of its coding; of 16 bits the high ones. Raises what Pillow does for damage."""
    with Image.open(BytesIO(apng.still(picture)), formats=("PNG",)) as image:
        image.load()
        if image.mode.startswith("I;16"):
            high = image.tobytes()[1::2]
            loaded = Image.frombytes("L", image.size, high)
        else:
            loaded = image.convert("L") if image.mode == "1" else image.copy()
    coding = Coding.of(apng)
    loaded.info.pop("transparency", None)
    if coding.transparency:
        key = coding.key[0] if len(coding.key) == 1 else coding.key
        loaded.info["transparency"] = coding.alphas or key
    return loaded


def changed(picture: Picture, image: Image.Image, change: Change, coding: Coding) -> Image.Image:
    """The picture with its change, in that coding's mode. Raises NeedsWholeCanvasError."""
    if coding.mode != "P":
        return coloured(redrawn(image, picture.frame.box, change), coding)
    box = picture.frame.box
    larger = image
    if change.box != box:
        larger = Image.new("P", size_of(change.box), coding.nothing)
        larger.paste(image, moved(box, change.box[:2]))
    larger.putpalette(coding.table)
    larger.info["transparency"] = coding.alphas
    visible = opaque(change.pixels)
    drawn = ImageChops.darker(change.mask, visible)
    palette.draw(larger, change.pixels.convert("RGB"), drawn, change.corner, colours=0)
    invisible = ImageChops.darker(change.mask, ImageChops.invert(visible))
    if invisible.getbbox():
        larger.paste(coding.nothing, change.corner, invisible)
    return larger


def opaque(image: Image.Image) -> Image.Image:
    """An L mask of the pixels that are."""
    return image.getchannel("A").point(lambda alpha: _OPAQUE * (alpha == _OPAQUE))


def coloured(image: Image.Image, coding: Coding) -> Image.Image:
    """An RGBA picture in the coding's mode. Raises NeedsWholeCanvasError if that has no alpha."""
    if coding.mode in ("RGBA", "LA"):
        return image.convert(coding.mode)
    flat = image.convert(coding.mode)
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == _OPAQUE and not coding.key:
        return flat
    if not coding.key:
        raise NeedsWholeCanvasError
    _avoid(flat, coding.key)
    flat.paste(coding.key, mask=ImageChops.invert(alpha))
    return flat


def _avoid(image: Image.Image, key: tuple[int, ...]) -> None:
    """Change pixels of the colour that is transparent by the least there is."""
    difference = ImageChops.difference(image, Image.new(image.mode, image.size, key))
    same = Image.new("L", image.size, _OPAQUE)
    for band in difference.split():
        same = ImageChops.darker(same, band.point(lambda level: _OPAQUE * (level == 0)))
    image.paste((*key[:-1], key[-1] ^ 1), mask=same)


def encoded(image: Image.Image, all_pixels: int) -> bytes:
    """The zlib stream of a picture; all_pixels is how much there is to encode in the whole file."""
    levels = (level for most, level in _LEVELS.items() if all_pixels <= most)
    file = BytesIO()
    mode = "L" if image.mode == "P" else image.mode  # an index is a byte as good as any
    bare = Image.frombytes(mode, image.size, image.tobytes())
    bare.save(file, "PNG", compress_level=next(levels, _LEVEL_BEYOND))
    return b"".join(animation_file.read(file.getvalue()).pictures[0].data)
