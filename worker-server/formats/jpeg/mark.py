"""JPEG, and the first picture of an MPO or Ultra HDR file: only the coefficients of blocks that the
logo touches change (recode.py, region.py); all else is carried over. A damaged one: damage.py.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from drawing import compositing
from drawing.stamp import Overlay, Stamp
from errors import ImageRejected
from formats.jpeg import damage, metadata, recode, segments
from formats.jpeg.libjpeg.calls import JpegError
from formats.jpeg.libjpeg.coefficients import Box
from formats.jpeg.region import Picture
from formats.jpeg.segments import ARITHMETIC, FRAMES, SEQUENTIAL, Jpeg, Segment

_WRITTEN = {*SEQUENTIAL, 0xC2}
_DRAWN = [0] + [255] * 255  # by alpha
_FAINT = 64  # levels
_NO_CHANGE: tuple[Box, recode.Change] = (0, 0, 0, 0), lambda _: None
_MAX_SCANNED = 4_000_000_000  # pixels times scans; a progressive file has some ten scans


def marked(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    source = path.read_bytes()
    jpeg = segments.parse(source)
    _check(jpeg, stamp)
    overlay = stamp.overlay(image.size, metadata.orientation(jpeg))
    if jpeg.whole:
        with suppress(JpegError):
            coded = _coded(image, jpeg, overlay, stamp)
            return segments.assemble(_with_carried(coded, jpeg, stamp))
    box, put = (
        _NO_CHANGE if overlay is None else (overlay.box, _putting(overlay, image, jpeg, stamp))
    )
    coded = damage.recoded(source, jpeg, box, put)
    content = segments.assemble(_with_carried(coded, jpeg, stamp))
    damage.check(source, content, jpeg.frame, box)
    damage.note(source, stamp)
    return content


def _coded(image: Image.Image, jpeg: Jpeg, overlay: Overlay | None, stamp: Stamp) -> list[Segment]:
    """The picture with the logo on it. Raises JpegError where it is seen to be damaged."""
    if overlay is None:
        image.load()  # whether it can be
        return jpeg.of_picture
    return recode.recoded(jpeg, overlay.box, _putting(overlay, image, jpeg, stamp))


def _putting(overlay: Overlay, image: Image.Image, jpeg: Jpeg, stamp: Stamp) -> recode.Change:
    return partial(_put, stamp, overlay, _colours(jpeg), image.info.get("icc_profile"))


def _with_carried(coded: list[Segment], jpeg: Jpeg, stamp: Stamp) -> list[Segment]:
    """The picture with what the source carries before it, and after its frame header."""
    carried = metadata.carried(jpeg, stamp)
    of_source = [s.marker in FRAMES for s in jpeg.segments].index(True)
    late = {id(segment) for segment in jpeg.segments[of_source:]}
    behind = 1 + [s.marker in FRAMES for s in coded].index(True)
    first = [segment for segment in carried if id(segment) not in late]
    second = [segment for segment in carried if id(segment) in late]
    return [*first, *coded[:behind], *second, *coded[behind:]]


def _check(jpeg: Jpeg, stamp: Stamp) -> None:
    """Refuse what cannot be read or written, or would take all day. Raises ImageRejected."""
    frame = jpeg.frame
    if frame.marker in ARITHMETIC:
        stamp.note("Arithmetic coding, which few programs can read, is replaced by Huffman's.")
    elif frame.marker not in _WRITTEN:
        detail = "JPEG of the lossless or hierarchical kinds can be read but not written."
        raise ImageRejected("not_encodable", detail)
    if len(jpeg.scans) * frame.width * frame.height > _MAX_SCANNED:
        detail = f"A JPEG of {frame.width} x {frame.height} pixels does not need so many scans."
        raise ImageRejected("too_many_scans", detail)
    if (0, 0) in frame.ratios:
        detail = "Its components' resolutions are no multiples of each other; convert it to PNG."
        raise ImageRejected("unreadable_image", detail)


def _colours(jpeg: Jpeg) -> str:
    """What the components are, by the rules of libjpeg (jdapimin.c, default_decompress_parms)."""
    adobe = jfif = None
    for marker, payload, *_ in jpeg.segments:
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


def _put(
    stamp: Stamp, overlay: Overlay, colours: str, profile: bytes | None, picture: Picture
) -> None:
    """Composite the logo in the colours that the components stand for."""
    corner = overlay.left - picture.corner[0], overlay.top - picture.corner[1]
    stored = picture.pixels()
    region, under = _shown(stored, colours), stored.copy()
    compositing.composite(region, overlay.logo, corner, profile)
    # Where the logo is transparent, not even rounding may change a pixel.
    drawn = Image.new("L", stored.size)
    drawn.paste(overlay.logo.getchannel("A").point(_DRAWN), corner)
    stored.paste(_stored(region, colours), (0, 0), drawn)
    picture.replace(stored, drawn)
    if _greatest(ImageChops.difference(under, stored)) < _FAINT:  # what the table may round off
        stored = picture.pixels()
    stamp.compare(under.tobytes(), stored.tobytes())


def _greatest(image: Image.Image) -> int:
    return max(int(high) for _, high in ImageStat.Stat(image).extrema)


def _shown(stored: Image.Image, colours: str) -> Image.Image:
    bands = stored.split()
    if colours == "RGB":
        return Image.merge("RGB", bands)
    if colours == "YCbCr":
        return stored.convert("RGB")
    if colours == "YCCK":
        # region.py leaves them inverted, and so are the colours that they stand for.
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
