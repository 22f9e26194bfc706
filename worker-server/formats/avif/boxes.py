"""Facts in an AVIF's boxes that Pillow neither reads nor writes: chroma, colours, loops.

Boxes: ISO/IEC 14496-12. av1C: AV1 in ISOBMFF section 2.3. nclx: ISO/IEC 23091-2.
"""

import re
import struct
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from formats.codecs import iso_boxes

_MAX_BOXES = 1000
_MONOCHROME, _ACROSS, _DOWN = 0x10, 0x08, 0x04  # bits of av1C's third byte
_HIGH_BITDEPTH, _TWELVE_BIT = 0x40, 0x20
_IDENTITY = b"\0\0"  # matrix coefficients of RGB, which lossless files have
_FOREVER = None


class Head(NamedTuple):
    bits: int
    subsampling: str  # "4:2:0"
    is_lossless: bool  # a guess: full chroma and RGB
    colours: bytes | None  # nclx: colour primaries and transfer characteristics, two bytes each
    plays: int | None  # how often an animation is shown; None for ever


def read(path: Path) -> Head:
    """The facts of the first picture with colours, or of the first picture."""
    found = islice(iso_boxes.read(path.read_bytes()), _MAX_BOXES)
    head = b"".join(box.content for box in found if box.kind in (b"meta", b"moov"))
    configurations = [found[1][2] for found in re.finditer(rb"av1C(...)", head, re.DOTALL)]
    coloured = [byte for byte in configurations if not byte & _MONOCHROME]
    coded = [*coloured, *configurations, _ACROSS | _DOWN][0]
    nclx = re.search(rb"colrnclx(....)(..)", head, re.DOTALL)
    subsampling = _subsampling(coded)
    return Head(
        bits=12 if coded & _TWELVE_BIT else 10 if coded & _HIGH_BITDEPTH else 8,
        subsampling=subsampling,
        is_lossless=subsampling == "4:4:4" and nclx is not None and nclx[2] == _IDENTITY,
        colours=nclx[1] if nclx else None,
        plays=_plays(head),
    )


def with_colours_and_loop(encoded: bytes, colours: bytes | None, plays: int | None) -> bytes:
    """A file as Pillow writes it (sRGB, playing for ever), with a Head's colours and plays."""
    file = bytearray(encoded)
    if colours is not None:
        # The boxes are in front of all pictures.
        for found in re.finditer(rb"colrnclx", encoded[: encoded.index(b"mdat")]):
            file[found.end() : found.end() + 4] = colours
    edit = _Edit.find(encoded)
    if plays is not _FOREVER and edit is not None:
        edit.set_plays(file, plays)
    return bytes(file)


def _subsampling(coded: int) -> str:
    if coded & _MONOCHROME:
        return "4:0:0"
    if not coded & _ACROSS:
        return "4:4:4"
    return "4:2:0" if coded & _DOWN else "4:2:2"


def _plays(head: bytes) -> int | None:
    edit = _Edit.find(head)
    if edit is None:
        return _FOREVER
    if not edit.repeats:
        return 1
    if edit.total in (0xFFFFFFFF, 2**64 - 1) or not edit.once:
        return _FOREVER
    return max(1, -(-edit.total // edit.once))


class _Edit(NamedTuple):
    """The edit list of the first track. That of an animation that repeats has one entry."""

    flags_at: int
    repeats: bool
    once: int  # duration of one play, in the movie's units
    total: int

    @classmethod
    def find(cls, head: bytes) -> "_Edit | None":
        at = head.find(b"elst") + 4
        try:
            if at < 4 or struct.unpack_from(">I", head, at + 4) != (1,):
                return None
            once = _number(head, at, 8, 8)
            total = _number(head, head.index(b"tkhd") + 4, 20, 28)
        except (struct.error, ValueError, IndexError):
            return None
        return cls(at, bool(head[at + 3] & 1), once, total)

    def set_plays(self, file: bytearray, plays: int) -> None:
        total = min(self.once * plays, 2**63)
        if plays == 1:
            file[self.flags_at + 3] &= 0xFE
        for name, short, long in ((b"mvhd", 16, 24), (b"tkhd", 20, 28)):
            for found in re.finditer(name, bytes(file[: file.index(b"mdat")])):
                width, at = (8, long) if file[found.end()] == 1 else (4, short)
                at += found.end()
                file[at : at + width] = total.to_bytes(width, "big")


def _number(head: bytes, at: int, short: int, long: int) -> int:
    """A number of the box whose content is at `at`: `short` bytes on, in version 1 `long` bytes."""
    code, offset = (">Q", long) if head[at] == 1 else (">I", short)
    (number,) = struct.unpack_from(code, head, at + offset)
    return int(number)
