"""The logo on an image that is in memory as plain samples.

For images of more bits than Pillow's modes have, and for large ones, so that Pillow copies only the
part under the logo.
"""

from array import array
from dataclasses import dataclass

from PIL import Image

from drawing import compositing, high_bit_depth
from drawing.compositing import Profile
from drawing.high_bit_depth import Alpha, Pixels
from drawing.stamp import Overlay, Stamp

_CHANNELS = {"L": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}


@dataclass
class RawPicture:
    """Rows of interleaved samples, each of one byte, or of two in this machine's byte order."""

    samples: bytearray
    size: tuple[int, int]
    mode: str  # L, LA, RGB, RGBA, or La, RGBa: colours multiplied by alpha
    stride: int  # bytes from one row to the next
    is_16bit: bool = False

    def mark_with(self, stamp: Stamp, orientation: int = 1, profile: Profile | None = None) -> None:
        """Composite the logo in place. profile is the image's own."""
        overlay = stamp.overlay(self.size, orientation)
        if overlay is None:
            return
        rows = self._rows(overlay)
        before = b"".join(self.samples[row] for row in rows)
        after = self._with_logo(before, overlay, profile)
        stamp.compare(before, after)
        row_bytes = len(before) // len(rows)
        for number, row in enumerate(rows):
            self.samples[row] = after[number * row_bytes : (number + 1) * row_bytes]

    def _with_logo(self, region: bytes, overlay: Overlay, profile: Profile | None) -> bytes:
        """The region's samples with the logo."""
        if self.is_16bit:
            samples = array("H", region)
            high_bit_depth.composite(samples, self._kind, overlay.logo, profile)
            return samples.tobytes()
        image = Image.frombytes(self.mode, overlay.logo.size, region).convert(self.mode.upper())
        compositing.composite(image, overlay.logo, (0, 0), profile)
        return image.convert(self.mode).tobytes()

    @property
    def _kind(self) -> Pixels:
        alpha = {"A": Alpha.STRAIGHT, "a": Alpha.PREMULTIPLIED}.get(self.mode[-1])
        return Pixels(self.mode.rstrip("Aa"), _CHANNELS[self.mode], alpha, 0, 65535)

    def _rows(self, overlay: Overlay) -> list[slice]:
        """The places of the region's rows in the samples."""
        left, top, right, bottom = overlay.box
        pixel_bytes = _CHANNELS[self.mode] * (2 if self.is_16bit else 1)
        start, end = left * pixel_bytes, right * pixel_bytes
        return [slice(y * self.stride + start, y * self.stride + end) for y in range(top, bottom)]
