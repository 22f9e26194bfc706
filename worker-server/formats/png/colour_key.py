"""The one colour of a PNG without alpha that means transparent (tRNS)."""

from PIL import Image, ImageChops

from drawing import masks


def avoid(image: Image.Image, key: tuple[int, ...], where: Image.Image, step: int = 1) -> None:
    """Change pixels of this colour to the next one, in place, where the mask is 255."""
    *others, last = key
    near = (*others, last - step if last >= 128 else last + step)
    image.paste(near, mask=ImageChops.darker(where, masks.of_colour(image, key)))
