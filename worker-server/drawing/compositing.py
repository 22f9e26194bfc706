"""The logo on the pixels of one image, in the image's own mode and colours; the rest stays."""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageCms, ImageMath, ImageOps, UnidentifiedImageError

from drawing import palette
from drawing.signalled_colour import SignalledColour
from errors import ImageRejected

# What an image says of its colours: an ICC profile, or numbers
Profile = bytes | SignalledColour

LOGO_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
# What a profile calls the colour space of each mode (ICC.1:2022, table 19)
_COLOUR_SPACE = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_HALF = 128


def normalise_logo(source: Path, target: Path) -> None:
    """Write any image as an upright RGBA PNG in sRGB. Raises ValueError for what is no logo."""
    try:
        with Image.open(source, formats=LOGO_FORMATS) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits
                image = image.convert("I").point(lambda level: level / 257).convert("L")
            rgba = image.convert("RGBA")
            if into_srgb := transform(image.info.get("icc_profile"), "RGB", to_srgb=True):
                alpha = rgba.getchannel("A")
                rgba = into_srgb.apply(rgba.convert("RGB")).convert("RGBA")
                rgba.putalpha(alpha)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises anything, SyntaxError included
        raise ValueError(_no_logo(source, error)) from None
    if rgba.getchannel("A").getbbox() is None:
        raise ValueError("it is transparent everywhere")
    rgba.save(target, "PNG", compress_level=1)


def _no_logo(source: Path, error: Exception) -> str:
    kinds = "PNG, JPEG, WebP or GIF"
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return f"it cannot be read: {error.strerror}"
    with source.open("rb") as file:
        if b"<svg" in file.read(1024):
            return f"SVG logos are not taken: export it as a {kinds}, larger than you need it"
    if isinstance(error, UnidentifiedImageError):
        return f"it is not an image of the kinds that are taken: {kinds}"
    return f"it is not an image: it is damaged ({error})"


def resized(logo: Image.Image, size: tuple[int, int], opacity: float) -> Image.Image:
    """The RGBA logo at size (width, height), its alpha multiplied by opacity (0 to 1)."""
    small = logo.resize(size, Image.Resampling.LANCZOS)
    if opacity < 1:
        small.putalpha(small.getchannel("A").point(lambda alpha: round(alpha * opacity)))
    return small


def composite(
    image: Image.Image,
    logo: Image.Image,
    corner: tuple[int, int],
    profile: Profile | None = None,
    colours: int = 256,
) -> None:
    """Put the RGBA logo (sRGB) over image in place, its top left at corner.

    profile is image's own, if any; colours how many entries its palette may grow to, or how many
    levels of grey it has. Raises ImageRejected.
    """
    mode, alpha = image.mode, logo.getchannel("A")
    if mode in ("RGBA", "LA"):
        region = _region(image, logo, corner).convert("RGBA")
        region.alpha_composite(_with_alpha(in_colours_of(logo, mode[:-1], profile), alpha))
        image.paste(region.convert(mode), corner)
    elif mode in ("P", "PA"):
        ink = _with_alpha(in_colours_of(logo, "RGB", profile), alpha)
        palette.composite(image, ink, corner, colours)
    elif mode == "1":
        region = _region(image, logo, corner).convert("L")
        image.paste(_in_few_levels(region, logo, None, 2).convert("1"), corner)
    elif mode == "L" and 1 < colours <= palette.FEW:
        region = _region(image, logo, corner)
        image.paste(_in_few_levels(region, logo, profile, colours), corner)
    elif mode in ("L", "RGB", "CMYK", "YCbCr", "LAB"):
        image.paste(in_colours_of(logo, mode, profile), corner, alpha)
    elif mode.startswith("I") or mode == "F":
        (grey,) = inks(logo, "L", profile)
        image.paste(_blended(_region(image, logo, corner), grey, alpha, _range(image)), corner)
    else:
        raise ImageRejected("unsupported_mode", f"Images of mode {mode} cannot be watermarked.")


def _in_few_levels(
    under: Image.Image, logo: Image.Image, profile: Profile | None, levels: int
) -> Image.Image:
    """An L image of so many levels with the RGBA logo over it, in dots where it would not show."""
    cover = palette.hardened(logo.getchannel("A"))
    wanted = under.copy()
    wanted.paste(in_colours_of(logo, "L", profile), mask=cover)
    greys = Image.new("P", (1, 1))
    greys.putpalette([255 * level // (levels - 1) for level in range(levels) for _ in range(3)])
    drawn = under.copy()
    for dither in palette.dithers(cover):
        near = wanted.convert("RGB").quantize(palette=greys, dither=dither).convert("L")
        drawn.paste(near, mask=cover.point(lambda alpha: 255 * (alpha > 0)))
        if drawn.tobytes() != under.tobytes():
            break
    return drawn


def inks(logo: Image.Image, mode: str, profile: Profile | None) -> list[Image.Image]:
    """The bands of in_colours_of; of mode F where they are not whole levels."""
    if isinstance(profile, SignalledColour):
        return profile.planes(logo, mode)
    return list(in_colours_of(logo, mode, profile).split())


def in_colours_of(logo: Image.Image, mode: str, profile: Profile | None) -> Image.Image:
    """The colours of the RGBA logo, without its alpha, as an image of that mode shows them.

    mode is L, RGB, CMYK, YCbCr or LAB. A profile that is damaged, or for another kind of image, is
    ignored, as viewers do.
    """
    if isinstance(profile, SignalledColour):
        planes = profile.planes(logo, mode)
        return Image.merge(mode, [p.point(lambda level: level + 0.5).convert("L") for p in planes])
    rgb = logo.convert("RGB")
    from_srgb = transform(profile, mode)
    return rgb.convert(mode) if from_srgb is None else from_srgb.apply(rgb)


@lru_cache(maxsize=4)
def transform(
    profile: bytes | None, mode: str, *, to_srgb: bool = False
) -> ImageCms.ImageCmsTransform | None:
    """Between sRGB and an image's colours, by the intent that the profile itself asks for.

    None where there is no profile that fits; damaged ones are ignored, as viewers do.
    """
    if mode == "LAB":
        if to_srgb:
            return ImageCms.buildTransform(_LAB, _SRGB, "LAB", "RGB")
        return ImageCms.buildTransform(_SRGB, _LAB, "RGB", "LAB")
    if not profile:
        return None
    try:
        theirs = ImageCms.ImageCmsProfile(BytesIO(profile))
        if theirs.profile.xcolor_space != _COLOUR_SPACE.get(mode):
            return None
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(theirs))
        if to_srgb:
            return ImageCms.buildTransform(theirs, _SRGB, mode, "RGB", intent)
        return ImageCms.buildTransform(_SRGB, theirs, "RGB", mode, intent)
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None


def _with_alpha(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    rgba = colours.convert("RGBA")
    rgba.putalpha(alpha)
    return rgba


def _region(image: Image.Image, logo: Image.Image, corner: tuple[int, int]) -> Image.Image:
    left, top = corner
    return image.crop((left, top, left + logo.width, top + logo.height))


def _blended(
    region: Image.Image, grey: Image.Image, alpha: Image.Image, levels: tuple[float, float]
) -> Image.Image:
    """A region of more than 8 bits with the grey logo over it; Pillow's masks know only bytes.

    levels are those of black and white.
    """
    black, white = levels
    blended: Image.Image = ImageMath.lambda_eval(
        lambda of: (
            (
                of["under"] * (255 - of["alpha"])
                + (of["grey"] * ((white - black) / 255) + black) * of["alpha"]
            )
            / 255
        ),
        under=region.convert("F"),
        grey=grey.convert("F"),
        alpha=alpha.convert("F"),
    )
    if region.mode == "F":
        return blended
    rounded: Image.Image = ImageMath.lambda_eval(
        lambda of: of["convert"](of["it"] + 0.5, "I"), it=blended
    )
    return rounded.convert(region.mode)


def _range(image: Image.Image) -> tuple[float, float]:
    """What is black and what is white: the usual, or the extremes where pixels go beyond it."""
    usual = 1.0 if image.mode == "F" else 65535.0
    if image.mode.startswith("I;16"):
        return 0.0, usual
    low, high = image.getextrema()
    return min(0.0, float(low)), max(usual, float(high))  # type: ignore[arg-type]
