"""AVIF, stills and animations: timing, profile, metadata and chroma subsampling stay."""

import io
import struct
from pathlib import Path
from typing import Any, cast

from PIL import AvifImagePlugin, Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile

from drawing import signalled_colour
from drawing.compositing import Profile
from drawing.raw_picture import RawPicture
from drawing.stamp import Stamp
from formats.avif import boxes
from formats.avif.exif import ExifSlot
from formats.codecs import heif_parts, quality
from formats.codecs.encoding import as_memory_error
from metadata import filters
from options import Metadata

# There is a decoder process for each processor, and each thread takes some of its memory.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
# A photo of 12 megapixels takes 1.6 s; at speed 8 it takes 4 s and is 12% smaller, at Pillow's 6 it
# takes 15 s. aom reserves memory for two searches that it does not make at this speed. Without them
# the files are identical, and 20 megapixels take 84 MB less.
_UNUSED = {"enable-tpl-model": "0", "enable-global-motion": "0"}
SPEED: dict[str, Any] = {"speed": 9, "max_threads": 1, "advanced": _UNUSED}
_MIN_PIXEL_BYTES, _MIN_PIXEL_BYTES_444 = 24, 34  # that encoding takes
_MAX_DURATION = 2**31  # ms; some frames are meant to stay for ever


@as_memory_error()
def mark_avif(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    """The file's bytes with the logo on each of its pictures."""
    orientation, policy = _orientation(image), stamp.options.metadata
    if policy is Metadata.KEEP and stamp.overlay(image.size, orientation) is None:
        image.load()
        return path.read_bytes()
    head = boxes.read(path)
    heif_parts.note_dropped(path, stamp, keeps_animation=True)
    _note_losses(head, stamp)
    opened = cast(AvifImageFile, image)
    block: bytes = opened._decoder.get_info()[4]
    slot = ExifSlot(filters.exif(block or None, policy) or b"", orientation)
    options = {
        "quality": 100 if head.is_lossless else quality.of_avif(stamp.options.output_quality),
        "subsampling": head.subsampling,
        "icc_profile": image.info.get("icc_profile"),
        "xmp": filters.xmp_of_one_picture(image.info.get("xmp"), policy),
        "exif": slot.stand_in,
        **SPEED,
    }
    encoded = _encoded(opened, stamp, profile(image, head), options)
    return boxes.with_colours_and_loop(slot.filled(encoded), head.colours, head.plays)


def _note_losses(head: boxes.Head, stamp: Stamp) -> None:
    if head.bits > 8:
        stamp.note(f"Its {head.bits} bits a channel became 8.")
    if head.is_lossless:
        stamp.note("It was lossless and is of the highest quality that is not.")


def profile(image: ImageFile.ImageFile, head: boxes.Head) -> Profile | None:
    icc_profile: bytes | None = image.info.get("icc_profile")
    if icc_profile or head.colours is None:
        return icc_profile
    return signalled_colour.of_numbers(*struct.unpack(">2H", head.colours))


def _encoded(
    image: AvifImageFile, stamp: Stamp, colours: Profile | None, options: dict[str, Any]
) -> bytes:
    """All of its pictures with the logo. image cannot be read afterwards."""
    check_memory(image.size, options["subsampling"])
    frames = [_AvifFrame(image, number, stamp, colours) for number in range(image.n_frames)]
    if len(frames) > 1:
        durations = [_duration(image, number) for number in range(len(frames))]
        options |= {"save_all": True, "append_images": frames[1:], "duration": durations}
    del image._decoder  # only the frames hold it now: it keeps the last decoded picture
    buffer = io.BytesIO()
    frames[0].save(buffer, "AVIF", **options)
    return buffer.getvalue()


def check_memory(size: tuple[int, int], subsampling: str) -> None:
    """Raise MemoryError for a picture that is too large: without memory aom crashes."""
    width, height = size
    bytes(width * height * (_MIN_PIXEL_BYTES_444 if subsampling == "4:4:4" else _MIN_PIXEL_BYTES))


class _AvifFrame(Image.Image):
    """One picture of the file, decoded and marked when the encoder asks for its pixels.

    So an animation's frames are not in memory at the same time, and the decoder's copy of a large
    picture is not in memory while it is encoded.
    """

    def __init__(
        self, image: AvifImageFile, number: int, stamp: Stamp, colours: Profile | None
    ) -> None:
        super().__init__()
        self._mode, self._size = image.mode, image.size
        self._decoder = image._decoder
        self._number = number
        self._stamp = stamp
        self._orientation = _orientation(image)
        self._profile = colours

    def tobytes(self, encoder_name: str = "raw", *args: Any) -> bytes:
        samples = bytearray(self._decoder.get_frame(self._number)[0])
        del self._decoder
        picture = RawPicture(samples, self.size, self.mode, len(self.mode) * self.width)
        picture.mark_with(self._stamp, self._orientation, self._profile)
        return bytes(samples)


def _duration(image: AvifImageFile, number: int) -> int:
    """A frame's milliseconds."""
    _, timescale, _, duration = image._decoder.get_frame(number)
    milliseconds: float = 1000 * (duration / timescale)
    return min(round(milliseconds), _MAX_DURATION)


def _orientation(image: ImageFile.ImageFile) -> int:
    """irot and imir as an EXIF orientation: Pillow puts it into its EXIF. XMP's does not count."""
    return filters.orientation(image.info.get("exif", b""))
