"""The region of a JPEG that a box touches: its pixels, with the components as they are stored.

Pillow converts colours and smooths subsampled ones when it decodes a JPEG. Neither can be undone
exactly. Here each component is decoded as a grey image in its own resolution, and only blocks that
changed are encoded again, with the same quantisation table.
"""

from io import BytesIO

from PIL import Image, ImageChops

from drawing.placement import PixelBox
from formats.jpeg.libjpeg.coefficients import BLOCK, BlockBox, Coefficients
from formats.jpeg.segments import FrameHeader, Ratio

_MODES = {1: "L", 3: "YCbCr", 4: "CMYK"}  # by the number of components
_MANY = 1024  # as many pixels as a block has at most, in the image's resolution


class JpegRegion:
    """The MCUs that a box touches. corner and size are in pixels.

    Four components are inverted, as in all of Pillow's CMYK images.
    """

    def __init__(self, coefficients: Coefficients, frame: FrameHeader, box: PixelBox) -> None:
        """Raises JpegError, and MemoryError."""
        self._coefficients = coefficients
        self._mode = _MODES[len(frame.components)]
        self._ratios = frame.ratios
        across, down = frame.mcu_size
        left, top, right, bottom = frame.mcus_under(box)
        self.corner = left * across, top * down
        self.size = (right - left) * across, (bottom - top) * down
        self._boxes = [
            (left * c.across, top * c.down, right * c.across, bottom * c.down)
            for c in frame.components
        ]

    def pixels(self) -> Image.Image:
        """All components. Pixels of subsampled ones are repeated."""
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
        """Replace the pixels. They may differ only where the L image drawn is not 0.

        Raises JpegError, and MemoryError.
        """
        bands = pixels.split()
        for numbers, parts in self._alike():
            ratio = self._ratios[numbers[0]]
            small = [bands[number].reduce(ratio) for number in numbers]
            stacked = self._as_stored(_stacked(small))
            grey, table = BytesIO(), self._coefficients.quantisation(numbers[0])
            stacked.save(grey, "JPEG", qtables=[table])
            changed = _blocks_drawn(drawn, (BLOCK * ratio[0], BLOCK * ratio[1]))
            self._coefficients.put(parts, grey.getvalue(), _stacked([changed] * len(numbers)))

    def _alike(self) -> list[tuple[list[int], list[tuple[int, BlockBox]]]]:
        """Components of the same size and quantisation, which are coded together.

        A small image takes 7% longer if each is coded alone.
        """
        found: dict[tuple[BlockBox, tuple[int, ...]], list[int]] = {}
        for number, box in enumerate(self._boxes):
            table = tuple(self._coefficients.quantisation(number))
            found.setdefault((box, table), []).append(number)
        return [([*numbers], [(n, self._boxes[n]) for n in numbers]) for numbers in found.values()]

    def _as_stored(self, band: Image.Image) -> Image.Image:
        """From Pillow's levels to the file's, or back."""
        return ImageChops.invert(band) if self._mode == "CMYK" else band


def _stacked(bands: list[Image.Image]) -> Image.Image:
    width, height = bands[0].size
    stacked = Image.new("L", (width, height * len(bands)))
    for place, band in enumerate(bands):
        stacked.paste(band, (0, place * height))
    return stacked


def _blocks_drawn(drawn: Image.Image, size: Ratio) -> Image.Image:
    """An L image with a pixel for each block of this size: not 0 where a pixel of it is drawn."""
    shares = drawn.convert("F").reduce(size)
    return shares.point(lambda share: share * _MANY).convert("L")
