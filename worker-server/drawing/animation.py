"""What an animation shows in one area of its canvas while it plays: without the logo, and with it.

GIF89a, APNG and WebP (RFC 9649) share this model: a canvas is transparent at first, each frame
draws a rectangle on it, and each frame's disposal is done before the next frame.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from PIL import Image, ImageChops

from drawing import masks
from drawing.placement import PixelBox

Mark = Callable[[Image.Image], None]  # puts the logo over an RGBA image of its box, in place
_OPAQUE = 255


class Disposal(Enum):
    KEEP = 1
    CLEAR = 2  # the frame's rectangle becomes transparent
    RESTORE = 3  # the frame's rectangle becomes what it was before the frame


@dataclass(frozen=True)
class Frame:
    box: PixelBox
    disposal: Disposal = Disposal.KEEP
    blended: bool = True  # over the canvas; else its pixels replace the canvas's, alpha included


class Change(NamedTuple):
    """What a frame must draw so that the canvas looks as before, with the logo on it."""

    box: PixelBox  # the frame's new one, which also covers all pixels to be drawn
    corner: tuple[int, int]  # of the pixels, from the top left of that box
    pixels: Image.Image  # RGBA
    mask: Image.Image  # L, 255 where these pixels replace the frame's
    blended: bool  # the frame's new value


class NeedsWholeCanvasError(Exception):
    """This frame cannot show the logo by drawing a rectangle: it must replace the whole canvas."""


def size_of(box: PixelBox) -> tuple[int, int]:
    return box[2] - box[0], box[3] - box[1]


def overlap(box: PixelBox, other: PixelBox) -> PixelBox | None:
    left, top = max(box[0], other[0]), max(box[1], other[1])
    right, bottom = min(box[2], other[2]), min(box[3], other[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def around(box: PixelBox, other: PixelBox) -> PixelBox:
    """The smallest box that holds both."""
    left, top = min(box[0], other[0]), min(box[1], other[1])
    return left, top, max(box[2], other[2]), max(box[3], other[3])


def moved(box: PixelBox, corner: tuple[int, int]) -> PixelBox:
    """The box seen from another origin."""
    across, down = corner
    return box[0] - across, box[1] - down, box[2] - across, box[3] - down


def part(image: Image.Image, box: PixelBox, area: PixelBox) -> Image.Image:
    """The part of a frame's image in an area, as RGBA; box is the frame's."""
    inside = overlap(box, area) or (*box[:2], *box[:2])
    return image.crop(moved(inside, box[:2])).convert("RGBA")


def enlarged(image: Image.Image, box: PixelBox, larger: PixelBox, fill: int) -> Image.Image:
    """The image of a frame whose box becomes larger; fill is the value of the new pixels."""
    result = Image.new(image.mode, size_of(larger), fill)
    result.paste(image, moved(box, larger[:2]))
    return result


def redrawn(image: Image.Image, box: PixelBox, change: Change) -> Image.Image:
    """A frame's image with its change, as RGBA; box is the frame's."""
    result = enlarged(image.convert("RGBA"), box, change.box, 0)
    result.paste(change.pixels, change.corner, change.mask)
    return result


def whole_canvases(
    size: tuple[int, int], area: PixelBox, mark: Mark, frames: Iterable[tuple[Frame, Image.Image]]
) -> Iterator[Image.Image]:
    """The whole canvas after each frame, marked in the area. Each frame comes with its image."""
    canvas = Canvas((0, 0, *size))
    for frame, image in frames:
        canvas.dispose()
        canvas.draw(frame, part(image, frame.box, canvas.area))
        shown = canvas.pixels.copy()
        marked = shown.crop(area)
        mark(marked)
        shown.paste(marked, area)
        yield shown


class Canvas:
    """The RGBA pixels that an animation shows in one area of its canvas."""

    def __init__(self, area: PixelBox) -> None:
        self.area = area
        self.pixels = Image.new("RGBA", size_of(area))
        self._last: Frame | None = None
        self._before = self.pixels

    def dispose(self) -> None:
        """Do the disposal of the last frame."""
        inside = self._inside(self._last.box) if self._last else None
        if self._last is None or inside is None:
            return
        if self._last.disposal is Disposal.CLEAR:
            self.pixels.paste((0, 0, 0, 0), inside)
        elif self._last.disposal is Disposal.RESTORE:
            self.pixels.paste(self._before.crop(inside), inside)

    def draw(self, frame: Frame, inner: Image.Image) -> None:
        """inner is the part of the frame's RGBA image in the area; unused where there is none."""
        if frame.disposal is Disposal.RESTORE:
            self._before = self.pixels.copy()
        if inside := self._inside(frame.box):
            if frame.blended:
                self.pixels.alpha_composite(inner, inside[:2])
            else:
                self.pixels.paste(inner, inside)
        self._last = frame

    def replace_last(self, frame: Frame, pixels: Image.Image) -> None:
        """Another frame was drawn instead of the last one, and these pixels are shown."""
        self._last = frame
        self.pixels = pixels

    def _inside(self, box: PixelBox) -> PixelBox | None:
        inside = overlap(box, self.area)
        return None if inside is None else moved(inside, self.area[:2])


class Marking:
    """Plays an animation twice in the logo's area, without and with the logo.

    size is the canvas's. A frame's left and top must be multiples of grid. blends_all: the format
    has only blended frames.
    """

    def __init__(
        self,
        size: tuple[int, int],
        area: PixelBox,
        mark: Mark,
        *,
        grid: int = 1,
        blends_all: bool = False,
    ) -> None:
        self._all = (0, 0, *size)
        self._mark = mark
        self._grid = grid
        self._blends_all = blends_all
        self._plain = Canvas(area)
        self._marked = Canvas(area)
        self._blank = True  # before the frame the whole canvas is transparent, not only the area

    def change(self, frame: Frame, inner: Image.Image) -> Change | None:
        """The next frame's change, None where it can stay as it is; inner as in Canvas.draw.

        Raises NeedsWholeCanvasError.
        """
        blank, self._blank = self._blank, self._is_blank_after(frame)
        for canvas in (self._plain, self._marked):
            canvas.dispose()
        under = self._marked.pixels.getchannel("A")
        for canvas in (self._plain, self._marked):
            canvas.draw(frame, inner)
        wanted = self._plain.pixels.copy()
        self._mark(wanted)
        mask = _differing(self._marked.pixels, wanted)
        wrong = mask.getbbox()
        if wrong is None:
            return None
        area = self._marked.area
        box = around(frame.box, moved(wrong, (-area[0], -area[1])))
        left, top, right, bottom = box
        box = left - left % self._grid, top - top % self._grid, right, bottom
        # Outside the area a larger frame must neither draw nor dispose of anything.
        harmless = blank or (frame.blended and frame.disposal is not Disposal.CLEAR)
        if box != frame.box and not harmless:
            raise NeedsWholeCanvasError
        # On a blank canvas both ways look the same, but some viewers blend as if it were opaque.
        translucent = ImageChops.darker(mask, _translucent(wanted)).getbbox()
        blended = frame.blended and (self._blends_all or not (blank and translucent))
        if blended:
            _check_blending(wanted, under, mask)
        elif frame.blended:
            mask = Image.new("L", mask.size, _OPAQUE)
        else:
            mask = _with_outside(frame.box, area, mask)
        self._marked.replace_last(Frame(box, frame.disposal, blended), wanted)
        visible = overlap(box, area) or area
        here = moved(visible, area[:2])
        corner = visible[0] - box[0], visible[1] - box[1]
        return Change(box, corner, wanted.crop(here), mask.crop(here), blended)

    def _is_blank_after(self, frame: Frame) -> bool:
        """Whether the whole canvas is transparent after the frame's disposal."""
        if frame.disposal is Disposal.CLEAR and around(frame.box, self._all) == frame.box:
            return True
        return self._blank and frame.disposal is not Disposal.KEEP


def _differing(one: Image.Image, other: Image.Image) -> Image.Image:
    """A mask of the pixels that look different: colours of transparent ones do not count."""
    visible = ImageChops.lighter(one.getchannel("A"), other.getchannel("A"))
    return ImageChops.darker(masks.differing(one, other), masks.from_level(visible, 1))


def _check_blending(wanted: Image.Image, under: Image.Image, mask: Image.Image) -> None:
    """Blended, a translucent pixel shows as itself only where nothing was under it."""
    over_something = ImageChops.darker(_translucent(wanted), masks.from_level(under, 1))
    if ImageChops.darker(over_something, mask).getbbox():
        raise NeedsWholeCanvasError


def _translucent(image: Image.Image) -> Image.Image:
    """A mask of the pixels that are not opaque."""
    return ImageChops.invert(masks.of_alpha(image, _OPAQUE))


def _with_outside(box: PixelBox, area: PixelBox, mask: Image.Image) -> Image.Image:
    """The mask, and 255 in the part of the area outside the frame's box."""
    complete = Image.new("L", mask.size, _OPAQUE)
    if inside := overlap(box, area):
        here = moved(inside, area[:2])
        complete.paste(mask.crop(here), here)
    return complete
