"""The metadata of a JPEG (APPn and COM segments), and what METADATA leaves of it.

JFIF 1.02; Exif: CIPA DC-008 section 4.7; XMP: ISO 16684-3 section 1.1.3; further images: CIPA
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
_FURTHER_IMAGES = (b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0")
_MAX_PAYLOAD = 65533
_GUID = slice(len(_MORE_XMP), len(_MORE_XMP) + 32)
_APP0, _APP1, _APP2, _APP13, _APP14 = 0xE0, 0xE1, 0xE2, 0xED, 0xEE

# A JFIF header without density and thumbnail (JFIF 1.02)
_PLAIN_JFIF = _JFIF + bytes([1, 2, 0, 0, 1, 0, 1, 0, 0])


def orientation(jpeg: Jpeg) -> int:
    """By the first EXIF block."""
    return filters.orientation(_first_exif(_metadata(jpeg)))


def kept(jpeg: Jpeg, stamp: Stamp) -> list[Segment]:
    """The segments that METADATA leaves, in their order."""
    segments = list(_of_one_image(_metadata(jpeg)))
    _note_losses(jpeg, stamp)
    policy = stamp.options.metadata
    if policy is Metadata.STRIP:
        return list(_stripped(segments))
    return list(_without_places(segments)) if policy is Metadata.NOGPS else segments


def _metadata(jpeg: Jpeg) -> list[Segment]:
    segments = jpeg.segments if jpeg.whole else jpeg.before_scans
    return [s for s in segments if s.marker in APP or s.marker == COM]


def _is(segment: Segment, marker: int, *signatures: bytes) -> bool:
    return segment.marker == marker and segment.payload.startswith(signatures)


def _of_one_image(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Without references to images or videos after the first image."""
    for segment in segments:
        if _is(segment, _APP2, *_FURTHER_IMAGES):
            continue
        if _is(segment, _APP1, _XMP):
            packet = segment.payload.removeprefix(_XMP)
            yield segment._replace(payload=_XMP + xmp.of_one_picture(packet))
        else:
            yield segment


def _note_losses(jpeg: Jpeg, stamp: Stamp) -> None:
    lists_pictures = any(_is(s, _APP2, *_FURTHER_IMAGES) for s in jpeg.segments)
    if lists_pictures or b"\xff\xd8\xff" in jpeg.trailer:
        stamp.note(
            "Of several pictures in the file, such as an HDR gain map, only the first is kept."
        )
    if b"ftyp" in jpeg.trailer:
        stamp.note("The video of the motion photo is not kept.")


def _stripped(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Orientation, ICC profile, and the colour space."""
    block = _first_exif(segments)
    for segment in segments:
        if _is(segment, _APP0, _JFIF):
            yield segment._replace(payload=_PLAIN_JFIF)
        elif _is(segment, _APP2, _ICC) or _is(segment, _APP14, b"Adobe"):
            yield segment
        elif _is(segment, _APP1, _EXIF) and (turned := filters.exif(block, Metadata.STRIP)):
            yield segment._replace(payload=_EXIF + turned)
            block = b""


def _exif_blocks(segments: Iterable[Segment]) -> list[list[Segment]]:
    """Each EXIF block's segments: a block of more than 64 KB continues in the next segment."""
    blocks: list[list[Segment]] = []
    for segment in segments:
        if _is(segment, _APP1, _EXIF):
            if not blocks or segment.payload[6:10] in (b"II*\0", b"MM\0*"):
                blocks.append([])
            blocks[-1].append(segment)
    return blocks


def _first_exif(segments: Iterable[Segment]) -> bytes:
    return _joined(next(iter(_exif_blocks(segments)), []), len(_EXIF))


def _joined(parts: list[Segment], head: int) -> bytes:
    """The content of all parts, each without its head of that length."""
    return b"".join(part.payload[head:] for part in parts)


def _without_places(segments: list[Segment]) -> Iterator[Segment]:
    replaced = dict(_replacements(segments))
    for segment in segments:
        yield from replaced.get(id(segment), [segment])


def _replacements(segments: list[Segment]) -> Iterator[tuple[int, list[Segment]]]:
    """By id, what replaces each segment that may tell a place: another one, or none."""
    for parts in _exif_blocks(segments):
        block = filters.exif(_joined(parts, len(_EXIF)), Metadata.NOGPS)
        yield from _split_again(parts, len(_EXIF), block)
    guids: dict[bytes, bytes] = {}
    for guid in {s.payload[_GUID] for s in segments if _is(s, _APP1, _MORE_XMP)}:
        parts = [s for s in segments if _is(s, _APP1, _MORE_XMP) and s.payload[_GUID] == guid]
        parts.sort(key=lambda part: part.payload[_GUID.stop + 4 : _GUID.stop + 8])
        packet = filters.xmp(_joined(parts, _GUID.stop + 8), Metadata.NOGPS)
        guids[guid] = _new_guid(packet or b"")
        for part, new in _split_again(parts, _GUID.stop + 8, packet):
            yield part, [_with_guid(s, guids[guid]) for s in new]
    for segment in segments:
        if _is(segment, _APP1, _XMP):
            main = filters.xmp(segment.payload.removeprefix(_XMP), Metadata.NOGPS)
            for old, new_guid in guids.items():
                main = main and main.replace(old, new_guid)
            yield id(segment), [] if main is None else [segment._replace(payload=_XMP + main)]
    yield from _photoshop(segments)


def _split_again(
    parts: list[Segment], head: int, content: bytes | None
) -> Iterator[tuple[int, list[Segment]]]:
    """By id, what replaces each part: none, or a segment with as much of the content as it had."""
    at = 0
    for part in parts:
        end = at + len(part.payload) - head
        new = part._replace(payload=part.payload[:head] + (content or b"")[at:end])
        yield id(part), [] if content is None else [new]
        at = end


def _new_guid(packet: bytes) -> bytes:
    """Of an extended XMP packet: its MD5."""
    return hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode()


def _with_guid(segment: Segment, guid: bytes) -> Segment:
    payload = segment.payload
    return segment._replace(payload=payload[: _GUID.start] + guid + payload[_GUID.stop :])


def _photoshop(segments: list[Segment]) -> Iterator[tuple[int, list[Segment]]]:
    """Its resources may continue from one segment to the next."""
    parts = [segment for segment in segments if _is(segment, _APP13, _PHOTOSHOP)]
    resources = _joined(parts, len(_PHOTOSHOP))
    filtered = filters.iptc(resources, Metadata.NOGPS) or b""
    if filtered == resources:
        return
    for part in parts:
        yield id(part), []
    most = _MAX_PAYLOAD - len(_PHOTOSHOP)
    pieces = [filtered[at : at + most] for at in range(0, len(filtered), most)]
    yield id(parts[0]), [Segment(_APP13, _PHOTOSHOP + piece) for piece in pieces]
