"""OUTPUT_FORMAT: any image that can be read as JPEG, WebP, AVIF or PNG, with the logo on it.

Pictures are turned upright, for not every viewer of each of these formats looks for an EXIF
orientation. Animations stay what they are where the format has them; of several pages the first
is taken. What OUTPUT_QUALITY means to each codec stands in codecs/quality.py; PNG is lossless.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, ImageOps
from PIL.PngImagePlugin import PngInfo

from drawing.stamp import Stamp
from errors import ImageRejected
from formats.avif import boxes, mark
from formats.avif.exif import ExifSlot
from formats.codecs import heif_parts, quality
from formats.codecs.encoding import out_of_memory_translated
from formats.conversion import metadata
from formats.conversion.modes import as_mode
from formats.jpeg import damage
from options import OutputFormat

EXTENSION = {
    OutputFormat.JPEG: ".jpg",
    OutputFormat.WEBP: ".webp",
    OutputFormat.AVIF: ".avif",
    OutputFormat.PNG: ".png",
}
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
# The modes each format has; the last takes what is none of them.
_MODES = {
    OutputFormat.JPEG: ("L", "RGB"),
    OutputFormat.WEBP: ("RGBA", "RGB"),
    OutputFormat.AVIF: ("L", "RGBA", "RGB"),
    OutputFormat.PNG: ("1", "L", "LA", "P", "I;16", "RGBA", "RGB"),
}


@out_of_memory_translated()
def converted(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    """The file's bytes in the format that the options ask for."""
    target = stamp.options.output_format
    if image.format in ("HEIF", "AVIF"):
        heif_parts.note_dropped(path, stamp, keeps_animation=image.format == "AVIF")
    elif image.format in ("JPEG", "MPO"):
        damage.load(path, image, stamp)
    loop, is_animation = _plays(path, image), _is_animation(image)
    if is_animation and target is not OutputFormat.JPEG:
        size = image.size  # a GIF's frames may reach beyond its screen
        timed = [(_picture(image, stamp, size), duration) for duration in _frames(image)]
        pictures = _alike([picture for picture, _ in timed])
        timing = _timing(target, [duration for _, duration in timed], loop)
    else:
        if getattr(image, "n_frames", 1) > 1:
            what = "frame" if is_animation else "picture"
            stamp.note(f"Only its first {what} was converted.")
        pictures, timing = [_picture(image, stamp, image.size)], {}
    options = {**_options(target, stamp), **metadata.along(image, stamp, pictures[0]), **timing}
    slot = ExifSlot(options["exif"] if target is OutputFormat.AVIF else b"", orientation=1)
    if target is OutputFormat.AVIF:
        options["exif"] = slot.stand_in
    if target is OutputFormat.PNG:
        options["pnginfo"] = _png_text(options["xmp"])
    encoded = slot.filled(_encoded(target, pictures, options))
    if target is OutputFormat.AVIF and timing:
        return boxes.playing(encoded, loop or None)
    return encoded


def _png_text(xmp: bytes) -> PngInfo:
    """XMP as PNG has it (XMP specification part 3, section 1.1.5); Pillow leaves it out."""
    text = PngInfo()
    if xmp:
        text.add_itxt("XML:com.adobe.xmp", xmp.decode(errors="replace"))
    return text


def _is_animation(image: ImageFile.ImageFile) -> bool:
    return image.format in _ANIMATED and bool(getattr(image, "is_animated", False))


def _frames(image: ImageFile.ImageFile) -> Iterator[int]:
    """Go from frame to frame; each one's milliseconds."""
    hidden = 1 if getattr(image, "default_image", False) else 0  # an APNG's stand-in
    for number in range(hidden, image.n_frames):  # type: ignore[attr-defined]
        image.seek(number)
        image.load()
        yield round(image.info.get("duration", 0))


def _plays(path: Path, image: ImageFile.ImageFile) -> int:
    """How often an animation is shown; 0 for ever. GIF counts repetitions, the others plays."""
    if image.format == "AVIF":
        return boxes.read(path).plays or 0
    loop = image.info.get("loop")
    if image.format != "GIF":
        return loop or 0
    return 1 if loop is None else loop and loop + 1


def _picture(image: ImageFile.ImageFile, stamp: Stamp, size: tuple[int, int]) -> Image.Image:
    """The frame that image is at, cut to size: upright, in a mode of the target's, marked."""
    _note_depth(image, stamp)
    image.load()
    target = stamp.options.output_format
    frame = image.crop((0, 0, *size))
    upright = ImageOps.exif_transpose(frame) if metadata.orientation(image) != 1 else frame
    picture = as_mode(upright, _MODES[target], stamp)
    stamp.put_on(picture, profile=picture.info.get("icc_profile"))
    return picture


def _note_depth(image: ImageFile.ImageFile, stamp: Stamp) -> None:
    raw = str([tile.args for tile in image.tile])
    deep = image.info.get("bit_depth", 8) > 8 or "16" in raw or image.mode in ("I", "F")
    kept = stamp.options.output_format is OutputFormat.PNG and image.mode.startswith("I")
    if (deep or image.mode.startswith("I")) and not kept:
        stamp.note("It has more than 8 bits a channel; 8 are kept.")


def _alike(pictures: list[Image.Image]) -> list[Image.Image]:
    """All of one mode: an animation has one, and its palettes may differ."""
    modes = {picture.mode for picture in pictures}
    if len(modes) == 1 and modes <= {"L", "RGB", "RGBA"}:
        return pictures
    return [picture.convert("RGBA") for picture in pictures]


def _timing(target: OutputFormat, durations: list[int], plays: int) -> dict[str, Any]:
    timing = {"save_all": True, "duration": durations, "loop": plays}
    return {**timing, "blend": 0, "disposal": 0} if target is OutputFormat.PNG else timing


def _options(target: OutputFormat, stamp: Stamp) -> dict[str, Any]:
    wanted = stamp.options.output_quality
    options: dict[OutputFormat, dict[str, Any]] = {
        OutputFormat.JPEG: {"quality": quality.of_jpeg(wanted)},
        OutputFormat.WEBP: {"quality": quality.of_webp(wanted), "method": 4},
        OutputFormat.AVIF: {"quality": quality.of_avif(wanted), **mark.SPEED},
        OutputFormat.PNG: {},
    }
    return options[target]


def _encoded(target: OutputFormat, pictures: list[Image.Image], options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    if target is OutputFormat.AVIF:
        mark.check_memory(pictures[0].size, "4:2:0")
    try:
        with out_of_memory_translated():
            pictures[0].save(buffer, target.upper(), append_images=pictures[1:], **options)
    except MemoryError:
        raise
    # An encoder that runs out of memory, or whose limits are exceeded, says so in many ways.
    except Exception as error:
        size = f"{pictures[0].width} x {pictures[0].height} pixels"
        detail = f"{size} cannot be written as {target.upper()} ({error})."
        raise ImageRejected("not_encodable", detail) from None
    return buffer.getvalue()
