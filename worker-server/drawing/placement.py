"""Where the logo goes: pure geometry, in pixels."""

from enum import Enum

from PIL.Image import Transpose

from options import Options, Padding, Position

PixelBox = tuple[int, int, int, int]  # left, top, right, bottom, as Pillow's boxes


class Align(Enum):
    START = 1  # left, top
    MIDDLE = 2
    END = 3  # right, bottom


_ROUNDING = 1e-6  # 0.2 x 1000 / 3 x 3 is 200, not 199.99999

# Position lists its nine members row by row.
_ALIGNED = dict(zip(Position, ((x, y) for y in Align for x in Align), strict=True))

# By EXIF orientation (tag 0x0112, CIPA DC-008): what turns an upright image into the stored one.
# For 1 and unknown values there is nothing to do.
TO_STORED = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
TO_UPRIGHT = {**TO_STORED, 6: Transpose.ROTATE_270, 8: Transpose.ROTATE_90}


def box_at(top_left: tuple[int, int], size: tuple[int, int]) -> PixelBox:
    left, top = top_left
    return left, top, left + size[0], top + size[1]


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The size of a stored image as a person sees it."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size


def fit(logo: tuple[int, int], image: tuple[int, int], options: Options) -> tuple[int, int] | None:
    """The logo's size within the options' share of the image's width and height, in proportion.

    None where it would be less than a pixel.
    """
    factor = options.scale * min(image[0] / logo[0], image[1] / logo[1])
    size = int(logo[0] * factor + _ROUNDING), int(logo[1] * factor + _ROUNDING)
    return size if min(size) >= 1 else None


def corner(logo: tuple[int, int], image: tuple[int, int], options: Options) -> tuple[int, int]:
    """Left and top of the fitted logo on the upright image.

    Padding shrinks where there is no space.
    """
    across, down = _ALIGNED[options.position]
    return (
        _start(across, logo[0], image[0], options.padding),
        _start(down, logo[1], image[1], options.padding),
    )


def _start(end: Align, length: int, side: int, padding: Padding) -> int:
    """Where the logo's length starts along a side of the image."""
    free = side - length
    if end is Align.MIDDLE:
        return free // 2
    distance = min(padding.pixels(side), free)
    return distance if end is Align.START else free - distance


def stored_place(
    place: tuple[int, int, int, int], upright: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Where place (left, top, width, height) lies in the stored image.

    It is given in the image as a person sees it, whose size is upright.
    """
    left, top, width, height = place
    right, bottom = upright[0] - left - width, upright[1] - top - height
    stored_corner = {
        2: (right, top),
        3: (right, bottom),
        4: (left, bottom),
        5: (top, left),
        6: (top, right),
        7: (bottom, right),
        8: (bottom, left),
    }.get(orientation, (left, top))
    return *stored_corner, *upright_size((width, height), orientation)
