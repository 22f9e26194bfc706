"""Which tags of a TIFF stay under which policy."""

from formats.tiff.file import EXIF, GLOBAL_PARAMETERS, GPS, INTEROPERABILITY, Directory, TiffFile
from metadata import filters
from options import Metadata

_XMP, _IIM, _PHOTOSHOP = 700, 33723, 34377
# What it takes to show the picture: TIFF 6.0, its supplements 1 and 2, the ICC profile (34675),
# and what the widespread formats within TIFF put beside (32995-32998: SGI).
_STRUCTURE = {
    *range(254, 260), 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 290, 291,
    292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339,
    340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 532, 34675,
    32995, 32996, 32997, 32998,
}  # fmt: skip
# GPS, and where on Earth a GeoTIFF's pixels lie (OGC 19-008r4 section 7)
_PLACES = {GPS, 33550, 33922, 34264, 34735, 34736, 34737}
_BLOCKS = {
    _XMP: (filters.xmp, b" "),
    _IIM: (filters.iim, b"\0"),
    _PHOTOSHOP: (filters.iptc, b"\0"),
}


def dropped(file: TiffFile, directory: Directory, policy: Metadata) -> set[int]:
    """The tags of a directory that have to go; blocks that stay lose what has to go from them."""
    if policy is Metadata.KEEP:
        return set()
    if policy is Metadata.STRIP:
        return directory.entries.keys() - _STRUCTURE
    gone = directory.entries.keys() & _PLACES
    for tag, (reduce, filling) in _BLOCKS.items():
        if entry := directory.entries.get(tag):
            value = reduce(file.raw(entry), policy)
            room = entry.end - entry.start
            if value is None or len(value) > room:
                gone.add(tag)
            else:
                file.data[entry.start : entry.end] = value.ljust(room, filling)
    return gone


def blank(file: TiffFile, policy: Metadata) -> None:
    """Overwrite the tables of tags that nothing leads to any more."""
    gone = {Metadata.NOGPS: {GPS}, Metadata.KEEP: set()}.get(
        policy, {EXIF, GPS, INTEROPERABILITY, GLOBAL_PARAMETERS}
    )
    for directory in file.directories:
        if directory.tag in gone:
            file.blank(directory)
