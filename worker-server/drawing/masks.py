"""Masks: L images that are 255 for the pixels of one kind and 0 for all others."""

from PIL import Image, ImageChops


def of_alpha(image: Image.Image, least: int) -> Image.Image:
    """The pixels with at least this alpha (0 to 255)."""
    return from_level(image.getchannel("A"), least)


def from_level(band: Image.Image, least: int) -> Image.Image:
    """The pixels of an L image with at least this level."""
    return band.point([0] * least + [255] * (256 - least))


def of_colour(image: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """The pixels with exactly this colour, which has a level for each band."""
    return ImageChops.invert(differing(image, Image.new(image.mode, image.size, colour)))


def differing(one: Image.Image, other: Image.Image) -> Image.Image:
    """The pixels that differ in any band."""
    first, *bands = ImageChops.difference(one, other).split()
    for band in bands:
        first = ImageChops.lighter(first, band)
    return from_level(first, 1)
