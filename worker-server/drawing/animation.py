"""What an animation shows within one area of its canvas while it plays: as it came, and marked.

GIF89a, APNG and WebP (RFC 9649) share this model: a canvas, transparent at first, on which each
frame draws a rectangle, and a disposal that is done before the next frame.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from PIL import Image, ImageChops

Box = tuple[int, int, int, int]  # left, top, right, bottom
Mark = Callable[[Image.Image], None]  # puts the logo over an RGBA image of its box, in place
_OPAQUE = 255


class Disposal(Enum):
    KEEP = 1
    CLEAR = 2  # the frame's rectangle becomes transparent
    RESTORE = 3  # the frame's rectangle becomes what it was before the frame


@dataclass(frozen=True)
class Frame:
    box: Box
    disposal: Disposal = Disposal.KEEP
    blended: bool = True  # over what was there; else its pixels replace that, alpha included


class Change(NamedTuple):
    """What a frame must draw so that the canvas shows the logo over what it was to show."""

    box: Box  # the frame's; larger than it was where it did not cover what has to be drawn
    corner: tuple[int, int]  # of the pixels, from the left top of that box
    pixels: Image.Image  # RGBA
    mask: Image.Image  # L, 255 where those pixels replace the frame's; else these stay
    blended: bool  # whether the frame is, from now on


class NeedsWholeCanvasError(Exception):
    """No rectangle of this frame shows what it should; frames that replace all of it do."""


def size_of(box: Box) -> tuple[int, int]:
    return box[2] - box[0], box[3] - box[1]


def overlap(box: Box, other: Box) -> Box | None:
    left, top = max(box[0], other[0]), max(box[1], other[1])
    right, bottom = min(box[2], other[2]), min(box[3], other[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def around(box: Box, other: Box) -> Box:
    """The smallest box that holds both."""
    left, top = min(box[0], other[0]), min(box[1], other[1])
    return left, top, max(box[2], other[2]), max(box[3], other[3])


def moved(box: Box, corner: tuple[int, int]) -> Box:
    """The box seen from another origin."""
    across, down = corner
    return box[0] - across, box[1] - down, box[2] - across, box[3] - down


def part(picture: Image.Image, box: Box, area: Box) -> Image.Image:
    """What of a frame's picture, which is at that box, lies in an area; RGBA."""
    inside = overlap(box, area) or (*box[:2], *box[:2])
    return picture.crop(moved(inside, box[:2])).convert("RGBA")


def redrawn(picture: Image.Image, box: Box, change: "Change") -> Image.Image:
    """A frame's picture, which is at that box, with its change; RGBA."""
    larger = Image.new("RGBA", size_of(change.box))
    larger.paste(picture.convert("RGBA"), moved(box, change.box[:2]))
    larger.paste(change.pixels, change.corner, change.mask)
    return larger


def whole_canvases(
    size: tuple[int, int], area: Box, mark: Mark, frames: Iterable[tuple[Frame, Image.Image]]
) -> Iterator[Image.Image]:
    """All that is shown while each frame is, marked in the area; frames come with pictures."""
    canvas = Canvas((0, 0, *size))
    for frame, picture in frames:
        canvas.dispose()
        canvas.draw(frame, part(picture, frame.box, canvas.area))
        shown = canvas.pixels.copy()
        marked = shown.crop(area)
        mark(marked)
        shown.paste(marked, area)
        yield shown


class Canvas:
    """The RGBA pixels shown in one area of an animation's canvas."""

    def __init__(self, area: Box) -> None:
        self.area = area
        self.pixels = Image.new("RGBA", size_of(area))
        self._last: Frame | None = None
        self._before = self.pixels

    def dispose(self) -> None:
        """Do what the frame that was shown last wants done before the next."""
        inside = self._inside(self._last.box) if self._last else None
        if self._last is None or inside is None:
            return
        if self._last.disposal is Disposal.CLEAR:
            self.pixels.paste((0, 0, 0, 0), inside)
        elif self._last.disposal is Disposal.RESTORE:
            self.pixels.paste(self._before.crop(inside), inside)

    def draw(self, frame: Frame, picture: Image.Image) -> None:
        """picture is what the frame has inside the area, RGBA; anything where that is nothing."""
        if frame.disposal is Disposal.RESTORE:
            self._before = self.pixels.copy()
        if inside := self._inside(frame.box):
            if frame.blended:
                self.pixels.alpha_composite(picture, inside[:2])
            else:
                self.pixels.paste(picture, inside)
        self._last = frame

    def draws(self, frame: Frame, pixels: Image.Image) -> None:
        """The frame that was drawn last becomes this one, which shows these pixels."""
        self._last = frame
        self.pixels = pixels

    def _inside(self, box: Box) -> Box | None:
        inside = overlap(box, self.area)
        return None if inside is None else moved(inside, self.area[:2])


class Marking:
    """Plays an animation twice in the logo's area, and tells what its frames must change.

    size is the canvas's. grid is what the left and the top of a frame must be multiples of.
    blends_all: the format has no frames that replace what was there.
    """

    def __init__(
        self,
        size: tuple[int, int],
        area: Box,
        mark: Mark,
        *,
        grid: int = 1,
        blends_all: bool = False,
    ) -> None:
        self._all = (0, 0, *size)
        self._mark = mark
        self._grid = grid
        self._blends_all = blends_all
        self._was = Canvas(area)
        self._is = Canvas(area)
        self._blank = True  # all of the canvas was transparent before the frame, not just the area

    def change(self, frame: Frame, picture: Image.Image) -> Change | None:
        """The next frame's change, None where it can stay as it is. picture as in Canvas.draw.

        Raises NeedsWholeCanvasError.
        """
        blank, self._blank = self._blank, self._is_blank_after(frame)
        for canvas in (self._was, self._is):
            canvas.dispose()
        under = self._is.pixels.getchannel("A")
        for canvas in (self._was, self._is):
            canvas.draw(frame, picture)
        wanted = self._was.pixels.copy()
        self._mark(wanted)
        mask = _differing(self._is.pixels, wanted)
        wrong = mask.getbbox()
        if wrong is None:
            return None
        area = self._is.area
        box = around(frame.box, moved(wrong, (-area[0], -area[1])))
        left, top, right, bottom = box
        box = left - left % self._grid, top - top % self._grid, right, bottom
        # Outside the area a larger frame must draw nothing, and dispose of nothing.
        harmless = blank or (frame.blended and frame.disposal is not Disposal.CLEAR)
        if box != frame.box and not harmless:
            raise NeedsWholeCanvasError
        # Over nothing it is all the same, but there are viewers that blend as if all were opaque.
        translucent = ImageChops.darker(mask, _partly_transparent(wanted)).getbbox()
        blended = frame.blended and (self._blends_all or not (blank and translucent))
        if blended:
            _check_blending(wanted, under, mask)
        elif frame.blended:
            mask = Image.new("L", mask.size, _OPAQUE)
        else:
            mask = _outside(frame.box, area, mask)
        self._is.draws(Frame(box, frame.disposal, blended), wanted)
        visible = overlap(box, area) or area
        here = moved(visible, area[:2])
        corner = visible[0] - box[0], visible[1] - box[1]
        return Change(box, corner, wanted.crop(here), mask.crop(here), blended)

    def _is_blank_after(self, frame: Frame) -> bool:
        """Whether all of the canvas is transparent when the frame has been disposed of."""
        if frame.disposal is Disposal.CLEAR and around(frame.box, self._all) == frame.box:
            return True
        return self._blank and frame.disposal is not Disposal.KEEP


def _differing(one: Image.Image, other: Image.Image) -> Image.Image:
    """An L mask of the pixels that do not look the same; what is invisible has no colour."""
    bands = ImageChops.difference(one, other).split()
    most = bands[0]
    for band in bands[1:]:
        most = ImageChops.lighter(most, band)
    visible = ImageChops.lighter(one.getchannel("A"), other.getchannel("A"))
    return ImageChops.darker(most, visible).point(lambda level: _OPAQUE * (level > 0))


def _check_blending(wanted: Image.Image, under: Image.Image, mask: Image.Image) -> None:
    """A translucent pixel can be blended only over nothing: over anything else it adds to that."""
    translucent = _partly_transparent(wanted)
    something = under.point(lambda alpha: _OPAQUE * (alpha > 0))
    both = ImageChops.darker(translucent, something)
    if ImageChops.darker(both, mask).getbbox():
        raise NeedsWholeCanvasError


def _partly_transparent(image: Image.Image) -> Image.Image:
    return image.getchannel("A").point(lambda alpha: _OPAQUE * (alpha < _OPAQUE))


def _outside(box: Box, area: Box, mask: Image.Image) -> Image.Image:
    """The mask, and all of the area where the frame had no pixels."""
    complete = Image.new("L", mask.size, _OPAQUE)
    if inside := overlap(box, area):
        here = moved(inside, area[:2])
        complete.paste(mask.crop(here), here)
    return complete
