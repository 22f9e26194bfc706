"""Where the logo goes: pure geometry, in pixels, boxes as (left, top, width, height)."""

from enum import Enum

from PIL.Image import Transpose

from options import Options, Padding, Position


class Align(Enum):
    START = 1  # left, top
    MIDDLE = 2
    END = 3  # right, bottom


_HAIR = 1e-6  # 0.2 x 1000 / 3 x 3 is 200, not 199.99999

# Position lists its nine row by row.
_ALIGNED = dict(zip(Position, ((x, y) for y in Align for x in Align), strict=True))

# EXIF orientation (tag 0x0112, CIPA DC-008): what turns a picture seen upright into the
# way it is stored. 1 and unknown values: nothing.
TO_STORED = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


def upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The size of a stored picture as a person sees it."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size


def fit(logo: tuple[int, int], image: tuple[int, int], options: Options) -> tuple[int, int] | None:
    """The logo's size within the options' scale of the image's width and height, in proportion.

    None where that is less than a pixel.
    """
    factor = options.scale * min(image[0] / logo[0], image[1] / logo[1])
    size = int(logo[0] * factor + _HAIR), int(logo[1] * factor + _HAIR)
    return size if min(size) >= 1 else None


def corner(mark: tuple[int, int], image: tuple[int, int], options: Options) -> tuple[int, int]:
    """Left and top of the mark on the image as seen; less padding where there is no room."""
    across, down = _ALIGNED[options.position]
    return (
        _along(across, mark[0], image[0], options.padding),
        _along(down, mark[1], image[1], options.padding),
    )


def _along(end: Align, mark: int, side: int, padding: Padding) -> int:
    """Where the mark begins on a side of that length."""
    room = side - mark
    if end is Align.MIDDLE:
        return room // 2
    distance = min(padding.pixels(side), room)
    return distance if end is Align.START else room - distance


def stored_box(
    box: tuple[int, int, int, int], seen: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """A box of the picture as seen (size `seen`) in the coordinates it is stored in."""
    left, top, width, height = box
    right, bottom = seen[0] - left - width, seen[1] - top - height
    corner = {
        2: (right, top),
        3: (right, bottom),
        4: (left, bottom),
        5: (top, left),
        6: (top, right),
        7: (bottom, right),
        8: (bottom, left),
    }.get(orientation, (left, top))
    return *corner, *upright((width, height), orientation)
