"""The settings of the logo and the output, and their defaults. Passed to the decoder processes."""

from dataclasses import dataclass
from enum import StrEnum


class Position(StrEnum):
    """Row by row."""

    TOP_LEFT = "top-left"
    TOP = "top"
    TOP_RIGHT = "top-right"
    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM = "bottom"
    BOTTOM_RIGHT = "bottom-right"


class Metadata(StrEnum):
    KEEP = "keep"  # all of it
    NOGPS = "nogps"  # all but where it was taken
    STRIP = "strip"  # nothing but orientation and ICC profile


class OutputFormat(StrEnum):
    KEEP = "keep"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"
    PNG = "png"


@dataclass(frozen=True)
class Padding:
    """Distance from the edges: in pixels, or in percent of the image's width or height."""

    amount: float
    percent: bool = False

    def pixels(self, side: int) -> int:
        return round(side * self.amount / 100) if self.percent else round(self.amount)


@dataclass(frozen=True)
class Options:
    position: Position = Position.TOP_RIGHT
    scale: float = 0.2  # the logo fits into this share of the image's width and height
    padding: Padding = Padding(10)
    opacity: float = 1
    min_image: int = 0  # px; images with a shorter side below it get no logo
    output_format: OutputFormat = OutputFormat.KEEP
    output_quality: int | None = None  # unset: formats/codecs/quality.py
    metadata: Metadata = Metadata.KEEP
    max_pixels: int = 100_000_000  # of one frame
    max_total_pixels: int = 500_000_000  # of all frames
