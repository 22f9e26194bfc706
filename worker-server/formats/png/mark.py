"""PNG of one image: colour type, bit depth and all chunks beside the pixels are kept."""

from array import array
from itertools import takewhile
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from drawing import masks
from drawing.stamp import Stamp
from errors import ImageRejected
from formats.codecs import encoding
from formats.png import chunks, colour_key, colour_space, metadata
from formats.png.chunks import Chunk

_PALETTE = 3  # colour type
_HALF = 128
_LARGE = 8_000_000  # pixels
_GROWTH = 1.1


def mark_png(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    source = chunks.read(path.read_bytes())
    bits, colour_type = source[0].data[8:10]
    head = {part.name: part for part in takewhile(lambda p: p.name != b"IDAT", source)}
    if colour_type == _PALETTE and b"PLTE" not in head:
        raise ImageRejected("corrupt_image", "The PNG has no palette.")
    image.load()
    if b"tRNS" not in head:  # Pillow alone reads a tRNS after the pixels
        image.info.pop("transparency", None)
    orientation = metadata.orientation(source)
    key = image.info.get("transparency")
    overlay = stamp.overlay(image.size, orientation)
    if overlay is not None:
        before = image.crop(overlay.box)
        profile = colour_space.profile(source, image.info.get("icc_profile"))
        stamp.mark(image, orientation, profile, 1 << min(bits, 8))
        if key is not None and colour_type != _PALETTE:
            after = image.crop(overlay.box)
            _keep_opaque(before, after, overlay.logo, key, bits)
            image.paste(after, overlay.box)
    source_bytes = sum(len(part.data) for part in source if part.name == b"IDAT")
    encoded = chunks.read(_encoded(image, bits, source_bytes))
    same_key = image.info.get("transparency") == key
    return metadata.with_kept(_like_source(encoded, image, head, same_key), source, stamp)


def _keep_opaque(
    before: Image.Image, after: Image.Image, logo: Image.Image, key: Any, bits: int
) -> None:
    """Change what the logo drew in exactly the colour that means transparent, by one level."""
    if after.mode == "I;16":
        _keep_opaque_16(before, after, logo, key)
    if after.mode not in ("L", "RGB"):
        return
    step = 255 // ((1 << bits) - 1)
    colour = (key * step,) if after.mode == "L" else tuple(key)
    was_seen = ImageChops.invert(masks.of_colour(before, colour))
    opaque = ImageChops.lighter(masks.of_alpha(logo, _HALF), was_seen)
    colour_key.avoid(after, colour, opaque, step)


def _keep_opaque_16(before: Image.Image, after: Image.Image, logo: Image.Image, key: int) -> None:
    old, new = array("H", before.tobytes()), array("H", after.tobytes())
    near = key - 1 if key else 1
    for place, alpha in enumerate(logo.getchannel("A").tobytes()):
        if new[place] == key and (alpha >= _HALF or old[place] != key):
            new[place] = near
    after.frombytes(new.tobytes())


def _encoded(image: Image.Image, bits: int, source_bytes: int) -> bytes:
    """About as small as the source: a tenth larger at most, where deflate can do it.

    Deflate finds little but runs in a photo. Looking for runs only (Z_RLE) takes half of the
    time and gives no more bytes. Patterns may become twice as large: then all is tried.
    """
    options: dict[str, Any] = {"icc_profile": b"", "bits": min(bits, 8)}
    if image.mode == "P":
        # Pillow chooses the depth by the number of entries; surplus ones are cut off again.
        palette = image.getpalette() or []
        image.putpalette(palette + [0] * ((3 << min(bits, 8)) - len(palette)))
        return encoding.encoded(image, "PNG", **options)
    runs = encoding.encoded(image, "PNG", **options, compress_type=Image.RLE)
    if len(runs) <= _GROWTH * source_bytes:
        return runs
    if image.width * image.height > _LARGE:
        options["compress_level"] = 3
    return min(runs, encoding.encoded(image, "PNG", **options), key=len)


def _like_source(
    encoded: list[Chunk], image: Image.Image, source: dict[bytes, Chunk], same_key: bool
) -> list[Chunk]:
    """The encoded chunks with no more palette entries than are needed, and with the source's tRNS.

    tRNS stays the encoder's where the logo took transparent entries of a palette.
    """
    entries = 256
    if image.mode == "P":
        last = max(index for index, pixels in enumerate(image.histogram()) if pixels)
        entries = max(len(source[b"PLTE"].data) // 3, last + 1)
    written: list[Chunk] = []
    for part in encoded:
        if part.name == b"PLTE":
            written.append(chunks.chunk(b"PLTE", part.data[: 3 * entries]))
        elif part.name == b"tRNS":
            kept = source.get(b"tRNS") if same_key else None
            written.append(kept or chunks.chunk(b"tRNS", part.data[:entries]))
        else:
            written.append(part)
    return written
