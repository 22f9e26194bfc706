"""Photoshop's image resource blocks, and the IPTC-IIM record that is one of them.

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
    """The image resource blocks with no place in them; None if nothing is left."""
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
            # By the old digest, Photoshop would take the record for another program's work.
            digest = hashlib.md5(reduced or b"", usedforsecurity=False).digest()
        if reduced is not None:
            kept.append((head, number, reduced))
    return (
        b"".join(
            _block(head, digest if digest and number == _IIM_DIGEST else data)
            for head, number, data in kept
        )
        or None
    )


def _block(head: bytes, data: bytes) -> bytes:
    return head + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def _resources(resources: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Signature, number and name as they stand; the number; the data. Ends at what is damaged."""
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
    """The record's data sets but for those that name a place; None if none is left."""
    kept = b"".join(_data_sets(record))
    return kept or None


def _data_sets(record: bytes) -> Iterator[bytes]:
    """Those that may stay, as they stand, up to where the record is damaged."""
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
