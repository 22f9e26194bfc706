"""TIFFs of samples that Pillow has no mode for, such as colours in floating point.

They are marked as all others are (mark.py), without Pillow. It only needs to open them.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image, ImageFile
from PIL.ExifTags import Base as Tag

from drawing.placement import TO_UPRIGHT, upright_size
from errors import ImageRejected
from formats.tiff import reduced
from formats.tiff.codec.layout import WHITE_IS_ZERO
from formats.tiff.file import TiffFile
from formats.tiff.mark import checked
from formats.tiff.page import Page


def loaded(path: Path, image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """A TIFF that Pillow has loaded, or a RareTiff. Raises ImageRejected where neither reads it."""
    if isinstance(image, RareTiff):
        return image
    if not _is_misread(image):
        with suppress(OSError):
            image.load()
            return image
    with RareTiff(path) as rare:  # it has read the file
        return rare


def _is_misread(image: ImageFile.ImageFile) -> bool:
    """Whether Pillow takes its grey for another: 12 bits for 16, white for black, or the sign."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    is_white_zero = tags.get(Tag.PhotometricInterpretation) == WHITE_IS_ZERO
    is_other = is_white_zero or tags.get(Tag.BitsPerSample) == (12,)
    return image.mode == "I" or (image.mode.startswith("I;16") and is_other)


class RareTiff(ImageFile.ImageFile):
    """Has a size. Its pixels cannot be loaded, but reduced."""

    format = "TIFF"

    def _open(self) -> None:
        """Raises SyntaxError for other files, as Pillow's own plugins do."""
        try:
            file = TiffFile(Path(str(self.filename)).read_bytes())
            self._page = Page(file, file.directories[0])
        except (ImageRejected, IndexError) as error:
            raise SyntaxError(str(error)) from error
        self._turn = self._page.number(Tag.Orientation, 1)
        self._size = upright_size(self._page.size, self._turn)
        self._mode = "RGB"  # Pillow needs one
        self.info["icc_profile"] = self._page.raw(Tag.InterColorProfile)

    def reduced(self, factor: int) -> Image.Image:
        """The picture in 8 bits, upright; each pixel is the mean of factor x factor.

        Raises ImageRejected.
        """
        picture = reduced.of_page(checked(self._page), factor)
        turn = TO_UPRIGHT.get(self._turn)
        return picture if turn is None else picture.transpose(turn)

    def load(self) -> NoReturn:
        raise OSError("Unsupported samples of a TIFF that is to become another format")
