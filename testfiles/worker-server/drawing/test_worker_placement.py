"""Where the logo goes."""

import pytest
from hypothesis import given, settings, strategies
from PIL import Image, ImageOps

from drawing import placement
from options import Options, Padding, Position
from support.images import ORIENTATION_TAG

DEFAULT = Options()
sizes = strategies.tuples(strategies.integers(1, 20_000), strategies.integers(1, 20_000))
logos = strategies.tuples(strategies.integers(1, 3_000), strategies.integers(1, 3_000))
orientations = strategies.integers(1, 8)
paddings = strategies.builds(Padding, strategies.integers(0, 500)) | strategies.builds(
    Padding, strategies.integers(0, 100), strategies.just(True)
)
choices = strategies.builds(
    Options,
    position=strategies.sampled_from(list(Position)),
    scale=strategies.floats(0.01, 1),
    padding=paddings,
)
bounded = settings(max_examples=200, deadline=None)


@bounded
@given(logos, sizes)
def test_the_logo_fits_into_a_fifth_of_the_width_and_of_the_height(
    logo: tuple[int, int], image: tuple[int, int]
) -> None:
    factor = min(image[0] / 5 / logo[0], image[1] / 5 / logo[1])
    mark = placement.fit(logo, image, DEFAULT)
    if mark is None:
        assert min(logo) * factor < 1 + 1e-9
    else:
        exact = logo[0] * factor, logo[1] * factor
        assert mark == (int(exact[0] + 1e-6), int(exact[1] + 1e-6))
        assert mark[0] <= image[0] / 5
        assert mark[1] <= image[1] / 5


@bounded
@given(logos, sizes)
def test_it_lies_10_px_from_the_top_and_the_right_edge(
    logo: tuple[int, int], image: tuple[int, int]
) -> None:
    mark = placement.fit(logo, image, DEFAULT) or (1, 1)
    left, top = placement.corner(mark, image, DEFAULT)
    assert left == max(0, image[0] - mark[0] - 10)
    assert top == min(10, image[1] - mark[1])


@bounded
@given(logos, sizes, choices, orientations)
def test_whatever_is_asked_for_it_stays_inside_the_image(
    logo: tuple[int, int], seen: tuple[int, int], chosen: Options, orientation: int
) -> None:
    mark = placement.fit(logo, seen, chosen)
    if mark is not None:
        box = (*placement.corner(mark, seen, chosen), *mark)
        left, top, width, height = placement.stored_place(box, seen, orientation)
        stored = placement.upright_size(seen, orientation)
        assert 0 <= left < left + width <= stored[0]
        assert 0 <= top < top + height <= stored[1]


@pytest.mark.parametrize(
    ("position", "corner"),
    [
        ("top-left", (10, 10)),
        ("top", (80, 10)),
        ("top-right", (150, 10)),
        ("left", (10, 45)),
        ("center", (80, 45)),
        ("right", (150, 45)),
        ("bottom-left", (10, 80)),
        ("bottom", (80, 80)),
        ("bottom-right", (150, 80)),
    ],
)
def test_there_are_nine_places(position: str, corner: tuple[int, int]) -> None:
    chosen = Options(position=Position(position))
    assert placement.corner((40, 10), (200, 100), chosen) == corner


def test_padding_in_percent_is_of_the_side_it_lies_along() -> None:
    chosen = Options(padding=Padding(5, percent=True))
    assert placement.corner((40, 10), (200, 100), chosen) == (200 - 40 - 10, 5)


def turned_upright(stored: Image.Image, orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    stored.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(stored)


@settings(max_examples=100, deadline=None)
@given(
    strategies.tuples(strategies.integers(1, 60), strategies.integers(1, 60)),
    strategies.tuples(strategies.integers(10, 200), strategies.integers(10, 200)),
    choices,
    orientations,
)
def test_placed_as_stored_and_turned_upright_the_mark_is_in_its_place_the_right_way_up(
    logo: tuple[int, int], seen: tuple[int, int], chosen: Options, orientation: int
) -> None:
    size = placement.fit(logo, seen, chosen) or (1, 1)
    mark = Image.frombytes("L", size, bytes(n % 254 + 1 for n in range(size[0] * size[1])))
    corner = placement.corner(size, seen, chosen)
    stored = Image.new("L", placement.upright_size(seen, orientation))
    left, top, width, height = placement.stored_place((*corner, *size), seen, orientation)
    turn = placement.TO_STORED.get(orientation)
    as_stored = mark if turn is None else mark.transpose(turn)
    assert as_stored.size == (width, height)
    stored.paste(as_stored, (left, top))

    upright = turned_upright(stored, orientation)
    assert upright.size == seen
    expected = Image.new("L", seen)
    expected.paste(mark, corner)
    assert upright.tobytes() == expected.tobytes()


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    assert placement.upright_size((30, 20), orientation) == (30, 20)
    assert placement.stored_place((1, 2, 3, 4), (30, 20), orientation) == (1, 2, 3, 4)
