"""The logo for one file: where it goes, its size, and the notes about it."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from drawing import compositing, placement
from drawing.compositing import Profile
from drawing.placement import PixelBox
from options import Options

_INVISIBLE = "The logo does not show: it has the colours of what lies under it, or is too faint."


class Overlay(NamedTuple):
    """The logo for one image: RGBA, sRGB, resized, and turned as the image is stored."""

    logo: Image.Image
    left: int
    top: int

    @property
    def box(self) -> PixelBox:
        """In the stored image."""
        return placement.box_at((self.left, self.top), self.logo.size)


class Stamp:
    """Puts the logo onto the images of one file. notes: sentences for the media's record."""

    def __init__(self, logo: Path, options: Options) -> None:
        self.options = options
        self._logo = logo
        self._noted: list[str] = []
        self._unmarked = ""
        self._is_marked = False
        self._is_visible = False

    @property
    def notes(self) -> list[str]:
        notes = [*self._noted]
        if self._is_marked and not self._is_visible:
            notes.append(_INVISIBLE)
        if self._unmarked and self._is_marked:
            notes.append("Some of its pictures are too small for the logo: not marked.")
        elif self._unmarked:
            notes.append(self._unmarked)
        return notes

    def note(self, sentence: str) -> None:
        """Add a sentence to the notes; once, however many frames it is true for."""
        if sentence not in self._noted:
            self._noted.append(sentence)

    def compare(self, before: Image.Image | bytes, after: Image.Image | bytes) -> None:
        """Compare the pixels under the logo, as an image or as samples: do they look different?

        If they do in none of the file's images, there is a note.
        """
        self._is_visible = self._is_visible or _visible(before) != _visible(after)

    def overlay(self, size: tuple[int, int], orientation: int = 1) -> Overlay | None:
        """The logo for an image stored at size (width, height) with this EXIF orientation.

        None, and a note, where the image is too small to be marked.
        """
        upright, smallest = placement.upright_size(size, orientation), self.options.min_image
        if min(upright) < smallest:
            self._unmarked = f"Not marked: its short side is below LOGO_MIN_IMAGE={smallest}."
            return None
        overlay = _overlay(self._logo, upright, orientation, self.options)
        if overlay is None:
            self._unmarked = "Not marked: the logo would be less than a pixel wide or high."
        else:
            self._is_marked = True
        return overlay

    def mark(
        self,
        image: Image.Image,
        orientation: int = 1,
        profile: Profile | None = None,
        colours: int = 256,
    ) -> Overlay | None:
        """Composite the logo onto a whole loaded image in place, in the image's own mode.

        profile and colours as in compositing.composite. Returns the overlay; None where the image
        is too small to be marked. Raises ImageRejected.
        """
        overlay = self.overlay(image.size, orientation)
        if overlay is not None:
            before = image.crop(overlay.box)
            corner = (overlay.left, overlay.top)
            compositing.composite(image, overlay.logo, corner, profile, colours)
            self.compare(before, image.crop(overlay.box))
        return overlay


def _visible(pixels: Image.Image | bytes) -> bytes:
    """The pixels without what is invisible: colours of transparent ones, numbers of entries."""
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
    path: Path, upright: tuple[int, int], orientation: int, options: Options
) -> Overlay | None:
    logo = _logo(path)
    size = placement.fit(logo.size, upright, options)
    if size is None:
        return None
    resized = compositing.resized(logo, size, options.opacity)
    left, top = placement.corner(size, upright, options)
    stored_left, stored_top, *_ = placement.stored_place((left, top, *size), upright, orientation)
    turn = placement.TO_STORED.get(orientation)
    turned = resized if turn is None else resized.transpose(turn)
    return Overlay(turned, stored_left, stored_top)
