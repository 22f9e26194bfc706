"""libvips, for what Pillow cannot hold: several channels of more than 8 bits.

One thread, no cache, and only the decoders that are needed. Raises MemoryError, and pyvips.Error
where a file is damaged.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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
_COMPRESSION = 3  # of zlib; 6 takes 2.5 times as long to spare a tenth


class Shape(NamedTuple):
    width: int
    height: int
    bands: int
    bits: int
    sample_format: int = 1


def tiff_samples(file: bytes) -> bytes:
    """The pixels of a TIFF, as they are."""
    with _memory_errors():
        image: Any = pyvips.Image.tiffload_buffer(file, access="sequential")
        return bytes(image.write_to_memory())


def predicted_tiff(content: bytes, shape: Shape, predictor: str) -> bytes:
    """A TIFF of these samples, deflated after that predictor."""
    with _memory_errors():
        image = _image(content, shape)
        return bytes(image.tiffsave_buffer(compression="deflate", predictor=predictor, level=1))


def png_box(path: Path, box: tuple[int, int, int, int], bands: int) -> bytes:
    """The samples of a box (left, top, right, bottom) of a PNG."""
    left, top, right, bottom = box
    with _memory_errors():
        region = _png(path, bands).crop(left, top, right - left, bottom - top)
        return bytes(region.write_to_memory())


def png_with_box(
    path: Path, box: bytes, shape: Shape, corner: tuple[int, int], **options: Any
) -> bytes:
    """The PNG again, with other samples in a box; not more of it in memory than it takes."""
    with _memory_errors():
        image = _png(path, shape.bands).insert(_image(box, shape), *corner)
        # Filters are what makes deep pixels small: several are tried for each row.
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


_NO_MEMORY = re.compile("out of memory|unable to allocate|cannot allocate", re.IGNORECASE)


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except pyvips.Error as error:
        if _NO_MEMORY.search(str(error)):
            raise MemoryError from None
        raise
