"""PNG of one picture: colour type and bit depth stay, and all chunks beside the pixels'."""

from array import array
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from drawing.stamp import Stamp
from errors import ImageRejected
from formats.png import chunks as png_chunks
from formats.png import colour_space
from formats.png.chunks import Chunk

_GREY, _PALETTE = 0, 3  # colour types
_LARGE = 8_000_000  # pixels
_GROWTH = 1.1


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    source = path.read_bytes()
    chunks = png_chunks.read(source)
    bits, colour_type = chunks[0].data[8:10]
    head = {part.name: part for part in takewhile(lambda p: p.name != b"IDAT", chunks)}
    if colour_type == _PALETTE and b"PLTE" not in head:
        raise ImageRejected("corrupt_image", "The PNG has no palette.")
    image.load()
    if b"tRNS" not in head:  # behind the pixels only Pillow reads it
        image.info.pop("transparency", None)
    turned = png_chunks.orientation(chunks)
    key = image.info.get("transparency")
    overlay = stamp.overlay(image.size, turned)
    if overlay is not None:
        before = image.crop(overlay.box)
        profile = colour_space.profile(chunks, image.info.get("icc_profile"))
        stamp.put_on(image, turned, profile, 1 << min(bits, 8))
        after = image.crop(overlay.box)
        if key is not None and colour_type != _PALETTE:
            _keep_opaque(before, after, overlay.logo, key, bits)
        if colour_type != _PALETTE:
            image.paste(after, overlay.box)
    was = sum(len(part.data) for part in chunks if part.name == b"IDAT")
    same_key = image.info.get("transparency") == key
    picture = _like_source(_encoded(image, bits, was), image, head, same_key)
    return png_chunks.carried(source, picture, stamp)


def _keep_opaque(
    before: Image.Image, after: Image.Image, logo: Image.Image, key: Any, bits: int
) -> None:
    """Change what the logo drew in exactly the colour that means transparent, by one level."""
    if after.mode == "I;16":
        _keep_opaque_16(before, after, logo, key)
    if after.mode not in ("L", "RGB"):
        return
    step = 255 // ((1 << bits) - 1)
    keys = [key * step] if after.mode == "L" else list(key)
    solid = logo.getchannel("A").point(lambda alpha: 255 if alpha >= 128 else 0)
    was_seen = ImageChops.invert(_is(before, keys))
    wrong = ImageChops.darker(_is(after, keys), ImageChops.lighter(solid, was_seen))
    near = [*keys[:-1], keys[-1] - step if keys[-1] >= 128 else keys[-1] + step]
    after.paste(tuple(near) if len(near) == 3 else near[0], mask=wrong)


def _is(image: Image.Image, colour: list[int]) -> Image.Image:
    """255 where a pixel has that colour."""
    found = Image.new("L", image.size, 255)
    for band, value in zip(image.split(), colour, strict=True):
        same = [255 if level == value else 0 for level in range(256)]
        found = ImageChops.darker(found, band.point(same))
    return found


def _keep_opaque_16(before: Image.Image, after: Image.Image, logo: Image.Image, key: int) -> None:
    old, new = array("H", before.tobytes()), array("H", after.tobytes())
    solid = logo.getchannel("A").tobytes()
    near = key - 1 if key else 1
    for place, (level, alpha) in enumerate(zip(new, solid, strict=True)):
        if level == key and (alpha >= 128 or old[place] != key):
            new[place] = near
    after.frombytes(new.tobytes())


def _encoded(image: Image.Image, bits: int, source_bytes: int) -> bytes:
    """As small as the source was, give or take a tenth, where deflate can make it so.

    Of a photo it finds little but runs: to look for nothing else (Z_RLE) takes a third of the time
    and no more bytes. Patterns can become twice as large by that, which is seen afterwards.
    """
    options: dict[str, Any] = {"icc_profile": None, "bits": min(bits, 8)}
    if image.mode == "P":
        # Pillow chooses the depth by the number of entries; surplus ones are cut off again.
        palette = image.getpalette() or []
        image.putpalette(palette + [0] * ((3 << min(bits, 8)) - len(palette)))
        return _saved(image, options)
    runs = _saved(image, {**options, "compress_type": Image.RLE})
    if len(runs) <= _GROWTH * source_bytes:
        return runs
    if image.width * image.height > _LARGE:
        options["compress_level"] = 3
    return min(runs, _saved(image, options), key=len)


def _saved(image: Image.Image, options: dict[str, Any]) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def _like_source(
    encoded: bytes, image: Image.Image, sources: dict[bytes, Chunk], same_key: bool
) -> bytes:
    """The encoded picture with no more palette than it needs, and its source's tRNS.

    Of a palette, the logo may have been given transparent entries: then tRNS is the encoder's.
    """
    entries = 256
    if image.mode == "P":
        last = max(index for index, pixels in enumerate(image.histogram()) if pixels)
        entries = max(len(sources[b"PLTE"].data) // 3, last + 1)
    written: list[Chunk] = []
    for part in png_chunks.read(encoded):
        if part.name == b"PLTE":
            written.append(png_chunks.chunk(b"PLTE", part.data[: 3 * entries]))
        elif part.name == b"tRNS":
            kept = sources.get(b"tRNS") if same_key else None
            written.append(kept or png_chunks.chunk(b"tRNS", part.data[:entries]))
        else:
            written.append(part)
    return png_chunks.assemble(written)
