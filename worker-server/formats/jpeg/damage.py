"""A damaged JPEG comes back as libjpeg shows it, which most viewers use; or it fails.

That is one whose bytes up to its end marker are not all part of a segment or of a scan's data, or
about whose data libjpeg warns.
"""

import hashlib
import re
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageFile

from drawing.stamp import Stamp
from formats.jpeg.libjpeg.calls import JpegError
from formats.jpeg.libjpeg.coefficients import BLOCK, Box, Coefficients
from formats.jpeg.recode import Change, changed
from formats.jpeg.segments import SEQUENTIAL, Frame, Jpeg, Segment, assemble, parse

_ONLY_A_TRAILER = "extraneous bytes before marker 0xd9"
_OTHER_MARKER = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")  # than belong into a scan's data
_ROWS = 256  # at a time


def recoded(source: bytes, jpeg: Jpeg, box: Box, change: Change) -> list[Segment]:
    """The same as recode.recoded, of all that libjpeg makes of the source."""
    with _coefficients(source, jpeg) as coefficients:
        return changed(coefficients, jpeg, jpeg.frame, box, change).segments


def check(source: bytes, written: bytes, frame: Frame, box: Box) -> None:
    """Compare what both show beside the blocks that box touches. Raises JpegError."""
    across, down = (BLOCK * most for most in frame.most)
    # One more block all around: colours of less resolution are smoothed across its edges.
    left, top = (box[0] // across - 1) * across, (box[1] // down - 1) * down
    right, bottom = (-(-box[2] // across) + 1) * across, (-(-box[3] // down) + 1) * down
    blocks = left, top, right, bottom
    if _digest(source, blocks) != _digest(written, blocks):
        raise JpegError("it cannot be written as viewers show it")


def note(source: bytes, stamp: Stamp) -> None:
    """Tell of libjpeg's first warning, if it has any."""
    try:
        Coefficients(source, strict=True).close()
    except JpegError as warning:
        stamp.note(f"The JPEG is not whole, and is stored as viewers show it ({warning}).")


def load(path: Path, image: Image.Image, stamp: Stamp) -> None:
    """Load a damaged image, for its pixels to be written in another format. Raises JpegError."""
    source = path.read_bytes()
    jpeg = parse(source)
    if not jpeg.whole or (len(jpeg.scans) == 1 and not jpeg.has_markers_due()):
        _coefficients(source, jpeg).close()
        _load_all_there_is(image)
        note(source, stamp)


def _coefficients(source: bytes, jpeg: Jpeg) -> Coefficients:
    damage = JpegError("it is truncated, or a part of it is lost")
    if jpeg.ended:
        try:
            return Coefficients(source)
        except JpegError as error:
            damage = error
    if not jpeg.scans:
        raise damage
    picture = _without_trailer(jpeg)
    try:
        return Coefficients(picture, strict=True)
    except JpegError as error:
        if not str(error).endswith(_ONLY_A_TRAILER):
            raise damage from None
    coefficients = Coefficients(picture)
    if not coefficients.has_every_scan:
        coefficients.close()
        raise damage
    return coefficients


def _without_trailer(jpeg: Jpeg) -> bytes:
    """What may be the whole picture where its end marker is missing: anything may follow it."""
    segments = jpeg.segments
    if jpeg.frame.marker in SEQUENTIAL and jpeg.scans[0].payload[0] == len(jpeg.frame.components):
        segments = [*jpeg.before_scans, jpeg.scans[0]]
    *others, last = segments
    data, *_ = _OTHER_MARKER.split(last.data, maxsplit=1)
    return assemble([*others, last._replace(data=data)])


def _digest(content: bytes, without: Box) -> bytes:
    """Of what is shown; two large pictures would not fit into memory."""
    image = Image.open(BytesIO(content), formats=["JPEG"])
    _load_all_there_is(image)
    image.paste(0, without)
    digest = hashlib.sha256()
    for top in range(0, image.height, _ROWS):
        rows = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        digest.update(rows.tobytes())
    return digest.digest()


def _load_all_there_is(image: Image.Image) -> None:
    """As viewers do it, which show what they have when an error comes."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
