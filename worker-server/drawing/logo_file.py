"""Any image that is taken as a logo, made into a file of one kind."""

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from drawing import compositing

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def normalise_logo(source: Path, target: Path) -> None:
    """Write a logo as an upright RGBA PNG in sRGB. Raises ValueError where it cannot be used."""
    try:
        with Image.open(source, formats=_FORMATS) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits
                image = image.convert("I").point(lambda level: level / 257).convert("L")
            rgba = image.convert("RGBA")
            profile = image.info.get("icc_profile")
            if into_srgb := compositing.transform(profile, "RGB", to_srgb=True):
                alpha = rgba.getchannel("A")
                rgba = into_srgb.apply(rgba.convert("RGB")).convert("RGBA")
                rgba.putalpha(alpha)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises any kind, even SyntaxError
        raise ValueError(_reason(source, error)) from None
    if rgba.getchannel("A").getbbox() is None:
        raise ValueError("it is transparent everywhere")
    rgba.save(target, "PNG", compress_level=1)


def _reason(source: Path, error: Exception) -> str:
    kinds = "PNG, JPEG, WebP or GIF"
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return f"it cannot be read: {error.strerror}"
    with source.open("rb") as file:
        if b"<svg" in file.read(1024):
            return f"SVG logos are not taken: export it as a {kinds}, larger than you need it"
    if isinstance(error, UnidentifiedImageError):
        return f"it is not an image of the kinds that are taken: {kinds}"
    return f"it is not an image: it is damaged ({error})"
