"""A damaged JPEG comes back as libjpeg shows it, which most viewers use; or it fails.

A JPEG is damaged if it has bytes outside of its segments and scans before its end marker, or if
libjpeg warns about its data.
"""

import hashlib
import re
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageFile

from drawing.placement import PixelBox
from drawing.stamp import Stamp
from formats.jpeg.libjpeg.calls import JpegError
from formats.jpeg.libjpeg.coefficients import Coefficients
from formats.jpeg.recode import Draw, encoded_again
from formats.jpeg.segments import SEQUENTIAL, FrameHeader, Jpeg, Segment, assemble, parse

_ONLY_A_TRAILER = "extraneous bytes before marker 0xd9"
_NOT_IN_A_SCAN = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")  # markers
_ROWS = 256  # at a time


def recoded_as_shown(source: bytes, jpeg: Jpeg, box: PixelBox, draw: Draw) -> list[Segment]:
    """As recode.recoded, with whatever libjpeg decodes of the source."""
    with _coefficients(source, jpeg) as coefficients:
        return encoded_again(coefficients, jpeg, jpeg.frame, box, draw).segments


def check(source: bytes, written: bytes, frame: FrameHeader, box: PixelBox) -> None:
    """Compare the pixels of both outside of the MCUs under the box. Raises JpegError."""
    across, down = frame.mcu_size
    left, top, right, bottom = frame.mcus_under(box)
    # One more MCU on each side: subsampled colours are smoothed across the edges.
    ignored = (left - 1) * across, (top - 1) * down, (right + 1) * across, (bottom + 1) * down
    if _pixel_digest(source, ignored) != _pixel_digest(written, ignored):
        raise JpegError("it cannot be written as viewers show it")


def note(source: bytes, stamp: Stamp) -> None:
    """Note libjpeg's first warning, if it has any."""
    try:
        Coefficients(source, strict=True).close()
    except JpegError as warning:
        stamp.note(f"The JPEG is not whole, and is stored as viewers show it ({warning}).")


def load(path: Path, image: Image.Image, stamp: Stamp) -> None:
    """Load a damaged image that will be written in another format. Raises JpegError."""
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
    stream = _without_trailer(jpeg)
    try:
        return Coefficients(stream, strict=True)
    except JpegError as error:
        if not str(error).endswith(_ONLY_A_TRAILER):
            raise damage from None
    coefficients = Coefficients(stream)
    if not coefficients.has_every_scan:
        coefficients.close()
        raise damage
    return coefficients


def _without_trailer(jpeg: Jpeg) -> bytes:
    """The likely image where its end marker is missing: anything may follow its last scan."""
    segments = jpeg.segments
    if jpeg.frame.marker in SEQUENTIAL and jpeg.scans[0].payload[0] == len(jpeg.frame.components):
        segments = [*jpeg.before_scans, jpeg.scans[0]]
    *others, last = segments
    data, *_ = _NOT_IN_A_SCAN.split(last.data, maxsplit=1)
    return assemble([*others, last._replace(data=data)])


def _pixel_digest(content: bytes, without: PixelBox) -> bytes:
    """Of the pixels as shown, for the pixels of two large images would not fit into memory."""
    image = Image.open(BytesIO(content), formats=["JPEG"])
    _load_all_there_is(image)
    image.paste(0, without)
    digest = hashlib.sha256()
    for top in range(0, image.height, _ROWS):
        rows = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
        digest.update(rows.tobytes())
    return digest.digest()


def _load_all_there_is(image: Image.Image) -> None:
    """As viewers do: they show what was decoded before an error."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
