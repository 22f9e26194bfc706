"""Changing a part of a JPEG's picture; the coefficients of all other blocks stay as they are."""

from collections.abc import Callable
from math import gcd

from formats.jpeg import splice
from formats.jpeg.libjpeg.coefficients import BLOCK, Box, Coefficients
from formats.jpeg.region import Picture
from formats.jpeg.segments import FRAMES, SEQUENTIAL, SOS, Frame, Jpeg, Segment, assemble, parse

Change = Callable[[Picture], None]
_LEAST_SHARE = 4096  # bytes


def recoded(jpeg: Jpeg, box: Box, change: Change) -> list[Segment]:
    """The picture's segments, after change was called with the part that box, in pixels, touches.

    Raises MemoryError, what change raises, and JpegError for any damage that is seen.
    """
    return _by_first_rows(jpeg, box, change) or _as_a_whole(jpeg, box, change)


def _by_first_rows(jpeg: Jpeg, box: Box, change: Change) -> list[Segment] | None:
    """Decode nothing below the box: with a logo at its top, a tenth of a photo is touched.

    None where that is no less than the whole, its codes are not those that libjpeg writes, or there
    are other markers in its data than are due.
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
    # Twice their share of the data: what is cut off of some that have more fails the comparison.
    share = 2 * len(scan.data) * rows.height // frame.height + _LEAST_SHARE
    with Coefficients(_stream(jpeg, rows, scan.data[:share])) as coefficients:
        if not coefficients.has_every_code or (last_code := coefficients.last_code) is None:
            return None
        before = _data(coefficients)
        change(Picture(coefficients, rows, box))
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


def changed(coefficients: Coefficients, jpeg: Jpeg, frame: Frame, box: Box, change: Change) -> Jpeg:
    """All of the picture encoded again. Raises as recoded does."""
    change(Picture(coefficients, frame, box))
    interleaved = frame.progressive or len(jpeg.scans) == 1
    return parse(coefficients.encoded(progressive=frame.progressive, interleaved=interleaved))


def _as_a_whole(jpeg: Jpeg, box: Box, change: Change) -> list[Segment]:
    frame = jpeg.whole_blocks()
    with Coefficients(_stream(jpeg, frame), strict=True) as coefficients:
        written = changed(coefficients, jpeg, frame, box, change)
    header = jpeg.frame._replace(marker=written.frame.marker, components=written.frame.components)
    return [header.segment() if s.marker in FRAMES else s for s in written.segments]


def _first_rows(frame: Frame, box: Box, interval: int) -> tuple[Frame, int]:
    """The frame of the first rows, and of how many MCUs it consists.

    It ends with a row that the box does not touch, for the codes that follow tell DC coefficients
    by their difference to the last ones, and with a restart interval, where there are such.
    """
    down = BLOCK * frame.most[1]
    count = -(-box[3] // down) + 1
    mcus = frame._replace(height=down).mcus
    if interval:
        step = interval // gcd(interval, mcus)
        count = -(-count // step) * step
    return frame._replace(height=count * down), count * mcus


def _stream(jpeg: Jpeg, frame: Frame, data: bytes | None = None) -> bytes:
    """The picture with that frame header, and with that data of its only scan."""
    segments = [frame.segment() if s.marker in FRAMES else s for s in jpeg.of_picture]
    if data is not None:
        segments = [s._replace(data=data) if s.marker == SOS else s for s in segments]
    return assemble(segments)


def _data(coefficients: Coefficients) -> bytes:
    [scan] = parse(coefficients.encoded(progressive=False, interleaved=True)).scans
    return scan.data
