"""A JPEG's components as they are stored, decoded so that nothing changes on the way.

Pillow converts colours and smooths subsampled ones as it decodes, and neither can be undone
exactly: encoded once more, a photo differs by half a level everywhere. Here every component is
decoded at its own resolution and in the colour space it is stored in, whole blocks with what lies
beyond the picture's edge; encoded with the same tables, they give the same coefficients.
"""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageChops, JpegImagePlugin

from jpeg_stream import (
    APP,
    COM,
    FRAMES,
    SOS,
    Component,
    Frame,
    Jpeg,
    Ratio,
    Segment,
    assemble,
    identifiers,
    renamed,
    up,
)

_LIBJPEG_MAX = 65500  # pixels a side
_STRIP_ROWS = 256  # even; what a processor's cache holds


class Picture:
    """All blocks of a picture, its components as they are stored.

    One image of mode L, YCbCr or CMYK (for 1, 3 or 4 components, four of them inverted as Pillow
    always has CMYK), or an image of mode L for each component, at its own resolution.
    """

    def __init__(self, mode: str, size: tuple[int, int], parts: Sequence[Image.Image]) -> None:
        self.mode = mode
        self.size = size
        self.parts = list(parts)

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """All components of a box whose sides are even."""
        if len(self.parts) == 1:
            return self.parts[0].crop(box)
        return Image.merge(self.mode, [_stretched(part, self.size, box) for part in self.parts])

    def paste(self, region: Image.Image, box: tuple[int, int, int, int]) -> None:
        """Put a crop back. Where it did not change nothing does."""
        if len(self.parts) == 1:
            self.parts[0].paste(region, box)
            return
        for part, band in zip(self.parts, region.split(), strict=True):
            across, down = _times(self.size, part)
            small = band.reduce((across, down)) if across * down > 1 else band
            part.paste(small, (box[0] // across, box[1] // down))

    def whole(self) -> Image.Image:
        """As one image. In strips, for it may be large."""
        if len(self.parts) == 1:
            return self.parts[0]
        image = Image.new(self.mode, self.size)
        for top in range(0, self.size[1], _STRIP_ROWS):
            strip = (0, top, self.size[0], min(top + _STRIP_ROWS, self.size[1]))
            image.paste(self.crop(strip), (0, top))
        return image


def decoded(jpeg: Jpeg) -> Picture:
    """Raises as Pillow does."""
    frame = _whole_blocks(jpeg)
    parts = _parts(jpeg, frame)
    if parts:
        mode = "CMYK" if len(parts) == 4 else "YCbCr"
        return Picture(mode, (frame.width, frame.height), parts)
    image = _decode(_disguised(jpeg, frame))
    return Picture(image.mode, image.size, [image])


def _parts(jpeg: Jpeg, frame: Frame) -> list[Image.Image]:
    """Each component at its own resolution; none where libjpeg would smooth no component.

    Or where no way around that is known.
    """
    ratios = frame.ratios
    usual = len(ratios) == 3 and ratios[0] == (1, 1) and ratios[1] == ratios[2]
    if set(ratios) == {(1, 1), (2, 2)}:
        # At half the scale libjpeg makes 4 x 4 pixels of a large block, and 8 x 8 of a small one.
        half = _decode(_disguised(jpeg, frame, without=0 if usual else None), scale=2).split()
        full = [_luma(jpeg, frame)] * 3 if usual else _decode(_disguised(jpeg, frame)).split()
        pairs = zip(ratios, full, half, strict=True)
        return [large if ratio == (1, 1) else small for ratio, large, small in pairs]
    if usual and ratios[1] in ((2, 1), (1, 2)) and _is_twice(frame):
        chroma = _decode(_split_luma(jpeg, frame)).split()[2:]
        return [_luma(jpeg, frame), *map(ImageChops.invert, chroma)]
    return []


def _luma(jpeg: Jpeg, frame: Frame) -> Image.Image:
    return _decode(_disguised(jpeg, frame, without=1), mode="L")


def _whole_blocks(jpeg: Jpeg) -> Frame:
    """The frame with the size to which blocks fill it up, as far as every scan has them."""
    frame = jpeg.frame
    across, down = frame.most
    scans = jpeg.scans
    if len(frame.components) == 1 or frame.progressive or len(scans) != 1:
        across = down = 1  # a scan of one component ends with the block the picture ends in
    width, height = up(frame.width, 8 * across), up(frame.height, 8 * down)
    if max(width, height) > _LIBJPEG_MAX:
        return frame
    return frame._replace(width=width, height=height)


def _disguised(jpeg: Jpeg, frame: Frame, without: int | None = None) -> bytes:
    """The file as one of whose colour space nothing is said: libjpeg then assumes the usual one.

    without: 0 leaves out what is only about the first component, 1 what is only about others.
    """
    names = {c.identifier: [n] for n, c in enumerate(frame.components, 1)}
    plain = [c._replace(identifier=n) for n, c in enumerate(frame.components, 1)]
    first = frame.components[0].identifier
    left_out = {
        id(scan)
        for scan in jpeg.scans
        if without is not None
        and len(identifiers(scan)) == 1
        and (identifiers(scan)[0] == first) == (without == 0)
    }
    return _assembled(jpeg, frame._replace(components=tuple(plain)), names, left_out)


def _is_twice(frame: Frame) -> bool:
    """Whether the luma has two blocks to one of each chroma component."""
    luma, *chroma = [c.across * c.down for c in frame.components]
    return len(chroma) == 2 and all(luma == 2 * blocks for blocks in chroma)


def _split_luma(jpeg: Jpeg, frame: Frame) -> bytes:
    """The file as one of four components, all of the chroma's size.

    The first two share the luma's blocks, and are of no use: each block's DC coefficient is told
    as the difference to the one before. The others are the chroma, at the size it has.
    """
    luma, blue, red = frame.components
    across, down = frame.ratios[1]
    factors = blue.across, blue.down
    split = frame._replace(
        width=-(-frame.width // across),
        height=-(-frame.height // down),
        components=tuple(
            Component(name, *factors, of.table)
            for name, of in ((1, luma), (2, luma), (3, blue), (4, red))
        ),
    )
    names = {luma.identifier: [1, 2], blue.identifier: [3], red.identifier: [4]}
    only_luma = {id(s) for s in jpeg.scans if identifiers(s) == [luma.identifier]}
    return _assembled(jpeg, split, names, only_luma)


def _assembled(jpeg: Jpeg, frame: Frame, names: dict[int, list[int]], left_out: set[int]) -> bytes:
    segments: list[Segment] = []
    for segment in jpeg.segments:
        if segment.marker in APP or segment.marker == COM or id(segment) in left_out:
            continue
        if segment.marker in FRAMES:
            segments.append(frame.segment())
        elif segment.marker == SOS:
            segments.append(renamed(segment, names))
        else:
            segments.append(segment)
    return assemble(segments, complete=jpeg.complete)


def _decode(stream: bytes, mode: str = "YCbCr", scale: int = 1) -> Image.Image:
    image = JpegImagePlugin.JpegImageFile(BytesIO(stream))
    image.draft(mode, (image.width // scale, image.height // scale))
    image.load()
    return image


def _times(size: tuple[int, int], band: Image.Image) -> Ratio:
    return round(size[0] / band.width), round(size[1] / band.height)


def _stretched(
    band: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]
) -> Image.Image:
    """That box of the picture, the band's pixels repeated."""
    across, down = _times(size, band)
    if across * down == 1:
        return band.crop(box)
    small = (box[0] / across, box[1] / down, box[2] / across, box[3] / down)
    wanted = box[2] - box[0], box[3] - box[1]
    return band.resize(wanted, Image.Resampling.NEAREST, box=small)
