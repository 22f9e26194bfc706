"""TIFFs of samples that Pillow has no mode for, such as colours in floating point.

They are marked as all others are (mark.py), without Pillow. It only needs to open them.
"""

from pathlib import Path
from typing import NoReturn

from PIL import ImageFile

from errors import ImageRejected
from formats.tiff.file import TiffFile
from formats.tiff.page import Page


class RareTiff(ImageFile.ImageFile):
    """Has a size. Its pixels cannot be loaded."""

    format = "TIFF"

    def _open(self) -> None:
        """Raises SyntaxError for other files, as Pillow's own plugins do."""
        try:
            file = TiffFile(Path(str(self.filename)).read_bytes())
            self._size = Page(file, file.directories[0]).size
        except (ImageRejected, IndexError) as error:
            raise SyntaxError(str(error)) from error
        self._mode = "RGB"  # Pillow needs one

    def load(self) -> NoReturn:
        raise OSError("Unsupported samples of a TIFF that is to become another format")
