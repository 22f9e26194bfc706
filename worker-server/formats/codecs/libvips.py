"""libvips, for what Pillow cannot hold: several channels of more than 8 bits.

One thread, no cache, and only the decoders that are needed. Raises MemoryError, and pyvips.Error
where a file is damaged.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from formats.codecs.encoding import as_memory_error

os.environ["VIPS_CONCURRENCY"] = "1"  # read as the library is loaded

import pyvips

pyvips.cache_set_max(0)
pyvips.operation_block_set("VipsForeignLoad", True)
for _loader in ("VipsForeignLoadTiff", "VipsForeignLoadPng"):
    pyvips.operation_block_set(_loader, False)

_FORMATS = {  # bits of a sample and TIFF's SampleFormat
    (8, 1): "uchar", (8, 2): "char", (16, 1): "ushort", (16, 2): "short",
    (32, 1): "uint", (32, 2): "int", (32, 3): "float", (64, 3): "double",
}  # fmt: skip
_COMPRESSION = 3  # of zlib; 6 takes 2.5 times as long for files a tenth smaller


class Shape(NamedTuple):
    width: int
    height: int
    bands: int
    bits: int
    sample_format: int = 1


@as_memory_error()
def tiff_samples(file: bytes) -> bytes:
    """The pixels of a TIFF, not converted."""
    image: Any = pyvips.Image.tiffload_buffer(file, access="sequential")
    return bytes(image.write_to_memory())


@as_memory_error()
def predicted_tiff(content: bytes, shape: Shape, predictor: str) -> bytes:
    """A TIFF of these samples, deflated after that predictor."""
    image = _image(content, shape)
    return bytes(image.tiffsave_buffer(compression="deflate", predictor=predictor, level=1))


@as_memory_error()
def png_region(path: Path, box: tuple[int, int, int, int], bands: int) -> bytes:
    """The samples of a region (left, top, right, bottom) of a PNG."""
    left, top, right, bottom = box
    return bytes(_png(path, bands).crop(left, top, right - left, bottom - top).write_to_memory())


@as_memory_error()
def png_with_region(
    path: Path, samples: bytes, shape: Shape, corner: tuple[int, int], **options: Any
) -> bytes:
    """The PNG with other samples in a region. It is streamed: never in memory as a whole."""
    image = _png(path, shape.bands).insert(_image(samples, shape), *corner)
    # Filters make 16-bit pixels small: several are tried for each row.
    image = image.copy(interpretation="rgb16" if shape.bands > 2 else "grey16")
    options = {"compression": _COMPRESSION, "filter": "all", "keep": "none", **options}
    return bytes(image.pngsave_buffer(bitdepth=shape.bits, **options))


def _png(path: Path, bands: int) -> Any:
    image: Any = pyvips.Image.pngload(str(path), access="sequential", fail_on="error")
    return image.extract_band(0, n=bands)  # without the alpha that tRNS becomes


def _image(content: bytes, shape: Shape) -> Any:
    size = shape.width, shape.height, shape.bands
    image = pyvips.Image.new_from_memory(content, *size, _FORMATS[shape.bits, shape.sample_format])
    return image.copy(interpretation="multiband")
