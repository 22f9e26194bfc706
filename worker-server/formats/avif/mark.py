"""AVIF, stills and animations: frames, timing, profile, metadata, chroma as they were."""

import io
from pathlib import Path
from typing import Any

from PIL import AvifImagePlugin, Image, ImageFile

from drawing.stamp import Stamp
from formats.avif import boxes
from formats.avif.exif import ExifSlot
from formats.codecs import quality
from formats.codecs.encoding import out_of_memory_translated
from metadata import filters
from options import Metadata

# The children are as many as the processors, and each thread takes memory of the one it is in.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# A photo of 12 megapixels: 1.6 s, at 8 it is 4 s for 12% less, at Pillow's 6 it is 15 s.
SPEED: dict[str, Any] = {"speed": 9, "max_threads": 1}
_MAX_DURATION = 2**31  # ms; what is meant to be for ever


@out_of_memory_translated()
def marked(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    """The file's bytes with the logo on each of its pictures."""
    head = boxes.read(path)
    if head.bits > 8:
        stamp.note(f"Its {head.bits} bits a channel became 8.")
    if head.is_lossless:
        stamp.note("It was lossless and is of the highest quality that is not.")
    policy = stamp.options.metadata
    if policy is Metadata.KEEP and stamp.overlay(image.size, _orientation(image)) is None:
        image.load()
        return path.read_bytes()
    block: bytes = image._decoder.get_info()[4]  # type: ignore[attr-defined]
    kept = filters.exif(block, policy) if block else None
    slot = ExifSlot(kept or b"", _orientation(image))
    xmp = image.info.get("xmp")
    options: dict[str, Any] = {
        "quality": 100 if head.is_lossless else quality.of_avif(stamp.options.output_quality),
        "subsampling": head.subsampling,
        "icc_profile": image.info.get("icc_profile"),
        "xmp": filters.xmp(xmp, policy) if xmp else None,
        "exif": slot.stand_in,
        **SPEED,
    }
    if getattr(image, "is_animated", False):
        encoded = _animation(image, stamp, options)
    else:
        encoded = _saved(_Frame(image, 0, stamp).picture(), options)
    return boxes.with_colours_and_loop(slot.filled(encoded), head)


class _Frame:
    """One picture of the file, decoded and marked when the encoder asks for it.

    So that an animation's frames are not in memory all at once; Pillow asks no more of a frame.
    """

    def __init__(self, image: ImageFile.ImageFile, number: int, stamp: Stamp) -> None:
        self._image = image
        self._number = number
        self._stamp = stamp
        self.mode = image.mode
        self.size = image.size

    def picture(self) -> Image.Image:
        """The image itself, until another frame's picture is asked for."""
        self._image.seek(self._number)
        self._image.load()
        profile = self._image.info.get("icc_profile")
        self._stamp.put_on(self._image, _orientation(self._image), profile)
        return self._image

    def seek(self, frame: int) -> None:
        if frame:
            raise EOFError

    def tobytes(self, *encoding: str) -> bytes:
        return self.picture().tobytes(*encoding)


def _animation(image: ImageFile.ImageFile, stamp: Stamp, options: dict[str, Any]) -> bytes:
    frames = [_Frame(image, number, stamp) for number in range(image.n_frames)]  # type: ignore[attr-defined]
    durations = []
    for number in range(len(frames)):
        image.seek(number)
        image.load()
        durations.append(min(image.info["duration"], _MAX_DURATION))
    first = frames[0].picture().copy()
    timed = {"save_all": True, "append_images": frames[1:], "duration": durations}
    return _saved(first, {**options, **timed})


def _saved(picture: Image.Image, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "AVIF", **options)
    return buffer.getvalue()


def _orientation(image: ImageFile.ImageFile) -> int:
    """What irot and imir say, which Pillow puts into its EXIF; XMP's does not count."""
    return filters.orientation(image.info.get("exif", b""))
