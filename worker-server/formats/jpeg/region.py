"""The part of a JPEG's picture that a box touches: its pixels, as the components are stored.

Pillow converts colours and smooths subsampled ones as it decodes a JPEG, and neither can be undone
exactly. Here every component is decoded by itself, grey and at its own resolution, and only blocks
that changed are encoded again, with the same table.
"""

from io import BytesIO

from PIL import Image, ImageChops

from formats.jpeg.libjpeg.coefficients import BLOCK, Box, Coefficients
from formats.jpeg.segments import Frame, Ratio

_MODES = {1: "L", 3: "YCbCr", 4: "CMYK"}  # by the number of components
_MANY = 1024  # at least as many as pixels share a block


class Picture:
    """Whole MCUs of it: from corner, of that size, in pixels.

    Of four components each is inverted, as Pillow always has CMYK.
    """

    def __init__(self, coefficients: Coefficients, frame: Frame, box: Box) -> None:
        """box is in pixels of the picture. Raises JpegError, and MemoryError."""
        self._coefficients = coefficients
        self._mode = _MODES[len(frame.components)]
        self._ratios = frame.ratios
        across, down = (BLOCK * most for most in frame.most)
        left, top = box[0] // across, box[1] // down  # in MCUs
        right, bottom = -(-box[2] // across), -(-box[3] // down)
        self.corner = left * across, top * down
        self.size = (right - left) * across, (bottom - top) * down
        self._boxes = [
            (left * c.across, top * c.down, right * c.across, bottom * c.down)
            for c in frame.components
        ]

    def pixels(self) -> Image.Image:
        """All components, those of less resolution with their pixels repeated."""
        bands: dict[int, Image.Image] = {}
        for numbers, parts in self._alike():
            grey = Image.open(BytesIO(self._coefficients.cut(parts)), formats=["JPEG"])
            stacked = self._as_stored(grey)
            height = stacked.height // len(numbers)
            for place, number in enumerate(numbers):
                band = stacked.crop((0, place * height, stacked.width, (place + 1) * height))
                bands[number] = band.resize(self.size, Image.Resampling.NEAREST)
        return Image.merge(self._mode, [bands[number] for number in sorted(bands)])

    def replace(self, pixels: Image.Image, drawn: Image.Image) -> None:
        """Put other pixels there; only where drawn, of mode L, is not 0 do they differ.

        Raises JpegError, and MemoryError.
        """
        bands = pixels.split()
        for numbers, parts in self._alike():
            ratio = self._ratios[numbers[0]]
            small = [bands[number].reduce(ratio) for number in numbers]
            stacked = self._as_stored(_stacked(small))
            grey, table = BytesIO(), self._coefficients.quantisation(numbers[0])
            stacked.save(grey, "JPEG", qtables=[table])
            changed = _any(drawn, (BLOCK * ratio[0], BLOCK * ratio[1]))
            self._coefficients.put(parts, grey.getvalue(), _stacked([changed] * len(numbers)))

    def _alike(self) -> list[tuple[list[int], list[tuple[int, Box]]]]:
        """Components of one size and quantisation, which take little more time than one of them."""
        found: dict[tuple[Box, tuple[int, ...]], list[int]] = {}
        for number, box in enumerate(self._boxes):
            table = tuple(self._coefficients.quantisation(number))
            found.setdefault((box, table), []).append(number)
        return [([*numbers], [(n, self._boxes[n]) for n in numbers]) for numbers in found.values()]

    def _as_stored(self, band: Image.Image) -> Image.Image:
        """And back."""
        return ImageChops.invert(band) if self._mode == "CMYK" else band


def _stacked(bands: list[Image.Image]) -> Image.Image:
    width, height = bands[0].size
    stacked = Image.new("L", (width, height * len(bands)))
    for place, band in enumerate(bands):
        stacked.paste(band, (0, place * height))
    return stacked


def _any(drawn: Image.Image, size: Ratio) -> Image.Image:
    """Whether any of so many pixels, across and down, is drawn: a pixel for each of those."""
    shares = drawn.convert("F").reduce(size)
    return shares.point(lambda share: share * _MANY + 0).convert("L")
