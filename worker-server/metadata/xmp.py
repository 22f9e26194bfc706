"""An XMP packet (ISO 16684-1): RDF in XML. Properties are removed by overwriting them with spaces.

So the packet keeps its length, its padding and every other byte.
"""

import re
from collections.abc import Callable
from xml.parsers import expat

Unwanted = Callable[[str, str], bool]  # of a property's namespace and name

_PLACES = {  # of each namespace
    "http://ns.adobe.com/photoshop/1.0/": ("City", "State", "Country"),
    "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": ("Location", "CountryCode"),
    "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": ("LocationCreated", "LocationShown"),
    "http://www.w3.org/2003/01/geo/wgs84_pos#": ("lat", "long", "alt"),
    "http://purl.org/dc/elements/1.1/": ("coverage",),
    "http://purl.org/dc/terms/": ("spatial",),
}
# In any namespace: drones and phones have their own.
_PLACE_NAMES = re.compile(r"gps|(.*(latitude|longitude|altitude|location))$", re.IGNORECASE)
_GAIN_MAPS = {"http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.apple.com/HDRGainMap/1.0/"}
_CONTAINERS = {
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/dd/1.0/container/",
}
_MAX_BYTES = 16_000_000

# XML 1.0 sections 3.1 and 2.3, for tags that expat has found well-formed.
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_TAG = re.compile(rb"<[^\s/>]+(?:" + _ATTRIBUTE.pattern + rb")*\s*/?>")


def without_location(packet: bytes) -> bytes | None:
    """The packet without coordinates and place names; None if it cannot be read."""
    return _without(packet, _is_place)


def _is_place(namespace: str, name: str) -> bool:
    return _PLACE_NAMES.match(name) is not None or name in _PLACES.get(namespace, ())


def of_one_picture(packet: bytes) -> bytes:
    """The packet without properties of a video or of further pictures, if it can be read.

    These are of Android's Motion Photo, Ultra HDR and Dynamic Depth formats.
    """
    return _without(packet, _is_of_other_pictures) or packet


def _is_of_other_pictures(namespace: str, name: str) -> bool:
    return (
        namespace in _GAIN_MAPS
        or (name == "Directory" and namespace in _CONTAINERS)
        or name.startswith(("MicroVideo", "MotionPhoto"))
    )


def _without(packet: bytes, unwanted: Unwanted) -> bytes | None:
    """The packet with the unwanted properties blanked; None if it is not XML in UTF-8."""
    document = packet.rstrip(b"\0 \t\r\n")  # some writers end it with zeros
    if len(document) > _MAX_BYTES:
        return None
    try:
        return _Blanker(document, unwanted).result() + packet[len(document) :]
    except (expat.ExpatError, _Unreadable, ValueError):
        return None


class _Unreadable(Exception):
    """It may hold properties that this module does not see."""


class _Blanker:
    def __init__(self, document: bytes, unwanted: Unwanted) -> None:
        self._blanked = bytearray(document)
        self._document = document
        self._unwanted = unwanted
        self._started: list[tuple[int, int] | None] = []  # the tag of each element, if unwanted
        self._parser = expat.ParserCreate("utf-8", namespace_separator=" ")
        self._parser.ordered_attributes = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse

    def result(self) -> bytes:
        self._parser.Parse(self._document, True)
        return bytes(self._blanked)

    def _refuse(self, *_: object) -> None:
        raise _Unreadable  # an entity could hide a property; XMP has none

    def _start(self, name: str, attributes: list[str]) -> None:
        at = self._parser.CurrentByteIndex
        tag = _TAG.match(self._document, at)
        if tag is None:
            raise _Unreadable
        self._started.append(tag.span() if self._is_unwanted(name) else None)
        spans = [m.span() for m in _ATTRIBUTE.finditer(tag[0]) if not m[1].startswith(b"xmlns")]
        for attribute, (start, end) in zip(attributes[::2], spans, strict=True):
            if self._is_unwanted(attribute):
                self._blank(at + start, at + end)

    def _end(self, name: str) -> None:
        started = self._started.pop()
        if started is not None:
            start, end = started
            if not self._document.endswith(b"/>", start, end):
                end = self._document.index(b">", self._parser.CurrentByteIndex) + 1
            self._blank(start, end)

    def _is_unwanted(self, name: str) -> bool:
        namespace, _, local = name.rpartition(" ")
        return self._unwanted(namespace, local)

    def _blank(self, start: int, end: int) -> None:
        self._blanked[start:end] = b" " * (end - start)
