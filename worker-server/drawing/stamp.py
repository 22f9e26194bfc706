"""The logo on its way onto one file: where it goes, how large, and what there is to note."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from drawing import compositing, placement
from drawing.compositing import Profile
from options import Options

_UNSEEN = "The logo does not show: it has the colours of what lies under it, or is too faint."


class Overlay(NamedTuple):
    """The logo for one picture: RGBA, sRGB, sized, turned the way the picture is stored."""

    logo: Image.Image
    left: int
    top: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom: what part of the stored picture the logo may change."""
        return self.left, self.top, self.left + self.logo.width, self.top + self.logo.height


class Stamp:
    """Puts the logo onto the pictures of one file. notes: sentences for the media's record."""

    def __init__(self, logo: Path, options: Options) -> None:
        self.options = options
        self._logo = logo
        self._noted: list[str] = []
        self._unmarked = ""
        self._is_marked = False
        self._is_seen = False

    @property
    def notes(self) -> list[str]:
        notes = [*self._noted]
        if self._is_marked and not self._is_seen:
            notes.append(_UNSEEN)
        if self._unmarked and self._is_marked:
            notes.append("Some of its pictures are too small for the logo: not marked.")
        elif self._unmarked:
            notes.append(self._unmarked)
        return notes

    def note(self, sentence: str) -> None:
        """Say something about this file to whoever asks for it; once, however many frames."""
        if sentence not in self._noted:
            self._noted.append(sentence)

    def compare(self, before: Image.Image | bytes, after: Image.Image | bytes) -> None:
        """Say what the pixels under the logo were and are, as an image or as samples of any kind:
        some of one picture should differ.
        """
        self._is_seen = self._is_seen or _seen(before) != _seen(after)

    def overlay(self, size: tuple[int, int], orientation: int = 1) -> Overlay | None:
        """The logo for a picture stored at size (width, height) with this EXIF orientation.

        None, and a note, where the picture passes unmarked.
        """
        seen, smallest = placement.upright(size, orientation), self.options.min_image
        if min(seen) < smallest:
            self._unmarked = f"Not marked: its short side is below LOGO_MIN_IMAGE={smallest}."
            return None
        overlay = _overlay(self._logo, seen, orientation, self.options)
        if overlay is None:
            self._unmarked = "Not marked: the logo would be less than a pixel wide or high."
        else:
            self._is_marked = True
        return overlay

    def put_on(
        self,
        image: Image.Image,
        orientation: int = 1,
        profile: Profile | None = None,
        colours: int = 256,
    ) -> Overlay | None:
        """Composite the logo onto a whole loaded picture in place, in the picture's own mode.

        profile is the picture's own, whose colours the logo's are converted into; colours, of an
        image with a palette, how many entries the file can hold, of grey, how many levels. Returns
        what was put where, None where the picture passes unmarked. Raises ImageRejected.
        """
        overlay = self.overlay(image.size, orientation)
        if overlay is not None:
            before = image.crop(overlay.box)
            corner = (overlay.left, overlay.top)
            compositing.composite(image, overlay.logo, corner, profile, colours)
            self.compare(before, image.crop(overlay.box))
        return overlay


def _seen(pixels: Image.Image | bytes) -> bytes:
    """What does not show is the same: colours under full transparency, the number of an entry."""
    if isinstance(pixels, bytes):
        return pixels
    has_more = pixels.mode in ("P", "PA", "LA", "RGBA")
    return (pixels.convert("RGBA").convert("RGBa") if has_more else pixels).tobytes()


@lru_cache(maxsize=2)
def _logo(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


@lru_cache(maxsize=16)
def _overlay(
    path: Path, seen: tuple[int, int], orientation: int, options: Options
) -> Overlay | None:
    logo = _logo(path)
    size = placement.fit(logo.size, seen, options)
    if size is None:
        return None
    resized = compositing.resized(logo, size, options.opacity)
    left, top = placement.corner(size, seen, options)
    box = placement.stored_box((left, top, *size), seen, orientation)
    turn = placement.TO_STORED.get(orientation)
    turned = resized if turn is None else resized.transpose(turn)
    return Overlay(turned, box[0], box[1])
