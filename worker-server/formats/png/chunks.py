"""The chunks of a PNG file (W3C PNG, third edition, section 5)."""

import zlib
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from errors import ImageRejected

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ANIMATION = {b"acTL", b"fcTL", b"fdAT"}


class Chunk(NamedTuple):
    name: bytes
    data: bytes
    raw: bytes  # as it stands in the file, with length and checksum

    @property
    def is_ancillary(self) -> bool:
        return bool(self.name[0] & 0x20) and self.name not in ANIMATION

    @property
    def is_whole(self) -> bool:
        """Whether its checksum is right."""
        return zlib.crc32(self.raw[4:-4]).to_bytes(4, "big") == self.raw[-4:]


def chunk(name: bytes, data: bytes) -> Chunk:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return Chunk(
        name, data, len(data).to_bytes(4, "big") + name + data + checksum.to_bytes(4, "big")
    )


def read(source: bytes) -> list[Chunk]:
    """The complete chunks up to IEND. Raises ImageRejected where IHDR is not the first."""
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


def assemble(chunks: list[Chunk]) -> bytes:
    return SIGNATURE + b"".join(part.raw for part in chunks)


def without_damaged(source: bytes, note: Callable[[str], None]) -> bytes | None:
    """The PNG without the ancillary chunks that Pillow refuses, and a note for each.

    PNG readers ignore such chunks (PNG, section 13.2). None where there are none, or where the
    source is not a PNG.
    """
    if not source.startswith(SIGNATURE):
        return None
    chunks = read(source)
    rest = source[len(SIGNATURE) + sum(len(part.raw) for part in chunks) :]
    kept = [part for part in chunks if not (part.is_ancillary and _is_refused(part, chunks[0]))]
    for part in chunks:
        if part not in kept:
            note_dropped(part, note)
    return None if len(kept) == len(chunks) else assemble(kept) + rest


def note_dropped(part: Chunk, note: Callable[[str], None]) -> None:
    note(f"Its {part.name.decode('latin-1')} chunk is damaged and was dropped.")


def _is_refused(part: Chunk, header: Chunk) -> bool:
    """Whether Pillow refuses a PNG because of this chunk."""
    alone = assemble([header, part, chunk(b"IDAT", b""), chunk(b"IEND", b"")])
    try:
        Image.open(BytesIO(alone), formats=["PNG"]).close()
    except Exception:  # Pillow raises many kinds
        return True
    return False
