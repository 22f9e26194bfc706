"""Writing an image back in the format it came in, losing as little as that format allows."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin
from PIL.ImageFile import ImageFile

from errors import ImageRejected

_LOSSY_QUALITY = 90  # WebP and AVIF do not say which quality they were written with


def _jpeg(image: Image.Image) -> dict[str, Any]:
    options: dict[str, Any] = {
        "qtables": getattr(image, "quantization", None),
        "progressive": "progressive" in image.info,
        "comment": image.info.get("comment"),
    }
    sampling = JpegImagePlugin.get_sampling(image)
    return options if sampling < 0 else {**options, "subsampling": sampling}


def _webp(image: Image.Image) -> dict[str, Any]:
    lossless = isinstance(image, ImageFile) and _is_lossless_webp(Path(str(image.filename)))
    return {"lossless": lossless, "exact": lossless, "quality": _LOSSY_QUALITY, "method": 4}


def _tiff(image: Image.Image) -> dict[str, Any]:
    return {"compression": image.info.get("compression", "raw")}


def _plain(image: Image.Image) -> dict[str, Any]:
    return {}


def _is_lossless_webp(path: Path) -> bool:
    """Whether the (first) bitstream chunk is VP8L (RFC 9649 section 2.6); Pillow does not tell."""
    with path.open("rb") as file:
        file.seek(12)
        while chunk := file.read(8):
            name, size = struct.unpack("<4sI", chunk.ljust(8, b"\0"))
            if name in (b"VP8 ", b"VP8L"):
                return bool(name == b"VP8L")
            # A frame's chunks lie behind its 16-byte header; chunks are padded to even sizes.
            file.seek(16 if name == b"ANMF" else size + size % 2, io.SEEK_CUR)
    return False


_OPTIONS: dict[str, Callable[[Image.Image], dict[str, Any]]] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,
    "PNG": _plain,
    "GIF": _plain,
    "WEBP": _webp,
    "TIFF": _tiff,
    "BMP": _plain,
    "JPEG2000": _plain,
    "AVIF": lambda image: {"quality": _LOSSY_QUALITY},
}
# What may be opened. Pillow opens an MPO as the JPEG it begins with.
FORMATS = tuple(name for name in _OPTIONS if name != "MPO")


def encode(image: Image.Image) -> bytes:
    """The image's file. Raises ImageRejected where the format cannot hold it."""
    return _saved(image, image, {})


def encode_frames(opened: Image.Image, frames: list[Image.Image]) -> bytes:
    """An animation's or a multi-page file's bytes; opened tells format and loop."""
    timing: dict[str, Any] = {
        "save_all": True,
        "append_images": frames[1:],
        "duration": [frame.info.get("duration", 0) for frame in frames],
    }
    if "loop" in opened.info:
        timing["loop"] = opened.info["loop"]
    return _saved(opened, frames[0], timing)


def _saved(opened: Image.Image, image: Image.Image, more: dict[str, Any]) -> bytes:
    file_format = opened.format or ""
    options = {**_OPTIONS[file_format](opened), **_metadata(opened), **more}
    buffer = io.BytesIO()
    # An MPO's further pictures are dropped: its first is a whole JPEG.
    try:
        image.save(buffer, "JPEG" if file_format == "MPO" else file_format, **options)
    except MemoryError:
        raise
    # An encoder that runs out of memory (WATERMARK_MEMORY_MB) says so in many ways.
    except Exception as error:
        detail = f"It cannot be written as {file_format} again ({type(error).__name__}: {error})."
        raise ImageRejected("not_encodable", detail) from None
    return buffer.getvalue()


def _metadata(image: Image.Image) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "icc_profile": image.info.get("icc_profile"),
        "dpi": image.info.get("dpi"),
        "xmp": image.info.get("xmp"),
        "exif": image.info.get("exif"),
    }
    return {key: value for key, value in kept.items() if value is not None}
