"""The chunks of a PNG file (W3C PNG, third edition, section 5), and which of them go on."""

import re
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from drawing.stamp import Stamp
from errors import ImageRejected
from metadata import filters
from options import Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ANIMATION = {b"acTL", b"fcTL", b"fdAT"}
_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"} | _ANIMATION
_COLOURS = {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"sBIT", b"bKGD"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_XMP_KEY = b"XML:com.adobe.xmp"
_RAW_PROFILE = b"Raw profile type "  # ImageMagick's
_MAX_TEXT = 16_000_000
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


class Chunk(NamedTuple):
    name: bytes
    data: bytes
    raw: bytes  # as it stands in the file, with length and checksum

    @property
    def is_ancillary(self) -> bool:
        return bool(self.name[0] & 0x20) and self.name not in _ANIMATION

    @property
    def is_whole(self) -> bool:
        """Whether its checksum is right."""
        return zlib.crc32(self.raw[4:-4]).to_bytes(4, "big") == self.raw[-4:]


def read(source: bytes) -> list[Chunk]:
    """The chunks that are there in full. Raises ImageRejected where IHDR is not the first."""
    chunks: list[Chunk] = []
    at = len(SIGNATURE)
    if source[at + 4 : at + 8] != b"IHDR":
        raise ImageRejected("corrupt_image", "The image is damaged: its IHDR chunk is not first.")
    while at + 12 <= len(source):
        length = int.from_bytes(source[at : at + 4], "big")
        end = at + 12 + length
        if end > len(source):
            break
        chunks.append(Chunk(source[at + 4 : at + 8], source[at + 8 : end - 4], source[at:end]))
        at = end
        if chunks[-1].name == b"IEND":
            break
    return chunks


def without_damaged(source: bytes, stamp: Stamp) -> bytes | None:
    """The PNG without the ancillary chunks that Pillow does not take, and a note for each.

    Readers pass over such (PNG, 13.2). None where there is none, and for what is no PNG.
    """
    if not source.startswith(SIGNATURE):
        return None
    chunks = read(source)
    rest = source[len(SIGNATURE) + sum(len(part.raw) for part in chunks) :]
    kept = [part for part in chunks if not (part.is_ancillary and _is_refused(part, chunks[0]))]
    for part in chunks:
        if part not in kept:
            _note_dropped(part, stamp)
    return None if len(kept) == len(chunks) else assemble(kept) + rest


def _is_refused(part: Chunk, header: Chunk) -> bool:
    """Whether Pillow does not open a PNG for that chunk."""
    alone = assemble([header, part, chunk(b"IDAT", b""), chunk(b"IEND", b"")])
    try:
        Image.open(BytesIO(alone), formats=["PNG"]).close()
    except Exception:  # it raises many
        return True
    return False


def chunk(name: bytes, data: bytes) -> Chunk:
    checksum = zlib.crc32(name + data)
    return Chunk(
        name, data, struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
    )


def carried(source: bytes, encoded: bytes, stamp: Stamp) -> bytes:
    """The encoded picture, or animation, with what its source carries, where it carries it.

    Of what depends on the pixels, PLTE and tRNS are the encoder's, and hIST is dropped; so are
    critical chunks that nobody knows, and damaged ones.
    """
    policy = stamp.options.metadata
    chunks = [part for part in read(source) if _is_carried(part, stamp)]
    written = [c for c in read(encoded) if c.name in _PICTURE]
    dropped = _PICTURE | {b"hIST"}
    if not _names(chunks) & {b"fdAT"} and not _names(written) & {b"acTL"}:
        dropped -= {b"acTL", b"fcTL"}  # an animation of the one picture
    before, between, after = _places(chunks, dropped, policy)
    palette = [c for c in written if c.name == b"PLTE"]
    keys = [c for c in written if c.name == b"tRNS"]
    rest = [c for c in written if c.name not in (b"IHDR", b"PLTE", b"tRNS", b"IEND")]
    order = [written[0], *before, *palette, *keys, *between, *rest, *after, written[-1]]
    return assemble(order)


def assemble(chunks: list[Chunk]) -> bytes:
    return SIGNATURE + b"".join(part.raw for part in chunks)


def orientation(chunks: list[Chunk]) -> int:
    """EXIF's, wherever it stands; else XMP's, for PNG had no EXIF until 2017."""
    for part in chunks:
        if part.name == b"eXIf":
            return filters.orientation(part.data)
    texts = [text for part in chunks if part.name in _TEXTS and (text := _text(part))]
    for key, value in texts:
        if key.removeprefix(_RAW_PROFILE) in (b"exif", b"APP1"):
            return filters.orientation(_unhexed(value) or b"")
    for key, value in texts:
        if key == _XMP_KEY and (found := _XMP_ORIENTATION.search(value)):
            return int(found[1])
    return 1


def _is_carried(part: Chunk, stamp: Stamp) -> bool:
    """Raises ImageRejected for a damaged one that no reader does without."""
    if part.is_whole or part.name in _ANIMATION:
        return True
    if not part.is_ancillary:
        name = part.name.decode("latin-1")
        raise ImageRejected("corrupt_image", f"The image is damaged: its {name} chunk is.")
    _note_dropped(part, stamp)
    return False


def _note_dropped(part: Chunk, stamp: Stamp) -> None:
    stamp.note(f"Its {part.name.decode('latin-1')} chunk is damaged and was dropped.")


def _names(chunks: list[Chunk]) -> set[bytes]:
    return {part.name for part in chunks}


def _places(
    chunks: list[Chunk], dropped: set[bytes], policy: Metadata
) -> tuple[list[Chunk], list[Chunk], list[Chunk]]:
    """What is carried before PLTE (or before IDAT, where there is none), before IDAT, after."""
    has_palette = any(part.name == b"PLTE" for part in chunks)
    places: tuple[list[Chunk], list[Chunk], list[Chunk]] = ([], [], [])
    place = 0 if has_palette else 1
    for part in chunks:
        if part.name == b"PLTE" and place == 0:
            place = 1
        elif part.name in (b"IDAT", b"fdAT"):
            place = 2
        elif part.name not in dropped and part.name[0] & 0x20:
            places[place].extend(_kept(part, policy))
    if policy is Metadata.STRIP and (turned := orientation(chunks)) != 1:
        places[1].append(chunk(b"eXIf", filters.exif_of(turned)))
    return places


def _kept(part: Chunk, policy: Metadata) -> Iterator[Chunk]:
    """The chunk as the policy leaves it, if it does."""
    if policy is Metadata.KEEP or part.name in _COLOURS | _PICTURE:
        yield part
    elif policy is Metadata.NOGPS and part.name == b"eXIf":
        if (block := filters.exif(part.data, policy)) is not None:
            yield chunk(part.name, block)
    elif policy is Metadata.NOGPS and part.name in _TEXTS:
        yield from _text_without_places(part)
    elif policy is Metadata.NOGPS:
        yield part


def _text_without_places(part: Chunk) -> Iterator[Chunk]:
    key = part.data.partition(b"\0")[0]
    holds_metadata = key == _XMP_KEY or key.startswith(_RAW_PROFILE)
    if not holds_metadata:
        if not key.lower().startswith(b"exif:gps"):  # ImageMagick's too
            yield part
        return
    value = (_text(part) or (b"", b""))[1]
    if key == _XMP_KEY:
        new = filters.xmp(value, Metadata.NOGPS)
    else:
        kind = key.removeprefix(_RAW_PROFILE)
        block = _unhexed(value)
        cleared = None if block is None else _profile(kind, block)
        new = None if cleared is None else _hexed(kind, cleared)
        if cleared is not None and cleared == block:
            new = value
    if new == value:
        yield part
    elif new is not None and part.name == b"tEXt":
        yield chunk(b"tEXt", key + b"\0" + new)
    elif new is not None and part.name == b"zTXt":
        yield chunk(b"zTXt", key + b"\0\0" + zlib.compress(new))
    elif new is not None:
        yield chunk(b"iTXt", key + b"\0\0\0\0\0" + new)


def _profile(kind: bytes, block: bytes) -> bytes | None:
    """One of ImageMagick's profiles without places; None for what is unknown or unreadable."""
    if kind in (b"exif", b"APP1") and block.startswith((b"Exif\0\0", b"II*\0", b"MM\0*")):
        return filters.exif(block, Metadata.NOGPS)
    if kind in (b"xmp", b"APP1"):
        head = b"http://ns.adobe.com/xap/1.0/\0"
        packet = filters.xmp(block.removeprefix(head), Metadata.NOGPS)
        return packet and (head if block.startswith(head) else b"") + packet
    if kind in (b"iptc", b"8bim"):
        head = b"Photoshop 3.0\0"
        if block.startswith(b"\x1c"):
            return filters.iim(block, Metadata.NOGPS)
        return filters.iptc(block.removeprefix(head), Metadata.NOGPS)
    return block if kind in (b"icc", b"icm") else None


def _unhexed(value: bytes) -> bytes | None:
    """A newline, the profile's name, its length and its bytes in hexadecimal, in lines."""
    lines = value.split(b"\n", 3)
    try:
        return bytes.fromhex(lines[3].decode("ascii")) if len(lines) == 4 else None
    except ValueError:
        return None


def _hexed(kind: bytes, block: bytes) -> bytes:
    digits = block.hex().encode()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return b"\n".join([b"", kind, b"%8d" % len(block), *lines, b""])


def _text(part: Chunk) -> tuple[bytes, bytes] | None:
    """Key and value; None where it is broken, or too much."""
    key, _, rest = part.data.partition(b"\0")
    if part.name == b"tEXt":
        return key, rest
    packed = True
    if part.name == b"zTXt":
        rest = rest[1:]
    else:
        packed = rest[:1] == b"\1"
        fields = rest[2:].split(b"\0", 2)
        rest = fields[2] if len(fields) == 3 else b""
    if not packed:
        return key, rest
    unpacker = zlib.decompressobj()
    try:
        value = unpacker.decompress(rest, _MAX_TEXT)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else (key, value)
