"""OUTPUT_FORMAT: any image that can be read as JPEG, WebP, AVIF or PNG, with the logo on it.

Pictures are turned upright: some viewers of these formats ignore the EXIF orientation. Animations
stay animations where the format has them. Of several pages the first is taken.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, ImageOps
from PIL.PngImagePlugin import PngInfo

from drawing.stamp import Stamp
from formats.avif import boxes
from formats.avif.exif import ExifSlot
from formats.avif.mark import SPEED, check_memory
from formats.codecs import heif_parts, quality
from formats.codecs.encoding import as_memory_error, encoded
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
# The modes of each format; the last is for pictures that have none of them.
_MODES = {
    OutputFormat.JPEG: ("L", "RGB"),
    OutputFormat.WEBP: ("RGBA", "RGB"),
    OutputFormat.AVIF: ("L", "RGBA", "RGB"),
    OutputFormat.PNG: ("1", "L", "LA", "P", "I;16", "RGBA", "RGB"),
}


@as_memory_error()
def converted(path: Path, image: ImageFile.ImageFile, stamp: Stamp) -> bytes:
    """The file in the format that the options ask for."""
    target = stamp.options.output_format
    if image.format in ("HEIF", "AVIF"):
        heif_parts.note_dropped(path, stamp, keeps_animation=image.format == "AVIF")
    elif image.format in ("JPEG", "MPO"):
        damage.load(path, image, stamp)
    plays, is_animation = _plays(path, image), _is_animation(image)
    if is_animation and target is not OutputFormat.JPEG:
        size = image.size  # a GIF's frames may reach beyond its screen
        timed = [(_picture(image, stamp, size), duration) for duration in _frames(image)]
        pictures = _in_one_mode([picture for picture, _ in timed])
        durations = [duration for _, duration in timed]
        timing: dict[str, Any] = {"save_all": True, "duration": durations, "loop": plays}
    else:
        if getattr(image, "n_frames", 1) > 1:
            what = "frame" if is_animation else "picture"
            stamp.note(f"Only its first {what} was converted.")
        pictures, timing = [_picture(image, stamp, image.size)], {}
    options = {**_options(target, stamp), **metadata.kept(image, stamp, pictures[0]), **timing}
    if target is not OutputFormat.AVIF:
        return _encoded(target, pictures, options)
    check_memory(pictures[0].size, "4:2:0")
    slot = ExifSlot(options["exif"], orientation=1)
    content = slot.filled(_encoded(target, pictures, {**options, "exif": slot.stand_in}))
    return boxes.with_colours_and_loop(content, None, plays or None) if timing else content


def _is_animation(image: ImageFile.ImageFile) -> bool:
    return image.format in _ANIMATED and bool(getattr(image, "is_animated", False))


def _frames(image: ImageFile.ImageFile) -> Iterator[int]:
    """Go from frame to frame. Yields each one's milliseconds."""
    hidden = 1 if getattr(image, "default_image", False) else 0  # an APNG may begin with a still
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
    """The current frame, cut to size: upright, in a mode of the target format, with the logo."""
    _note_depth(image, stamp)
    image.load()
    target = stamp.options.output_format
    frame = image.crop((0, 0, *size))
    upright = ImageOps.exif_transpose(frame) if metadata.orientation(image) != 1 else frame
    picture = as_mode(upright, _MODES[target], stamp)
    stamp.mark(picture, profile=picture.info.get("icc_profile"))
    return picture


def _note_depth(image: ImageFile.ImageFile, stamp: Stamp) -> None:
    raw = str([tile.args for tile in image.tile])
    is_high = image.info.get("bit_depth", 8) > 8 or "16" in raw or image.mode[0] in "IF"
    kept = stamp.options.output_format is OutputFormat.PNG and image.mode.startswith("I")
    if is_high and not kept:
        stamp.note("It has more than 8 bits a channel; 8 are kept.")


def _in_one_mode(pictures: list[Image.Image]) -> list[Image.Image]:
    """An animation's frames have one mode. Those with palettes become RGBA."""
    modes = {picture.mode for picture in pictures}
    if len(modes) == 1 and modes <= {"L", "RGB", "RGBA"}:
        return pictures
    return [picture.convert("RGBA") for picture in pictures]


def _options(target: OutputFormat, stamp: Stamp) -> dict[str, Any]:
    wanted = stamp.options.output_quality
    if target is OutputFormat.PNG:
        return {"blend": 0, "disposal": 0}  # for an animation
    if target is OutputFormat.AVIF:
        return {"quality": quality.of_avif(wanted), **SPEED}
    return {"quality": quality.of_jpeg_and_webp(wanted), "method": 4}  # the method is for WebP


def _encoded(target: OutputFormat, pictures: list[Image.Image], options: dict[str, Any]) -> bytes:
    if target is OutputFormat.PNG and options["xmp"]:
        # Pillow does not write XMP into a PNG (XMP specification part 3, section 1.1.5).
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", options["xmp"].decode(errors="replace"))
        options = {**options, "pnginfo": text}
    return encoded(pictures[0], target.upper(), append_images=pictures[1:], **options)
