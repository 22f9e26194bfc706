"""Where the logo goes: pure geometry, in pixels, boxes as (left, top, width, height)."""

from PIL.Image import Transpose

SCALE = 0.2
PADDING_PX = 10

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


def fit(logo: tuple[int, int], image: tuple[int, int]) -> tuple[int, int]:
    """The logo's size within SCALE of the image's width and height, keeping its proportions."""
    factor = min(SCALE * image[0] / logo[0], SCALE * image[1] / logo[1])
    return max(1, int(logo[0] * factor)), max(1, int(logo[1] * factor))


def top_right(mark: tuple[int, int], image: tuple[int, int]) -> tuple[int, int, int, int]:
    """The mark's box PADDING_PX from the top and the right edge, less where there is no room."""
    left = max(0, image[0] - mark[0] - PADDING_PX)
    top = max(0, min(PADDING_PX, image[1] - mark[1]))
    return left, top, *mark


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
