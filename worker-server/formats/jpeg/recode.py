"""Draws on a region of a JPEG; the coefficients of all other blocks are kept."""

from collections.abc import Callable
from math import gcd

from drawing.placement import PixelBox
from formats.jpeg import splice
from formats.jpeg.libjpeg.coefficients import Coefficients
from formats.jpeg.region import JpegRegion
from formats.jpeg.segments import SEQUENTIAL, SOS, FrameHeader, Jpeg, Segment, assemble, parse

Draw = Callable[[JpegRegion], None]
_LEAST_SHARE = 4096  # bytes


def recoded(jpeg: Jpeg, box: PixelBox, draw: Draw) -> list[Segment]:
    """The image's segments, after draw was called with the region that box touches.

    Raises MemoryError, what draw raises, and JpegError for any damage that is seen.
    """
    return _by_first_rows(jpeg, box, draw) or _as_a_whole(jpeg, box, draw)


def _by_first_rows(jpeg: Jpeg, box: PixelBox, draw: Draw) -> list[Segment] | None:
    """Decode only the rows down to the box's end: a tenth of a photo with the logo at its top.

    None where these are all rows, where libjpeg would write other codes, or where the data has
    other markers than are due.
    """
    if jpeg.frame.marker not in SEQUENTIAL or len(jpeg.scans) != 1:
        return None
    if jpeg.of_picture[-1].marker != SOS or not jpeg.has_markers_due():
        return None
    [scan] = jpeg.scans
    frame = jpeg.whole_blocks()
    rows, mcus = _first_rows(frame, box, jpeg.restart_interval())
    if rows.height >= frame.height:
        return None
    # Twice these rows' share of the data. Where they have more, the comparison below fails.
    share = 2 * len(scan.data) * rows.height // frame.height + _LEAST_SHARE
    with Coefficients(_stream(jpeg, rows, scan.data[:share])) as coefficients:
        if not coefficients.has_every_code or (last_code := coefficients.last_code) is None:
            return None
        before = _data(coefficients)
        draw(JpegRegion(coefficients, rows, box))
        if coefficients.has_drifted:
            return None
        after = _data(coefficients)
    if interval := jpeg.restart_interval():
        data = splice.at_restart(scan.data, before, after, mcus // interval)
    else:
        data = splice.spliced(scan.data, before, after, last_code)
    if data is None:
        return None
    return [s._replace(data=data) if s is scan else s for s in jpeg.of_picture]


def encoded_again(
    coefficients: Coefficients, jpeg: Jpeg, frame: FrameHeader, box: PixelBox, draw: Draw
) -> Jpeg:
    """The whole image encoded again, with the drawing. Raises as recoded does."""
    draw(JpegRegion(coefficients, frame, box))
    interleaved = frame.progressive or len(jpeg.scans) == 1
    return parse(coefficients.encoded(progressive=frame.progressive, interleaved=interleaved))


def _as_a_whole(jpeg: Jpeg, box: PixelBox, draw: Draw) -> list[Segment]:
    frame = jpeg.whole_blocks()
    with Coefficients(_stream(jpeg, frame), strict=True) as coefficients:
        written = encoded_again(coefficients, jpeg, frame, box, draw)
    header = jpeg.frame._replace(marker=written.frame.marker, components=written.frame.components)
    return header.put_into(written.segments)


def _first_rows(frame: FrameHeader, box: PixelBox, interval: int) -> tuple[FrameHeader, int]:
    """The frame header of the first rows, and their number of MCUs.

    The last row is one that the box does not touch: the codes that follow it are differences to its
    DC coefficients. Where there are restart intervals, the rows end with one.
    """
    _, down = frame.mcu_size
    count = frame.mcus_under(box)[3] + 1
    mcus = frame._replace(height=down).mcus
    if interval:
        step = interval // gcd(interval, mcus)
        count = -(-count // step) * step
    return frame._replace(height=count * down), count * mcus


def _stream(jpeg: Jpeg, frame: FrameHeader, data: bytes | None = None) -> bytes:
    """The image with another frame header, and with other data in its only scan if given."""
    segments = frame.put_into(jpeg.of_picture)
    if data is not None:
        segments = [s._replace(data=data) if s.marker == SOS else s for s in segments]
    return assemble(segments)


def _data(coefficients: Coefficients) -> bytes:
    [scan] = parse(coefficients.encoded(progressive=False, interleaved=True)).scans
    return scan.data
