"""The logo on the pixels of one image, in the image's own mode; the rest stays untouched."""

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageMath

import placement
from errors import ImageRejected

LOGO_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_MIN_FREE_COLOURS = 16


def normalise_logo(source: Path, target: Path) -> None:
    """Write any image as an RGBA PNG. Raises ValueError for what is not an image."""
    try:
        with Image.open(source, formats=LOGO_FORMATS) as image:
            rgba = image.convert("RGBA")
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises anything, SyntaxError included
        raise ValueError(f"it is not an image ({type(error).__name__}: {error})") from None
    rgba.save(target, "PNG", compress_level=1)


@lru_cache(maxsize=2)
def _logo(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


@lru_cache(maxsize=16)
def mark(logo: Path, seen: tuple[int, int], orientation: int) -> Image.Image:
    """The logo (RGBA) sized for a picture seen at size `seen`, turned the way it is stored."""
    full = _logo(logo)
    resized = full.resize(placement.fit(full.size, seen), Image.Resampling.LANCZOS)
    turn = placement.TO_STORED.get(orientation)
    return resized if turn is None else resized.transpose(turn)


def composite(image: Image.Image, logo: Image.Image, corner: tuple[int, int]) -> None:
    """Put the RGBA logo over image in place, its top left at corner. Raises ImageRejected."""
    if image.mode == "RGBA":
        image.alpha_composite(logo, corner)
    elif image.mode in ("LA", "PA"):
        region = _region(image, logo, corner).convert("RGBA")
        region.alpha_composite(logo)
        image.paste(region.convert(image.mode), corner)
    elif image.mode == "P":
        _composite_palette(image, logo, corner)
    elif image.mode in ("1", "L", "RGB", "CMYK", "YCbCr"):
        image.paste(logo.convert("RGB").convert(image.mode), corner, logo.getchannel("A"))
    elif image.mode.startswith("I;16"):
        image.paste(_blended_16(_region(image, logo, corner), logo), corner)
    else:
        detail = f"Images of mode {image.mode} cannot be watermarked."
        raise ImageRejected("unsupported_mode", detail)


def _region(image: Image.Image, logo: Image.Image, corner: tuple[int, int]) -> Image.Image:
    left, top = corner
    return image.crop((left, top, left + logo.width, top + logo.height))


def _blended_16(region: Image.Image, logo: Image.Image) -> Image.Image:
    """A grey region of 16 bits with the logo over it; Pillow's masks know only bytes."""
    blended: Image.Image = ImageMath.lambda_eval(
        # 8 bits to 16: 255 becomes 65535
        lambda of: (of["under"] * (255 - of["alpha"]) + of["logo"] * 257 * of["alpha"]) / 255,
        under=region.convert("I"),
        logo=logo.convert("L").convert("I"),
        alpha=logo.getchannel("A").convert("I"),
    )
    return blended.convert(region.mode)


def _composite_palette(image: Image.Image, logo: Image.Image, corner: tuple[int, int]) -> None:
    """Give the logo palette entries that no pixel uses, or else the nearest existing colours."""
    region = _region(image, logo, corner).convert("RGBA")
    region.alpha_composite(logo)
    drawn = logo.getchannel("A").point(lambda alpha: 255 if alpha else 0)
    opaque = region.getchannel("A").point(lambda alpha: 255 if alpha >= 128 else 0)
    drawn.paste(0, mask=opaque.point(lambda alpha: 255 - alpha))
    free = _free_entries(image)
    if len(free) < _MIN_FREE_COLOURS:
        indexed = region.convert("RGB").quantize(palette=image, dither=Image.Dither.NONE)
    else:
        indexed = _with_own_colours(image, region, free)
    image.paste(indexed, corner, drawn)


def _free_entries(image: Image.Image) -> list[int]:
    transparent = image.info.get("transparency")
    return [
        index
        for index, pixels in enumerate(image.histogram())
        if pixels == 0 and index != transparent
    ]


def _with_own_colours(image: Image.Image, region: Image.Image, free: list[int]) -> Image.Image:
    """The region as indices of free entries of image's palette, which receive its colours."""
    few = region.convert("RGB").quantize(len(free), dither=Image.Dither.NONE)
    colours = few.getpalette() or []
    palette = (image.getpalette() or []) + [0] * 768
    for number, index in zip(range(len(colours) // 3), free, strict=False):
        palette[3 * index : 3 * index + 3] = colours[3 * number : 3 * number + 3]
    transparency = image.info.get("transparency")
    if isinstance(transparency, bytes):  # PNG: an alpha for each of the first entries
        alphas = bytearray(transparency)
        for index in free:
            if index < len(alphas):
                alphas[index] = 255
        image.info["transparency"] = bytes(alphas)
    image.putpalette(palette[:768])
    return Image.frombytes("L", few.size, few.tobytes()).point(free + [0] * (256 - len(free)))
