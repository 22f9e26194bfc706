"""Which of a PNG's chunks are kept beside its pixels, and what METADATA leaves of them."""

import re
import zlib

from drawing.stamp import Stamp
from errors import ImageRejected
from formats.png.chunks import ANIMATION, Chunk, assemble, chunk, note_dropped
from metadata import filters
from options import Metadata

_IMAGE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"} | ANIMATION
_COLOURS = {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD"}
_TEXT_HEADS = {b"tEXt": b"\0", b"zTXt": b"\0\0", b"iTXt": b"\0\0\0\0\0"}  # between key and value
_XMP_KEY = b"XML:com.adobe.xmp"
_RAW_PROFILE = b"Raw profile type "  # ImageMagick's
_MAX_TEXT = 16_000_000
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def with_kept(encoded: list[Chunk], source: list[Chunk], stamp: Stamp) -> bytes:
    """The PNG of the encoded image or animation, with the source's other chunks in their places.

    PLTE and tRNS are the encoder's. hIST is dropped, for it depends on the pixels. Unknown critical
    chunks and damaged ones are dropped too. Raises ImageRejected where a critical chunk is damaged.
    """
    chunks = [part for part in source if _is_intact(part, stamp)]
    image = [part for part in encoded if part.name in _IMAGE]
    dropped = _IMAGE | {b"hIST"}
    has_frames = any(part.name == b"fdAT" for part in chunks)
    if not has_frames and all(part.name != b"acTL" for part in image):
        dropped -= {b"acTL", b"fcTL"}  # an animation of a single image
    before, between, after = _places(chunks, dropped, stamp.options.metadata)
    header, *image, end = image
    colours = [part for part in image if part.name in (b"PLTE", b"tRNS")]
    pixels = [part for part in image if part.name not in (b"PLTE", b"tRNS")]
    return assemble([header, *before, *colours, *between, *pixels, *after, end])


def orientation(chunks: list[Chunk]) -> int:
    """EXIF's, wherever it stands; else XMP's, because PNG had no EXIF until 2017."""
    for part in chunks:
        if part.name == b"eXIf":
            return filters.orientation(part.data)
    texts = [text for part in chunks if part.name in _TEXT_HEADS and (text := _text(part))]
    for key, value in texts:
        if key.removeprefix(_RAW_PROFILE) in (b"exif", b"APP1"):
            return filters.orientation(_unhexed(value) or b"")
    for key, value in texts:
        if key == _XMP_KEY and (found := _XMP_ORIENTATION.search(value)):
            return int(found[1])
    return 1


def _is_intact(part: Chunk, stamp: Stamp) -> bool:
    """Raises ImageRejected for a damaged chunk that no reader does without."""
    if part.is_whole or part.name in ANIMATION:
        return True
    if not part.is_ancillary:
        name = part.name.decode("latin-1")
        raise ImageRejected("corrupt_image", f"The image is damaged: its {name} chunk is.")
    note_dropped(part, stamp.note)
    return False


def _places(
    chunks: list[Chunk], dropped: set[bytes], policy: Metadata
) -> tuple[list[Chunk], list[Chunk], list[Chunk]]:
    """What is kept before PLTE (nothing where there is none), between it and IDAT, and after."""
    places: tuple[list[Chunk], list[Chunk], list[Chunk]] = ([], [], [])
    place = 0 if any(part.name == b"PLTE" for part in chunks) else 1
    for part in chunks:
        if part.name == b"PLTE" and place == 0:
            place = 1
        elif part.name in (b"IDAT", b"fdAT"):
            place = 2
        elif part.name not in dropped and part.name[0] & 0x20 and (kept := _kept(part, policy)):
            places[place].append(kept)
    if policy is Metadata.STRIP and (turned := orientation(chunks)) != 1:
        places[1].append(chunk(b"eXIf", filters.exif_of(turned)))
    return places


def _kept(part: Chunk, policy: Metadata) -> Chunk | None:
    """What METADATA leaves of the chunk."""
    if policy is Metadata.KEEP or part.name in _COLOURS | _IMAGE:
        return part
    if policy is Metadata.STRIP:
        return None
    if part.name == b"eXIf":
        block = filters.exif(part.data, policy)
        return None if block is None else chunk(part.name, block)
    return _text_without_places(part) if part.name in _TEXT_HEADS else part


def _text_without_places(part: Chunk) -> Chunk | None:
    key = part.data.partition(b"\0")[0]
    if key != _XMP_KEY and not key.startswith(_RAW_PROFILE):
        return None if key.lower().startswith(b"exif:gps") else part  # as ImageMagick writes it
    _, value = _text(part) or (b"", b"")
    if key == _XMP_KEY:
        new = filters.xmp(value, Metadata.NOGPS)
    else:
        new = _raw_profile_without_places(key.removeprefix(_RAW_PROFILE), value)
    if new is None or new == value:
        return None if new is None else part
    packed = zlib.compress(new) if part.name == b"zTXt" else new
    return chunk(part.name, key + _TEXT_HEADS[part.name] + packed)


def _raw_profile_without_places(kind: bytes, value: bytes) -> bytes | None:
    """One of ImageMagick's profiles; None where it is unknown or unreadable."""
    block = _unhexed(value)
    kept = None if block is None else _block_without_places(kind, block)
    if kept is None or kept == block:
        return None if kept is None else value
    digits = kept.hex().encode()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return b"\n".join([b"", kind, b"%8d" % len(kept), *lines, b""])


def _block_without_places(kind: bytes, block: bytes) -> bytes | None:
    if kind in (b"exif", b"APP1") and block.startswith((b"Exif\0\0", b"II*\0", b"MM\0*")):
        return filters.exif(block, Metadata.NOGPS)
    if kind in (b"xmp", b"APP1"):
        head = b"http://ns.adobe.com/xap/1.0/\0"
        packet = filters.xmp(block.removeprefix(head), Metadata.NOGPS)
        return packet and (head if block.startswith(head) else b"") + packet
    if kind in (b"iptc", b"8bim"):
        if block.startswith(b"\x1c"):
            return filters.iim(block, Metadata.NOGPS)
        return filters.iptc(block.removeprefix(b"Photoshop 3.0\0"), Metadata.NOGPS)
    return block if kind in (b"icc", b"icm") else None


def _unhexed(value: bytes) -> bytes | None:
    """The bytes of a raw profile: after its name and length they stand in hexadecimal lines."""
    lines = value.split(b"\n", 3)
    try:
        return bytes.fromhex(lines[3].decode("ascii")) if len(lines) == 4 else None
    except ValueError:
        return None


def _text(part: Chunk) -> tuple[bytes, bytes] | None:
    """Key and value; None where the value is broken, or unpacks to more than _MAX_TEXT."""
    key, _, value = part.data.partition(b"\0")
    is_packed = part.name == b"zTXt" or (part.name == b"iTXt" and value.startswith(b"\1"))
    if part.name == b"zTXt":
        value = value[1:]
    elif part.name == b"iTXt":
        _language, _, rest = value[2:].partition(b"\0")
        _translated_key, _, value = rest.partition(b"\0")
    if not is_packed:
        return key, value
    unpacker = zlib.decompressobj()
    try:
        value = unpacker.decompress(value, _MAX_TEXT)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else (key, value)
