"""Old-style JPEG in TIFF (TIFF 6.0 section 22), which nobody writes any more.

Its page is read by libtiff as a whole, and becomes JPEG as it is done since (TTN2).
"""

from io import BytesIO
from pathlib import Path

from PIL import Image, JpegImagePlugin

from drawing import compositing, placement
from drawing.stamp import Overlay, Stamp
from formats.tiff.page import ROWS_PER_STRIP, STRIP_BYTES, STRIP_OFFSETS, Page

_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _SUBSAMPLING = 258, 259, 262, 277, 284, 530
_ORIENTATION, _JPEG, _YCBCR = 274, 7, 6
_STREAM, _STREAM_BYTES, _TABLES = 513, 514, 519
_SAMPLINGS: dict[tuple[int, ...], int] = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # Pillow's numbers
_OLD_TAGS = {*range(512, 522), 322, 323, 324, 325, 317, 347}
_NOTE = "A page in old-style JPEG is now in today's JPEG: nothing writes the old one."


def mark(
    page: Page,
    path: Path,
    number: int | None,
    overlay: Overlay | None,
    profile: bytes | None,
    stamp: Stamp,
) -> tuple[dict[int, tuple[int, ...]], set[int]]:
    """Returns what the page's directory has to say now, and what no longer."""
    with Image.open(path, formats=["TIFF"]) as image:
        image.seek(number or 0)
        image.load()  # upright now
        turn = placement.TO_STORED.get(page.number(_ORIENTATION, 1))
        stored = (image if turn is None else image.transpose(turn)).convert("YCbCr")
    if overlay is None:
        return {}, set()
    under = stored.crop(overlay.box).tobytes()
    compositing.composite(stored, overlay.logo, (overlay.left, overlay.top), profile)
    stamp.compare(under, stored.crop(overlay.box).tobytes())
    stamp.note(_NOTE)
    file = BytesIO()
    stored.save(file, "JPEG", optimize=True, **_as_before(page))
    with Image.open(file) as jpeg:
        across, down = jpeg.layer[0][1:3]  # type: ignore[attr-defined]
    coded = file.getvalue()
    for place in page.ranges:
        page.file.free(*place)
    [offset] = page.file.settle([coded])
    return {
        _BITS: (8, 8, 8),
        _COMPRESSION: (_JPEG,),
        _PHOTOMETRIC: (_YCBCR,),
        _SAMPLES: (3,),
        _PLANAR: (1,),
        _SUBSAMPLING: (across, down),
        STRIP_OFFSETS: (offset,),
        STRIP_BYTES: (len(coded),),
        ROWS_PER_STRIP: (page.height,),
    }, _OLD_TAGS


def _as_before(page: Page) -> dict[str, object]:
    """The tables that the page was coded with, in a JPEG of its own or named by tags."""
    start, size = page.number(_STREAM), page.number(_STREAM_BYTES)
    try:
        content = bytes(page.file.data[start : start + size] if size else page.file.data[start:])
        with Image.open(BytesIO(content), formats=["JPEG"]) as jpeg:
            tables = jpeg.quantization  # type: ignore[attr-defined]
            sampling = JpegImagePlugin.get_sampling(jpeg)
            if tables and sampling >= 0:
                return {"qtables": tables, "subsampling": sampling}
    except (OSError, SyntaxError, ValueError):
        pass
    zigzag = [page.file.data[at : at + 64] for at in page.values(_TABLES)[:2]]
    sampling = _SAMPLINGS.get(page.values(_SUBSAMPLING), 2)
    if not zigzag or any(len(table) < 64 for table in zigzag):
        return {"subsampling": sampling}
    tables = [[table[place] for place in JpegImagePlugin.zigzag_index] for table in zigzag]
    return {"qtables": tables, "subsampling": sampling}
