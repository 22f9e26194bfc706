"""A picture in another mode that looks the same: by its profile, over white, of fewer bits."""

from PIL import Image

from drawing import compositing
from drawing.stamp import Stamp


def as_mode(picture: Image.Image, modes: tuple[str, ...], stamp: Stamp) -> Image.Image:
    """The picture in one of these modes. The last is for a picture that has none of them."""
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = _of_high_bit_depth(picture, modes)
    if picture.mode in modes:
        return picture
    if picture.mode in ("CMYK", "LAB"):
        stamp.note(f"It was {picture.mode} and is sRGB now.")
        return _in_srgb(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if "RGBA" in modes:
            return picture
        if picture.getchannel("A").getextrema() != (255, 255):
            stamp.note("Its transparency became white.")
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=picture.getchannel("A"))
        white.info = picture.info
        return white
    if picture.mode in ("1", "L", "LA") and "L" in modes:
        return picture.convert("L")
    return _in_srgb(picture) if picture.mode == "L" else picture.convert("RGB")


def _of_high_bit_depth(picture: Image.Image, modes: tuple[str, ...]) -> Image.Image:
    if "I;16" in modes and picture.mode != "F":
        return picture.convert("I;16")
    levels = picture.convert("F")
    low, high = levels.getextrema()
    if picture.mode.startswith("I;16") or (picture.mode == "I" and high <= 65535):  # type: ignore[operator]
        low, high = 0.0, 65535.0
    span = (high - low) or 1.0  # type: ignore[operator]
    scaled = levels.point(lambda level: level * (255 / span) + (0.5 - low * 255 / span))  # type: ignore[operator]
    grey = scaled.convert("L")
    grey.info = picture.info
    return grey


def _in_srgb(picture: Image.Image) -> Image.Image:
    """The picture as RGB, by its own profile if that fits its mode."""
    info = {key: value for key, value in picture.info.items() if key != "icc_profile"}
    seen = compositing.in_srgb(picture, picture.info.get("icc_profile"))
    seen.info = info
    return seen
