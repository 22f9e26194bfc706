"""Several channels of more than 8 bits stay what they are, in PNG and TIFF."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import pyvips
from PIL import Image

import errors
import formats.codecs.libvips  # noqa: F401 - it takes all but two decoders from libvips
import watermark
from drawing.stamp import Stamp
from options import Metadata, Options
from support import images
from support.marks import bundled_logo, logo_box

SIZE = (120, 90)
# None are the same in both bytes: eight bits could not hold them.
SAMPLES = array(
    "H", [(7 * number * number + 13 * number) % 65536 for number in range(4 * 120 * 90)]
)


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def deep_image(bands: int, samples: array[int] = SAMPLES) -> Any:
    content = samples[: bands * SIZE[0] * SIZE[1]].tobytes()
    image = pyvips.Image.new_from_memory(content, *SIZE, bands, "ushort")
    return image.copy(interpretation="rgb16" if bands > 2 else "grey16")


def marked_again(folder: Path, logo: Path, content: bytes, **settings: Any) -> tuple[Any, bytes]:
    source, target = folder / "image", folder / "watermarked_image"
    source.write_bytes(content)
    written = watermark.watermark_file(source, logo, target, Options(**settings))
    assert written.notes == []
    return pyvips.Image.new_from_file(str(target)), target.read_bytes()


def samples_of(image: Any) -> array[int]:
    return array("H", bytes(image.write_to_memory()))


def pixels_of(logo: Image.Image) -> Sequence[tuple[int, ...]]:
    return cast(Sequence[tuple[int, ...]], logo.get_flattened_data())


def assert_changed_in_the_box_only(before: Any, after: Any, box: tuple[int, int, int, int]) -> None:
    assert (after.width, after.height, after.bands, after.format) == (
        before.width,
        before.height,
        before.bands,
        "ushort",
    )
    left, top, right, bottom = box
    blank = pyvips.Image.black(right - left, bottom - top).cast("ushort")
    one, other = (samples_of(image.insert(blank, left, top)) for image in (before, after))
    assert one == other
    assert samples_of(before) != samples_of(after)


@pytest.mark.parametrize("interlace", [True, False])
@pytest.mark.parametrize("bands", [2, 3, 4])
def test_png_keeps_its_16_bits(tmp_path: Path, logo: Path, bands: int, interlace: bool) -> None:
    before = deep_image(bands)
    content = bytes(before.pngsave_buffer(interlace=interlace))
    after, written = marked_again(tmp_path, logo, content)
    assert_changed_in_the_box_only(before, after, logo_box(logo, SIZE))
    assert written[:29] == content[:29]  # the header, interlacing included


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "packbits"])
@pytest.mark.parametrize("predictor", ["none", "horizontal"])
@pytest.mark.parametrize("tile", [True, False])
def test_tiff_keeps_its_16_bits(
    tmp_path: Path, logo: Path, compression: str, predictor: str, tile: bool
) -> None:
    before = deep_image(3)
    how = {"compression": compression, "predictor": predictor, "tile": tile}
    content = bytes(before.tiffsave_buffer(tile_width=32, tile_height=32, **how))
    after, _ = marked_again(tmp_path, logo, content)
    assert_changed_in_the_box_only(before, after, logo_box(logo, SIZE))


def test_the_logo_is_blended_in_16_bits(tmp_path: Path, logo: Path) -> None:
    ground = array("H", [12345] * len(SAMPLES))
    content = bytes(deep_image(3, ground).pngsave_buffer())
    after, _ = marked_again(tmp_path, logo, content, opacity=0.5)
    box = left, top, right, bottom = logo_box(logo, SIZE)
    overlay = Stamp(logo, Options(opacity=0.5)).overlay(SIZE)
    assert overlay is not None
    seen = array("H", bytes(after.crop(left, top, right - left, bottom - top).write_to_memory()))
    assert overlay.logo.size == (right - left, bottom - top), box
    for number, (*ink, alpha) in enumerate(pixels_of(overlay.logo)):
        for channel in range(3):
            expected = 12345 + (257 * ink[channel] - 12345) * alpha / 255
            assert seen[3 * number + channel] == pytest.approx(expected, abs=1)


def test_a_transparent_ground_takes_the_logos_own_colour(tmp_path: Path, logo: Path) -> None:
    content = bytes(deep_image(4, array("H", [0] * len(SAMPLES))).pngsave_buffer())
    after, _ = marked_again(tmp_path, logo, content)
    left, top, right, bottom = logo_box(logo, SIZE)
    seen = array("H", bytes(after.crop(left, top, right - left, bottom - top).write_to_memory()))
    overlay = Stamp(logo, Options()).overlay(SIZE)
    assert overlay is not None
    for number, (*ink, alpha) in enumerate(pixels_of(overlay.logo)):
        if alpha:
            assert seen[4 * number + 3] == pytest.approx(257 * alpha, abs=1)
            assert list(seen[4 * number : 4 * number + 3]) == pytest.approx(
                [257 * level for level in ink], abs=1
            )


def test_chunks_stay_and_go_by_policy(tmp_path: Path, logo: Path) -> None:
    content = bytes(deep_image(3).pngsave_buffer())
    text = b"\0\0\0\x0ctEXtTitle\0a name"
    text += zlib.crc32(text[4:]).to_bytes(4)
    content = content[:33] + text + content[33:]
    assert text in marked_again(tmp_path, logo, content)[1]
    assert text not in marked_again(tmp_path, logo, content, metadata=Metadata.STRIP)[1]


def test_a_truncated_png_is_refused(tmp_path: Path, logo: Path) -> None:
    content = bytes(deep_image(3).pngsave_buffer())
    with pytest.raises(errors.ImageRejected):
        marked_again(tmp_path, logo, content[: len(content) // 2])


def test_libvips_decodes_nothing_but_png_and_tiff(tmp_path: Path) -> None:
    gif = images.encode(Image.new("L", (9, 9)), "GIF")
    with pytest.raises(pyvips.Error):
        pyvips.Image.new_from_buffer(gif, "").avg()
