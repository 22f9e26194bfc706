"""What an AVIF's boxes say that Pillow neither tells nor takes: chroma, colours, loops.

Boxes: ISO/IEC 14496-12. av1C: AV1 in ISOBMFF section 2.3. nclx: ISO/IEC 23091-2.
"""

import re
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

_MAX_HEAD_BYTES = 4_000_000  # of meta and moov each
_MAX_BOXES = 1000
_MONOCHROME, _ACROSS, _DOWN = 0x10, 0x08, 0x04  # bits of av1C's third byte
_DEEP, _TWELVE = 0x40, 0x20
_IDENTITY = b"\0\0"  # matrix coefficients of RGB, which lossless files have
_FOREVER = None


class Head(NamedTuple):
    bits: int
    subsampling: str  # "4:2:0"
    is_lossless: bool  # by all appearances
    colours: bytes | None  # nclx: colour primaries and transfer characteristics, two bytes each
    plays: int | None  # how often an animation is shown; None for ever


def read(path: Path) -> Head:
    """The facts of the first picture that has colours, or else the first."""
    with path.open("rb") as file:
        head = _head(file)
    configurations = [found[1][2] for found in re.finditer(rb"av1C(...)", head, re.DOTALL)]
    coded = next((byte for byte in configurations if not byte & _MONOCHROME), None)
    nclx = re.search(rb"colrnclx(....)(..)", head, re.DOTALL)
    if coded is None:
        coded = configurations[0] if configurations else _ACROSS | _DOWN
    subsampling = _subsampling(coded)
    return Head(
        bits=12 if coded & _TWELVE else 10 if coded & _DEEP else 8,
        subsampling=subsampling,
        is_lossless=subsampling == "4:4:4" and nclx is not None and nclx[2] == _IDENTITY,
        colours=nclx[1] if nclx else None,
        plays=_plays(head),
    )


def with_colours_and_loop(encoded: bytes, head: Head) -> bytes:
    """A file as Pillow writes it, of sRGB and playing for ever, made what head says."""
    file = bytearray(encoded)
    if head.colours is not None:
        # The boxes stand before any pictures.
        for found in re.finditer(rb"colrnclx", encoded[: encoded.index(b"mdat")]):
            file[found.end() : found.end() + 4] = head.colours
    edit = _Edit.find(encoded)
    if head.plays is not _FOREVER and edit is not None:
        edit.play(file, head.plays)
    return bytes(file)


def _subsampling(coded: int) -> str:
    if coded & _MONOCHROME:
        return "4:0:0"
    if not coded & _ACROSS:
        return "4:4:4"
    return "4:2:0" if coded & _DOWN else "4:2:2"


def _head(file: BinaryIO) -> bytes:
    """The boxes meta and moov, of a file whose lengths may be lies."""
    kept = b""
    for _ in range(_MAX_BOXES):
        start = file.read(16)
        if len(start) < 8:
            break
        size, name = struct.unpack_from(">I4s", start)
        if size == 1 and len(start) == 16:
            (size,) = struct.unpack_from(">Q", start, 8)
        file.seek(-len(start), 1)
        if name in (b"meta", b"moov"):
            kept += file.read(min(size or _MAX_HEAD_BYTES, _MAX_HEAD_BYTES))
        elif 8 <= size < 2**63 - file.tell():
            file.seek(size, 1)
        else:
            break
    return kept


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
    """The first track's edit list, which an animation that repeats has one entry of."""

    flags_at: int
    repeats: bool
    once: int  # what one time takes, in the movie's units
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

    def play(self, file: bytearray, times: int) -> None:
        total = min(self.once * times, 2**63)
        if times == 1:
            file[self.flags_at + 3] &= 0xFE
        for name, short, long in ((b"mvhd", 16, 24), (b"tkhd", 20, 28)):
            for found in re.finditer(name, bytes(file[: file.index(b"mdat")])):
                width, at = (8, long) if file[found.end()] == 1 else (4, short)
                at += found.end()
                file[at : at + width] = total.to_bytes(width, "big")


def _number(head: bytes, at: int, short: int, long: int) -> int:
    """Of the box whose content is at, the number behind short bytes, in version 1 behind long."""
    is_long = head[at] == 1
    (number,) = struct.unpack_from(
        ">Q" if is_long else ">I", head, at + (long if is_long else short)
    )
    return int(number)


def playing(encoded: bytes, plays: int | None) -> bytes:
    """An animation as Pillow writes it, shown that often."""
    return with_colours_and_loop(
        encoded, Head(8, "4:2:0", is_lossless=False, colours=None, plays=plays)
    )
