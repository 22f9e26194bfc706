"""Where the logo goes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from images import ORIENTATION_TAG
from worker_rig import worker_module

placement = worker_module("placement")

sizes = st.tuples(st.integers(1, 20_000), st.integers(1, 20_000))
logos = st.tuples(st.integers(1, 3_000), st.integers(1, 3_000))
orientations = st.integers(1, 8)
bounded = settings(max_examples=200, deadline=None)


@bounded
@given(logos, sizes)
def test_the_logo_fits_into_a_fifth_of_the_width_and_of_the_height(
    logo: tuple[int, int], image: tuple[int, int]
) -> None:
    width, height = placement.fit(logo, image)
    assert 1 <= width <= max(1, image[0] // 5)
    assert 1 <= height <= max(1, image[1] // 5)


@bounded
@given(logos, sizes)
def test_it_fills_one_of_the_two_and_keeps_its_proportions(
    logo: tuple[int, int], image: tuple[int, int]
) -> None:
    width, height = placement.fit(logo, image)
    factor = min(image[0] / 5 / logo[0], image[1] / 5 / logo[1])
    assert width == pytest.approx(logo[0] * factor, abs=1)
    assert height == pytest.approx(logo[1] * factor, abs=1)


@bounded
@given(logos, sizes)
def test_it_lies_10_px_from_the_top_and_the_right_edge(
    logo: tuple[int, int], image: tuple[int, int]
) -> None:
    left, top, width, height = placement.top_right(placement.fit(logo, image), image)
    if width + 10 <= image[0]:
        assert left + width == image[0] - 10
    if height + 10 <= image[1]:
        assert top == 10


@bounded
@given(logos, st.tuples(st.integers(1, 30), st.integers(1, 30)), orientations)
def test_it_stays_inside_a_tiny_image(
    logo: tuple[int, int], seen: tuple[int, int], orientation: int
) -> None:
    box = placement.top_right(placement.fit(logo, seen), seen)
    left, top, width, height = placement.stored_box(box, seen, orientation)
    stored = placement.upright(seen, orientation)
    assert 0 <= left <= left + width <= stored[0]
    assert 0 <= top <= top + height <= stored[1]


def turned_upright(stored: Image.Image, orientation: int) -> Image.Image:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    stored.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(stored)


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.integers(1, 200), st.integers(1, 200)),
    orientations,
)
def test_placed_as_stored_and_turned_upright_the_mark_is_top_right_the_right_way_up(
    logo: tuple[int, int], seen: tuple[int, int], orientation: int
) -> None:
    size = placement.fit(logo, seen)
    mark = Image.frombytes("L", size, bytes(n % 254 + 1 for n in range(size[0] * size[1])))
    box = placement.top_right(size, seen)
    stored = Image.new("L", placement.upright(seen, orientation))
    left, top, width, height = placement.stored_box(box, seen, orientation)
    turn = placement.TO_STORED.get(orientation)
    as_stored = mark if turn is None else mark.transpose(turn)
    assert as_stored.size == (width, height)
    stored.paste(as_stored, (left, top))

    upright = turned_upright(stored, orientation)
    assert upright.size == seen
    expected = Image.new("L", seen)
    expected.paste(mark, box[:2])
    assert upright.tobytes() == expected.tobytes()


@pytest.mark.parametrize("orientation", [0, 1, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    assert placement.upright((30, 20), orientation) == (30, 20)
    assert placement.stored_box((1, 2, 3, 4), (30, 20), orientation) == (1, 2, 3, 4)
