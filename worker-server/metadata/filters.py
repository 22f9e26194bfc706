"""What the METADATA setting makes of a block of metadata, whichever format carries it.

KEEP hands every block on as it is, damaged ones too. Otherwise what cannot be understood is
dropped: it might be what is to be removed.
"""

from collections.abc import Callable

import metadata.exif
import metadata.iptc
import metadata.xmp
from options import Metadata


def exif(tiff_block: bytes, policy: Metadata) -> bytes | None:
    """An EXIF block, with or without "Exif\\0\\0" before it, as the policy leaves it."""
    if policy is Metadata.STRIP:
        turned = orientation(tiff_block)
        return None if turned == 1 else metadata.exif.with_orientation(turned)
    return _kept(tiff_block, policy, metadata.exif.without_location)


def xmp(packet: bytes, policy: Metadata) -> bytes | None:
    """An XMP packet as the policy leaves it; never of another length."""
    return _kept(packet, policy, metadata.xmp.without_location)


def iptc(photoshop_irb: bytes, policy: Metadata) -> bytes | None:
    """Photoshop's image resource blocks (JPEG APP13, TIFF tag 34377) as the policy leaves them."""
    return _kept(photoshop_irb, policy, metadata.iptc.without_location)


def iim(record: bytes, policy: Metadata) -> bytes | None:
    """A bare IPTC-IIM record (TIFF tag 33723) as the policy leaves it."""
    return _kept(record, policy, metadata.iptc.iim_without_location)


def orientation(tiff_block: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 where there is none or it cannot be read."""
    return metadata.exif.orientation(tiff_block)


def exif_of(orientation: int) -> bytes:
    """An EXIF block that says nothing but the orientation."""
    return metadata.exif.with_orientation(orientation)


def _kept(
    block: bytes, policy: Metadata, without_location: Callable[[bytes], bytes | None]
) -> bytes | None:
    if policy is Metadata.KEEP:
        return block
    return None if policy is Metadata.STRIP else without_location(block)
