"""What the METADATA setting leaves of a block of metadata, in any format.

KEEP leaves every block as it is, damaged ones too. The other policies drop a block that cannot be
understood: it might hold what is to be removed.
"""

from collections.abc import Callable

import metadata.exif
import metadata.iptc
import metadata.xmp
from options import Metadata

orientation = metadata.exif.orientation
exif_of = metadata.exif.with_orientation


def exif(tiff_block: bytes | None, policy: Metadata) -> bytes | None:
    """An EXIF block, with or without "Exif\\0\\0" before it."""
    if policy is Metadata.STRIP:
        turned = orientation(tiff_block or b"")
        return None if turned == 1 else exif_of(turned)
    return _kept(tiff_block, policy, metadata.exif.without_location)


def xmp(packet: bytes | None, policy: Metadata) -> bytes | None:
    """An XMP packet. Its length never changes."""
    return _kept(packet, policy, metadata.xmp.without_location)


def xmp_of_one_picture(packet: bytes | None, policy: Metadata) -> bytes | None:
    """An XMP packet, for a file whose video and further pictures are dropped."""
    return xmp(metadata.xmp.of_one_picture(packet), policy) if packet else None


def iptc(photoshop_irb: bytes, policy: Metadata) -> bytes | None:
    """Photoshop's image resource blocks (JPEG APP13, TIFF tag ImageResources)."""
    return _kept(photoshop_irb, policy, metadata.iptc.without_location)


def iim(record: bytes, policy: Metadata) -> bytes | None:
    """A bare IPTC-IIM record (TIFF tag IPTCNAA)."""
    return _kept(record, policy, metadata.iptc.iim_without_location)


def _kept(
    block: bytes | None, policy: Metadata, without_location: Callable[[bytes], bytes | None]
) -> bytes | None:
    if policy is Metadata.KEEP or block is None:
        return block
    return None if policy is Metadata.STRIP else without_location(block)
