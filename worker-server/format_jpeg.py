"""JPEG, and the first picture of an MPO or Ultra HDR file: its coefficients change where the logo
is, and hardly anywhere else (jpeg_decoding says how); all else is carried over.
"""

import resource
from io import BytesIO
from itertools import product
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

import compositing
import jpeg_decoding
import jpeg_encoding
import jpeg_metadata
import jpeg_stream
from errors import ImageRejected
from jpeg_decoding import Picture
from jpeg_stream import APP, COM, FRAMES, Jpeg, Segment
from stamp import Overlay, Stamp

_WRITTEN = {0xC0, 0xC1, 0xC2}  # baseline, extended and progressive, with Huffman codes
_ARITHMETIC = {0xC9, 0xCA}
_LARGE = 4_000_000  # pixels; of smaller ones, tiles tell too little
_LITTLE = 0.2  # of 255 levels
_TILES, _TILE = 6, 64  # a row, and pixels
_DRAWN = [0] + [255] * 255  # by alpha
_MAX_SCANNED = 4_000_000_000  # pixels times scans; a progressive file has some ten scans
_PROCESS_BYTES = 60_000_000  # what a child takes before it opens an image


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    jpeg = jpeg_stream.parse(path.read_bytes())
    _check(jpeg, stamp)
    _check_end(image, jpeg)
    overlay = stamp.overlay(image.size, jpeg_metadata.orientation(jpeg))
    if overlay is None:
        image.load()  # whether it can be
        coded = [s for s in jpeg.segments if s.marker not in APP and s.marker != COM]
    else:
        coded = _coded(image, jpeg, overlay)
    return jpeg_stream.assemble(_with_carried(coded, jpeg, stamp))


def _coded(image: Image.Image, jpeg: Jpeg, overlay: Overlay) -> list[Segment]:
    """The picture with the logo on it: by Pillow alone, twice as fast, where that will do."""
    profile, optimize = image.info.get("icc_profile"), _is_optimised(jpeg)
    if _is_large_and_usual(jpeg):
        image.load()
        if _changes_little(image, jpeg):
            compositing.composite(image, overlay.logo, overlay.box[:2], profile)
            return jpeg_encoding.encoded_by_pillow(image, jpeg, optimize=optimize)
    picture = jpeg_decoding.decoded(jpeg)
    _put(overlay, picture, _colours(jpeg), profile)
    return jpeg_encoding.encoded(picture, jpeg, optimize=optimize)


def _is_large_and_usual(jpeg: Jpeg) -> bool:
    first, *others = jpeg.frame.ratios
    is_usual = first == (1, 1) and others in ([(1, 1)] * 2, [(2, 1)] * 2, [(2, 2)] * 2)
    is_large = jpeg.frame.width * jpeg.frame.height >= _LARGE
    return is_large and is_usual and _colours(jpeg) == "YCbCr"


def _changes_little(image: Image.Image, jpeg: Jpeg) -> bool:
    """Whether encoding what Pillow decoded changes pixels by less than _LITTLE, on the mean.

    Tried on tiles from all over the picture, each in the middle of its share, cut where blocks
    begin.
    """
    sheet = Image.new(image.mode, (_TILES * _TILE, _TILES * _TILE))
    counted = Image.new("L", sheet.size)  # not where chroma is smoothed across two tiles
    for row, column in product(range(_TILES), repeat=2):
        left, top = (
            (side * (2 * place + 1) // (2 * _TILES) - _TILE // 2) // 16 * 16
            for side, place in ((image.width, column), (image.height, row))
        )
        tile = image.crop((left, top, left + _TILE, top + _TILE))
        corner = column * _TILE, row * _TILE
        sheet.paste(tile, corner)
        counted.paste(
            255, (corner[0] + 2, corner[1] + 2, corner[0] + _TILE - 2, corner[1] + _TILE - 2)
        )
    segments = jpeg_encoding.encoded_by_pillow(sheet, jpeg, optimize=False)
    again = Image.open(BytesIO(jpeg_stream.assemble(segments)))
    return max(ImageStat.Stat(ImageChops.difference(sheet, again), counted).mean) < _LITTLE


def _with_carried(coded: list[Segment], jpeg: Jpeg, stamp: Stamp) -> list[Segment]:
    """The picture with what the source carries before it, and after its frame header."""
    carried = jpeg_metadata.carried(jpeg, stamp)
    of_source = [s.marker in FRAMES for s in jpeg.segments].index(True)
    late = {id(segment) for segment in jpeg.segments[of_source:]}
    behind = 1 + [s.marker in FRAMES for s in coded].index(True)
    first = [segment for segment in carried if id(segment) not in late]
    second = [segment for segment in carried if id(segment) in late]
    return [*first, *coded[:behind], *second, *coded[behind:]]


def _check(jpeg: Jpeg, stamp: Stamp) -> None:
    """Refuse what cannot be written, or would take all day. Raises ImageRejected, MemoryError."""
    frame = jpeg.frame
    if frame.marker in _ARITHMETIC:
        stamp.note("Arithmetic coding, which few programs can read, is replaced by Huffman's.")
    elif frame.marker not in _WRITTEN:
        detail = "JPEG of the lossless or hierarchical kinds can be read but not written."
        raise ImageRejected("not_encodable", detail)
    if len(jpeg.scans) * frame.width * frame.height > _MAX_SCANNED:
        detail = f"A JPEG of {frame.width} x {frame.height} pixels does not need so many scans."
        raise ImageRejected("too_many_scans", detail)
    # libjpeg would say only "broken data stream".
    if frame.progressive and not _fits(jpeg):
        raise MemoryError


def _check_end(image: Image.Image, jpeg: Jpeg) -> None:
    """Refuse a file that stops in its picture, as Pillow does; libjpeg would fill up the rest."""
    if not jpeg.complete:
        image.load()


def _is_optimised(jpeg: Jpeg) -> bool:
    """Whether to make Huffman tables for the picture, as its source did; that needs memory."""
    wanted = jpeg.has_own_huffman_tables() or jpeg.frame.marker in _ARITHMETIC
    return wanted and not jpeg.frame.progressive and _fits(jpeg)


def _fits(jpeg: Jpeg) -> bool:
    """Whether all coefficients, 2 bytes each, find room beside Pillow's pixels, and besides 2
    bytes for each pixel that is written.
    """
    frame = jpeg.frame
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    across, down = frame.most
    samples = sum(c.across * c.down for c in frame.components) / (across * down)
    bytes_per_pixel = (1 if len(frame.components) == 1 else 4) + 2 * samples + 2
    needed = _PROCESS_BYTES + frame.width * frame.height * bytes_per_pixel
    return limit == resource.RLIM_INFINITY or needed <= limit


def _colours(jpeg: Jpeg) -> str:
    """What the components are, by the rules of libjpeg (jdapimin.c, default_decompress_parms)."""
    adobe = jfif = None
    for marker, payload, _ in jpeg.segments:
        if marker == 0xE0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
            jfif = payload
        elif marker == 0xEE and payload.startswith(b"Adobe") and len(payload) >= 12:
            adobe = payload[11]
    names = bytes(component.identifier for component in jpeg.frame.components)
    if len(names) == 1:
        return "L"
    if len(names) == 4:
        return "CMYK" if adobe in (None, 0) else "YCCK"
    if jfif is None and (adobe == 0 or (adobe is None and names == b"RGB")):
        return "RGB"
    return "YCbCr"


def _put(overlay: Overlay, picture: Picture, colours: str, profile: bytes | None) -> None:
    """Composite the logo in the colours that the components stand for."""
    left, top, right, bottom = overlay.box
    box = left // 2 * 2, top // 2 * 2, right + right % 2, bottom + bottom % 2
    corner = left - box[0], top - box[1]
    stored = picture.crop(box)
    region = _shown(stored, colours)
    compositing.composite(region, overlay.logo, corner, profile)
    # Where the logo is transparent, not even rounding may change a pixel.
    drawn = overlay.logo.getchannel("A").point(_DRAWN)
    mask = Image.new("L", stored.size)
    mask.paste(drawn, corner)
    stored.paste(_stored(region, colours), (0, 0), mask)
    picture.paste(stored, box)


def _shown(stored: Image.Image, colours: str) -> Image.Image:
    bands = stored.split()
    if colours == "RGB":
        return Image.merge("RGB", bands)
    if colours == "YCbCr":
        return stored.convert("RGB")
    if colours == "YCCK":
        # jpeg_decoding leaves them inverted, and so are the colours that they stand for.
        inks = Image.merge("YCbCr", [ImageChops.invert(band) for band in bands[:3]])
        return Image.merge("CMYK", [*inks.convert("RGB").split(), bands[3]])
    return stored


def _stored(region: Image.Image, colours: str) -> Image.Image:
    bands = region.split()
    if colours == "RGB":
        return Image.merge("YCbCr", bands)  # the mode of any three components
    if colours == "YCbCr":
        return region.convert("YCbCr")
    if colours == "YCCK":
        inks = Image.merge("RGB", bands[:3]).convert("YCbCr").split()
        return Image.merge("CMYK", [*(ImageChops.invert(band) for band in inks), bands[3]])
    return region
