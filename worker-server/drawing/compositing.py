"""The logo on the pixels of one image, in the image's own mode and colours."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageCms, ImageMath

from drawing import masks, palette, placement
from drawing.signalled_colour import SignalledColour
from errors import ImageRejected

# An image's colour space: an ICC profile, or signalled by numbers
Profile = bytes | SignalledColour

_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
_LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
# The colour space in a profile for each mode (ICC.1:2022, table 19)
_COLOUR_SPACE = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}


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
    """Put the RGBA logo (sRGB) over the image in place, its top left at corner.

    profile is the image's own. colours is its number of levels of grey, or the number
    of entries that its palette may have. Raises ImageRejected.
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
        image.paste(_in_many_levels(image, logo, corner, profile), corner)
    else:
        raise ImageRejected("unsupported_mode", f"Images of mode {mode} cannot be watermarked.")


def _in_few_levels(
    under: Image.Image, logo: Image.Image, profile: Profile | None, levels: int
) -> Image.Image:
    """An L image of few levels with the RGBA logo over it, dithered where it would not show."""
    cover = palette.hardened(logo.getchannel("A"))
    wanted = under.copy()
    wanted.paste(in_colours_of(logo, "L", profile), mask=cover)
    greys = Image.new("P", (1, 1))
    greys.putpalette([255 * level // (levels - 1) for level in range(levels) for _ in range(3)])
    drawn = under.copy()
    for dither in palette.dithers(cover):
        near = wanted.convert("RGB").quantize(palette=greys, dither=dither).convert("L")
        drawn.paste(near, mask=masks.from_level(cover, 1))
        if drawn.tobytes() != under.tobytes():
            break
    return drawn


def inks(logo: Image.Image, mode: str, profile: Profile | None) -> list[Image.Image]:
    """The bands of in_colours_of, not rounded where the profile is signalled."""
    if isinstance(profile, SignalledColour):
        return profile.planes(logo, mode)
    return list(in_colours_of(logo, mode, profile).split())


def in_colours_of(logo: Image.Image, mode: str, profile: Profile | None) -> Image.Image:
    """The RGBA logo without alpha, in the profile's colours. mode is L, RGB, CMYK, YCbCr or LAB.

    A profile that is damaged, or for another mode, is ignored, as viewers do.
    """
    if isinstance(profile, SignalledColour):
        planes = profile.planes(logo, mode)
        return Image.merge(mode, [p.point(lambda level: level + 0.5).convert("L") for p in planes])
    rgb = logo.convert("RGB")
    from_srgb = transform(profile, mode)
    return rgb.convert(mode) if from_srgb is None else from_srgb.apply(rgb)


def in_srgb(picture: Image.Image, profile: Profile | None) -> Image.Image:
    """A picture of mode L, RGB, CMYK or LAB in RGB, by its profile."""
    if isinstance(profile, SignalledColour):
        seen = profile.in_srgb(picture) if picture.mode in ("L", "RGB") else picture
        return seen.convert("RGB")
    into_srgb = transform(profile, picture.mode, to_srgb=True)
    return picture.convert("RGB") if into_srgb is None else into_srgb.apply(picture)


@lru_cache(maxsize=4)
def transform(
    profile: bytes | None, mode: str, *, to_srgb: bool = False
) -> ImageCms.ImageCmsTransform | None:
    """From sRGB to an image's colours, or back, by the intent in the image's profile.

    None where no profile fits. Damaged ones are ignored, as viewers do.
    """
    if not profile and mode != "LAB":
        return None
    try:
        own = _LAB if mode == "LAB" else ImageCms.ImageCmsProfile(BytesIO(profile or b""))
        if own.profile.xcolor_space != _COLOUR_SPACE.get(mode):
            return None
        intent = ImageCms.Intent(ImageCms.getDefaultIntent(own))
        if to_srgb:
            return ImageCms.buildTransform(own, _SRGB, mode, "RGB", intent)
        return ImageCms.buildTransform(_SRGB, own, "RGB", mode, intent)
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None


def _with_alpha(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    rgba = colours.convert("RGBA")
    rgba.putalpha(alpha)
    return rgba


def _region(image: Image.Image, logo: Image.Image, corner: tuple[int, int]) -> Image.Image:
    return image.crop(placement.box_at(corner, logo.size))


def _in_many_levels(
    image: Image.Image, logo: Image.Image, corner: tuple[int, int], profile: Profile | None
) -> Image.Image:
    """The region under the logo of an I or F image, with the logo: Pillow pastes only bytes."""
    (grey,) = inks(logo, "L", profile)
    weight = logo.getchannel("A").convert("F").point(lambda alpha: alpha / 255)
    under = _region(image, logo, corner).convert("F")
    over = blended(under, grey, weight, levels(image))
    if image.mode == "F":
        return over
    return over.point(lambda level: level + 0.5).convert("I").convert(image.mode)


def blended(
    plane: Image.Image, ink: Image.Image, weight: Image.Image, levels: tuple[float, float]
) -> Image.Image:
    """Ink (0 to 255) over an F image by weight (F, 0 to 1). levels: the plane's black and white."""
    black, white = levels
    result: Image.Image = ImageMath.lambda_eval(
        lambda of: (
            of["plane"] + (of["ink"] * ((white - black) / 255) + black - of["plane"]) * of["weight"]
        ),
        plane=plane,
        ink=ink.convert("F"),
        weight=weight,
    )
    return result


def levels(image: Image.Image) -> tuple[float, float]:
    """The levels of black and white: the usual ones, or the extremes if these are beyond."""
    usual = 1.0 if image.mode == "F" else 65535.0
    if image.mode.startswith("I;16"):
        return 0.0, usual
    low, high = image.getextrema()
    return min(0.0, float(low)), max(usual, float(high))  # type: ignore[arg-type]
