"""A PNG's chunks (PNG specification, third edition, sections 5 and 11): apart, and together."""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import png_chunks
from options import Metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ANIMATION = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")


class Chunk(NamedTuple):
    type: bytes
    content: bytes


class Header(NamedTuple):
    """IHDR (section 11.2.1)."""

    width: int
    height: int
    depth: int
    colour_type: int
    compression: int = 0
    filters: int = 0
    interlace: int = 0

    @classmethod
    def of(cls, chunks: list[Chunk]) -> "Header":
        return cls(*struct.unpack(">IIBBBBB", content_of(chunks, b"IHDR")[:13]))

    def chunk(self) -> Chunk:
        return Chunk(b"IHDR", struct.pack(">IIBBBBB", *self))


def split(file: bytes) -> list[Chunk]:
    """All chunks that are whole, up to IEND."""
    return [Chunk(part.name, part.data) for part in png_chunks.read(file)]


def join(chunks: Iterable[Chunk]) -> bytes:
    parts = [SIGNATURE]
    for kind, content in chunks:
        crc = zlib.crc32(content, zlib.crc32(kind))
        parts += (struct.pack(">I4s", len(content), kind), content, struct.pack(">I", crc))
    return b"".join(parts)


def content_of(chunks: list[Chunk], kind: bytes) -> bytes:
    """The first chunk's of that type; empty if there is none."""
    return next((chunk.content for chunk in chunks if chunk.type == kind), b"")


def kept(chunks: Iterable[Chunk], policy: Metadata) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.type in _ANIMATION:
            yield chunk
        else:
            parts = png_chunks._kept(png_chunks.chunk(*chunk), policy)
            yield from (Chunk(part.name, part.data) for part in parts)


def orientation(chunks: list[Chunk]) -> int:
    return png_chunks.orientation([png_chunks.chunk(*chunk) for chunk in chunks])
