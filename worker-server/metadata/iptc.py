"""Photoshop's image resource blocks, and the IPTC-IIM record in one of them.

Adobe Photoshop File Formats Specification, "Image Resources Section"; IPTC-IIM 4.2 chapter 3.
"""

import hashlib
import struct
from collections.abc import Iterator

from metadata import xmp

_IIM, _XMP, _IIM_DIGEST = 0x0404, 0x0424, 0x0425
_EXIF = (0x0422, 0x0423)

_PLACES = {
    (2, 26),  # content location code
    (2, 27),  # content location name
    (2, 90),  # city
    (2, 92),  # sublocation
    (2, 95),  # province or state
    (2, 100),  # country code
    (2, 101),  # country name
}


def without_location(resources: bytes) -> bytes | None:
    """The image resource blocks without places; None if nothing is left."""
    kept: list[tuple[bytes, int, bytes]] = []
    digest = b""
    for head, number, data in _resources(resources):
        reduced: bytes | None = data
        if number == _IIM:
            reduced = iim_without_location(data)
        elif number == _XMP:
            reduced = xmp.without_location(data)
        elif number in _EXIF:
            reduced = None  # no writer is known to put EXIF here; JPEG and TIFF have their own
        if number == _IIM and reduced != data:
            # With the old digest, Photoshop would think that another program changed the record.
            digest = hashlib.md5(reduced or b"", usedforsecurity=False).digest()
        if reduced is not None:
            kept.append((head, number, reduced))
    blocks = b""
    for head, number, data in kept:
        content = digest if digest and number == _IIM_DIGEST else data
        blocks += head + struct.pack(">I", len(content)) + content + b"\0" * (len(content) % 2)
    return blocks or None


def _resources(resources: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Each block's head (signature, number, name), its number and its data, up to any damage."""
    at = 0
    while at + 8 <= len(resources) and resources[at : at + 4] in (b"8BIM", b"PHUT", b"MeSa"):
        number, name_length = struct.unpack_from(">HB", resources, at + 4)
        head_end = at + 6 + (1 + name_length + 1) // 2 * 2
        size = int.from_bytes(resources[head_end : head_end + 4], "big")
        data = resources[head_end + 4 : head_end + 4 + size]
        if head_end + 4 > len(resources) or len(data) < size:
            return
        yield resources[at:head_end], number, data
        at = head_end + 4 + size + size % 2


def iim_without_location(record: bytes) -> bytes | None:
    """The record without the data sets that name a place; None if none is left."""
    return b"".join(_data_sets(record)) or None


def _data_sets(record: bytes) -> Iterator[bytes]:
    """The data sets that may stay, up to any damage."""
    at = 0
    while record[at : at + 1] == b"\x1c" and at + 5 <= len(record):
        dataset = record[at + 1], record[at + 2]
        size = int.from_bytes(record[at + 3 : at + 5], "big")
        start = at + 5
        if size & 0x8000:  # an extended data set: the size's own length
            start += size & 0x7FFF
            size = int.from_bytes(record[at + 5 : start], "big")
        if start + size > len(record):
            return
        if dataset not in _PLACES:
            yield record[at : start + size]
        at = start + size
