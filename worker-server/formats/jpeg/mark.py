"""JPEG, and the first image of an MPO or Ultra HDR file.

Only the coefficients of blocks under the logo change (recode.py, region.py). All else is kept.
Damaged files: damage.py.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from drawing import compositing, masks
from drawing.placement import PixelBox
from drawing.stamp import Overlay, Stamp
from errors import ImageRejected
from formats.jpeg import damage, metadata, recode, segments
from formats.jpeg.libjpeg.calls import JpegError
from formats.jpeg.region import JpegRegion
from formats.jpeg.segments import ARITHMETIC, FRAMES, SEQUENTIAL, Jpeg, Segment

_WRITTEN = {*SEQUENTIAL, 0xC2}
_FAINT = 64  # levels
_NOTHING: tuple[PixelBox, recode.Draw] = (0, 0, 0, 0), lambda _: None
_MAX_SCANNED = 4_000_000_000  # pixels times scans; a progressive file has about ten scans


def mark_jpeg(path: Path, image: Image.Image, stamp: Stamp) -> bytes:
    source = path.read_bytes()
    jpeg = segments.parse(source)
    _check(jpeg, stamp)
    overlay = stamp.overlay(image.size, metadata.orientation(jpeg))
    box, draw = _NOTHING
    if overlay is not None:
        profile = image.info.get("icc_profile")
        box, draw = overlay.box, partial(_draw, stamp, overlay, _colours(jpeg), profile)
    if jpeg.whole:
        with suppress(JpegError):  # raised where damage is seen
            if overlay is None:
                image.load()  # raises where it is damaged
            coded = recode.recoded(jpeg, box, draw) if overlay else jpeg.of_picture
            return segments.assemble(_with_metadata(coded, jpeg, stamp))
    coded = damage.recoded_as_shown(source, jpeg, box, draw)
    content = segments.assemble(_with_metadata(coded, jpeg, stamp))
    damage.check(source, content, jpeg.frame, box)
    damage.note(source, stamp)
    return content


def _with_metadata(coded: list[Segment], jpeg: Jpeg, stamp: Stamp) -> list[Segment]:
    """The coded image, and the source's metadata before it and after its frame header."""
    kept = metadata.kept(jpeg, stamp)
    in_source, in_coded = (
        next(place for place, segment in enumerate(each) if segment.marker in FRAMES)
        for each in (jpeg.segments, coded)
    )
    late = {id(segment) for segment in jpeg.segments[in_source:]}
    before = [segment for segment in kept if id(segment) not in late]
    after = [segment for segment in kept if id(segment) in late]
    return [*before, *coded[: in_coded + 1], *after, *coded[in_coded + 1 :]]


def _check(jpeg: Jpeg, stamp: Stamp) -> None:
    """Refuse what cannot be read or written, or would take far too long. Raises ImageRejected."""
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
    """The components' colour space, by libjpeg's rules (jdapimin.c, default_decompress_parms)."""
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


def _draw(
    stamp: Stamp, overlay: Overlay, colours: str, profile: bytes | None, region: JpegRegion
) -> None:
    """Composite the logo in the components' colour space."""
    corner = overlay.left - region.corner[0], overlay.top - region.corner[1]
    stored = region.pixels()
    shown, under = _shown(stored, colours), stored.copy()
    compositing.composite(shown, overlay.logo, corner, profile)
    # Where the logo is transparent, not even rounding may change a pixel.
    drawn = Image.new("L", stored.size)
    drawn.paste(masks.of_alpha(overlay.logo, 1), corner)
    stored.paste(_stored(shown, colours), (0, 0), drawn)
    region.replace(stored, drawn)
    difference = ImageStat.Stat(ImageChops.difference(under, stored))
    if max(high for _, high in difference.extrema) < _FAINT:  # quantisation may remove it all
        stored = region.pixels()
    stamp.compare(under.tobytes(), stored.tobytes())


def _shown(stored: Image.Image, colours: str) -> Image.Image:
    bands = stored.split()
    if colours == "RGB":
        return Image.merge("RGB", bands)
    if colours == "YCbCr":
        return stored.convert("RGB")
    if colours == "YCCK":
        # JpegRegion's components are inverted, and YCCK's colours are inverted once more.
        inks = Image.merge("YCbCr", [ImageChops.invert(band) for band in bands[:3]])
        return Image.merge("CMYK", [*inks.convert("RGB").split(), bands[3]])
    return stored


def _stored(shown: Image.Image, colours: str) -> Image.Image:
    bands = shown.split()
    if colours == "RGB":
        return Image.merge("YCbCr", bands)  # the mode of any three components
    if colours == "YCbCr":
        return shown.convert("YCbCr")
    if colours == "YCCK":
        inks = Image.merge("RGB", bands[:3]).convert("YCbCr").split()
        return Image.merge("CMYK", [*(ImageChops.invert(band) for band in inks), bands[3]])
    return shown
