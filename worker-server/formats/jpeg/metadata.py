"""What a JPEG carries beside its picture (APPn and COM segments), and which of it goes on.

JFIF 1.02; Exif: CIPA DC-008 section 4.7; XMP: ISO 16684-3 section 1.1.3; further pictures: CIPA
DC-007 (MPF), ISO 21496-1 and Android's Ultra HDR and Motion Photo formats.
"""

import hashlib
from collections.abc import Iterable, Iterator

from drawing.stamp import Stamp
from formats.jpeg.segments import APP, COM, Jpeg, Segment
from metadata import filters, xmp
from options import Metadata

_JFIF, _EXIF, _PHOTOSHOP, _ICC = b"JFIF\0", b"Exif\0\0", b"Photoshop 3.0\0", b"ICC_PROFILE\0"
_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_FURTHER_PICTURES = (b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0")
_MAX_PAYLOAD = 65533
_GUID = slice(len(_MORE_XMP), len(_MORE_XMP) + 32)
_APP0, _APP1, _APP2, _APP13, _APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE

# A JFIF header that says no more than that this is one (JFIF 1.02): no density, no thumbnail.
_PLAIN_JFIF = _JFIF + bytes([1, 2, 0, 0, 1, 0, 1, 0, 0])


def orientation(jpeg: Jpeg) -> int:
    """What the first EXIF block says."""
    block = b"".join(s.payload[6:] for s in next(iter(_exif_blocks(_carriers(jpeg))), []))
    return filters.orientation(block)


def carried(jpeg: Jpeg, stamp: Stamp) -> list[Segment]:
    """The segments that go on, in their order, as METADATA leaves them."""
    segments = list(_of_one_picture(_carriers(jpeg)))
    _note_losses(jpeg, stamp)
    policy = stamp.options.metadata
    if policy is Metadata.STRIP:
        return list(_stripped(segments))
    return list(_without_places(segments)) if policy is Metadata.NOGPS else segments


def _carriers(jpeg: Jpeg) -> list[Segment]:
    segments = jpeg.segments if jpeg.whole else jpeg.before_scans
    return [s for s in segments if s.marker in APP or s.marker == COM]


def _is(segment: Segment, marker: int, *signatures: bytes) -> bool:
    return segment.marker == marker and segment.payload.startswith(signatures)


def _of_one_picture(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Without what refers to pictures or videos that followed the first picture."""
    for segment in segments:
        if _is(segment, _APP2, *_FURTHER_PICTURES):
            continue
        if _is(segment, _APP1, _XMP):
            packet = segment.payload.removeprefix(_XMP)
            yield segment._replace(payload=_XMP + xmp.of_one_picture(packet))
        else:
            yield segment


def _note_losses(jpeg: Jpeg, stamp: Stamp) -> None:
    lists_pictures = any(_is(s, _APP2, *_FURTHER_PICTURES) for s in jpeg.segments)
    if lists_pictures or b"\xff\xd8\xff" in jpeg.trailer:
        stamp.note(
            "Of several pictures in the file, such as an HDR gain map, only the first is kept."
        )
    if b"ftyp" in jpeg.trailer:
        stamp.note("The video of the motion photo is not kept.")


def _stripped(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Orientation, ICC profile, and what says in which colour space the picture is."""
    block = b"".join(s.payload[6:] for s in next(iter(_exif_blocks(segments)), []))
    for segment in segments:
        if _is(segment, _APP0, _JFIF):
            yield segment._replace(payload=_PLAIN_JFIF)
        elif _is(segment, _APP2, _ICC) or _is(segment, _APP14, b"Adobe"):
            yield segment
        elif _is(segment, _APP1, _EXIF) and (turned := filters.exif(block, Metadata.STRIP)):
            yield segment._replace(payload=_EXIF + turned)
            block = b""


def _exif_blocks(segments: Iterable[Segment]) -> list[list[Segment]]:
    """Each EXIF block's segments: one larger than 64 KB goes on in the next."""
    blocks: list[list[Segment]] = []
    for segment in segments:
        if _is(segment, _APP1, _EXIF):
            if not blocks or segment.payload[6:10] in (b"II*\0", b"MM\0*"):
                blocks.append([])
            blocks[-1].append(segment)
    return blocks


def _without_places(segments: list[Segment]) -> Iterator[Segment]:
    changed = dict(_changes(segments))
    for number, segment in enumerate(segments):
        yield from changed.get(number, [segment])


def _changes(segments: list[Segment]) -> Iterator[tuple[int, list[Segment]]]:
    """By number, the segments that are others or none, without the places in them."""
    number_of = {id(segment): number for number, segment in enumerate(segments)}
    for parts in _exif_blocks(segments):
        block = filters.exif(b"".join(s.payload[6:] for s in parts), Metadata.NOGPS)
        for part, new in _shared_out(parts, len(_EXIF), block):
            yield number_of[id(part)], new
    guids: dict[bytes, bytes] = {}
    for guid in {s.payload[_GUID] for s in segments if _is(s, _APP1, _MORE_XMP)}:
        parts = [s for s in segments if _is(s, _APP1, _MORE_XMP) and s.payload[_GUID] == guid]
        parts.sort(key=lambda part: part.payload[_GUID.stop + 4 : _GUID.stop + 8])
        packet = filters.xmp(b"".join(s.payload[_GUID.stop + 8 :] for s in parts), Metadata.NOGPS)
        guids[guid] = _digest(packet or b"")
        for part, new in _shared_out(parts, _GUID.stop + 8, packet):
            yield number_of[id(part)], [_with_guid(s, guids[guid]) for s in new]
    for number, segment in enumerate(segments):
        if _is(segment, _APP1, _XMP):
            main = filters.xmp(segment.payload.removeprefix(_XMP), Metadata.NOGPS)
            for old, digest in guids.items():
                main = main and main.replace(old, digest)
            yield number, [] if main is None else [segment._replace(payload=_XMP + main)]
    yield from _photoshop(segments)


def _shared_out(
    parts: list[Segment], head: int, content: bytes | None
) -> Iterator[tuple[Segment, list[Segment]]]:
    """Each part with what has become of it: none, or as much of the content as before."""
    at = 0
    for part in parts:
        size = len(part.payload) - head
        if content is None:
            yield part, []
        else:
            yield part, [part._replace(payload=part.payload[:head] + content[at : at + size])]
        at += size


def _digest(packet: bytes) -> bytes:
    """The name of an extended XMP packet."""
    return hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode()


def _with_guid(segment: Segment, guid: bytes) -> Segment:
    payload = segment.payload
    return segment._replace(payload=payload[: _GUID.start] + guid + payload[_GUID.stop :])


def _photoshop(segments: list[Segment]) -> Iterator[tuple[int, list[Segment]]]:
    """Its resources may go on from one segment to the next."""
    numbers = [n for n, segment in enumerate(segments) if _is(segment, _APP13, _PHOTOSHOP)]
    resources = b"".join(segments[n].payload.removeprefix(_PHOTOSHOP) for n in numbers)
    kept = filters.iptc(resources, Metadata.NOGPS) or b""
    if kept == resources:
        return
    room = _MAX_PAYLOAD - len(_PHOTOSHOP)
    for number in numbers:
        yield number, []
    pieces = [kept[at : at + room] for at in range(0, len(kept), room)]
    yield numbers[0], [Segment(_APP13, _PHOTOSHOP + piece) for piece in pieces]
