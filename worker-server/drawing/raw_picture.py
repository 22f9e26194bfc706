"""The logo on the samples of a whole picture in memory.

For pictures of more bits than Pillow holds, and for large ones, which Pillow need not copy.
"""

from array import array
from dataclasses import dataclass

from PIL import Image

from drawing import compositing, high_bit_depth
from drawing.compositing import Profile
from drawing.stamp import Overlay, Stamp

_CHANNELS = {"L": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}


@dataclass
class Picture:
    """Rows of interleaved samples, each of one byte, or of two in this machine's order."""

    samples: bytearray
    size: tuple[int, int]
    mode: str  # L, LA, RGB, RGBA, or La, RGBa: colours multiplied by alpha
    stride: int  # bytes from one row to the next
    is_deep: bool = False  # 16 bits a sample

    @property
    def _pixel_bytes(self) -> int:
        return _CHANNELS[self.mode] * (2 if self.is_deep else 1)

    def put_on(self, stamp: Stamp, orientation: int = 1, profile: Profile | None = None) -> None:
        """Composite the logo in place. profile is the picture's own."""
        overlay = stamp.overlay(self.size, orientation)
        if overlay is None:
            return
        region = self._region(overlay)
        if self.is_deep:
            samples = array("H", region)
            high_bit_depth.put_on(samples, self._deep_pixels, overlay.logo, profile)
            region = samples.tobytes()
        else:
            image = Image.frombytes(self.mode, overlay.logo.size, region)
            image = image.convert(self.mode.upper())
            compositing.composite(image, overlay.logo, (0, 0), profile)
            region = image.convert(self.mode).tobytes()
        stamp.compare(self._region(overlay), region)
        self._set_region(overlay, region)

    @property
    def _deep_pixels(self) -> high_bit_depth.Pixels:
        alphas = {"A": high_bit_depth.Alpha.STRAIGHT, "a": high_bit_depth.Alpha.PREMULTIPLIED}
        colours = self.mode.rstrip("Aa")
        return high_bit_depth.Pixels(
            colours, _CHANNELS[self.mode], alphas.get(self.mode[-1]), 0, 65535
        )

    def _region(self, overlay: Overlay) -> bytes:
        return b"".join(self.samples[row] for row in self._rows(overlay))

    def _set_region(self, overlay: Overlay, region: bytes) -> None:
        width = overlay.logo.width * self._pixel_bytes
        for number, row in enumerate(self._rows(overlay)):
            self.samples[row] = region[number * width : (number + 1) * width]

    def _rows(self, overlay: Overlay) -> list[slice]:
        left, top, right, bottom = overlay.box
        start, end = left * self._pixel_bytes, right * self._pixel_bytes
        return [slice(y * self.stride + start, y * self.stride + end) for y in range(top, bottom)]
