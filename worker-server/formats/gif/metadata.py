"""What the METADATA setting leaves of a GIF's extensions."""

from formats.gif.file import APPLICATION, COMMENT, Extension
from metadata import filters
from options import Metadata

# These are not metadata: the number of plays, and the colour profile.
_ESSENTIAL = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
_XMP = b"XMP DataXMP"
_MAGICK_IPTC = (b"MGK8BIM0000", b"MGKIPTC0000")  # as ImageMagick writes it
_NAME = slice(3, 14)
# It ends an XMP packet, which has no sub-blocks (XMP specification part 3, section 1.1.2).
_MAGIC_TRAILER = bytes([1, *range(255, -1, -1), 0])


def kept(extension: Extension, policy: Metadata) -> bytes:
    """The extension's bytes; empty where it is dropped."""
    if policy is Metadata.KEEP:
        return extension.raw
    if extension.label == COMMENT:
        return b"" if policy is Metadata.STRIP else extension.raw
    if extension.label != APPLICATION:
        return extension.raw
    name = extension.raw[_NAME]
    if policy is Metadata.STRIP:
        return extension.raw if name in _ESSENTIAL else b""
    if name == _XMP:
        return _xmp(extension.raw, policy)
    return b"" if name in _MAGICK_IPTC else extension.raw


def _xmp(raw: bytes, policy: Metadata) -> bytes:
    head, rest = raw[: _NAME.stop], raw[_NAME.stop :]
    packet = rest.removesuffix(_MAGIC_TRAILER)
    filtered = filters.xmp(packet, policy) if packet != rest else None
    return head + filtered + _MAGIC_TRAILER if filtered else b""
