"""TIFFs of samples that Pillow does not open: marked in the box, the same everywhere else."""

from __future__ import annotations

import struct
import zlib
from array import array
from pathlib import Path
from typing import Any

import pytest
import pyvips
from PIL import Image, TiffImagePlugin

import formats.codecs.libvips  # noqa: F401 - it takes all but two decoders from libvips
import watermark
from drawing.stamp import Stamp
from errors import ImageRejected
from formats import registry
from options import Options, OutputFormat
from support import images
from support.marks import bundled_logo

SIZE = WIDTH, HEIGHT = 120, 80
UNSIGNED, FLOAT = 1, 3
NONE = 1


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def samples(code: str, channels: int, white: float) -> array[Any]:
    """A gradient; the last channel of five is something of the writer's own."""
    whole = code not in "fd"
    levels = (
        white * (x + y + 20 * channel) / (WIDTH + HEIGHT + 100)
        for y in range(HEIGHT)
        for x in range(WIDTH)
        for channel in range(channels)
    )
    return array(code, (round(level) if whole else level for level in levels))


def pixels_of(
    content: bytes, code: str, channels: int, *, planar: bool, packed: bool
) -> array[Any]:
    """The samples of a TIFF as images.rare_tiff() lays it out, wherever its strips are now."""
    (start,) = struct.unpack_from("<I", content, 4)
    (number,) = struct.unpack_from("<H", content, start)
    places = range(start + 2, start + 2 + 12 * number, 12)
    entries = [struct.unpack_from("<HHII", content, place) for place in places]

    def listed(tag: int) -> list[int]:
        [(_, kind, count, value)] = [entry for entry in entries if entry[0] == tag]
        size, code = (2, "H") if kind == 3 else (4, "I")
        if count * size <= 4:
            return list(struct.unpack_from(f"<{count}{code}", struct.pack("<I", value)))
        return list(struct.unpack_from(f"<{count}{code}", content, value))

    strips = [content[at : at + size] for at, size in zip(listed(273), listed(279), strict=True)]
    unpacked = [zlib.decompress(strip) if packed else strip for strip in strips]
    if not planar:
        return array(code, b"".join(unpacked))
    each = len(unpacked) // channels
    planes = [array(code, b"".join(unpacked[n * each :][:each])) for n in range(channels)]
    together: array[Any] = array(code, bytes(len(planes[0]) * channels * planes[0].itemsize))
    for place, plane in enumerate(planes):
        together[place::channels] = plane
    return together


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("code", "kind", "channels", "white"),
    [
        ("f", FLOAT, 3, 1.0),
        ("f", FLOAT, 4, 1.0),
        ("d", FLOAT, 3, 1.0),
        ("I", UNSIGNED, 3, 2**32 - 1),
        ("I", UNSIGNED, 4, 2**32 - 1),
        ("B", UNSIGNED, 5, 255),
        ("H", UNSIGNED, 5, 65535),
    ],
)
def test_only_the_box_changes(
    tmp_path: Path,
    logo: Path,
    code: str,
    kind: int,
    channels: int,
    white: float,
    planar: bool,
    packed: bool,
) -> None:
    before = samples(code, channels, white)
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    source.write_bytes(images.rare_tiff(SIZE, before, channels, kind, planar=planar, packed=packed))
    assert watermark.watermark_file(source, logo, target, Options()).notes == []
    after = pixels_of(target.read_bytes(), code, channels, planar=planar, packed=packed)
    overlay = Stamp(logo, Options()).overlay(SIZE)
    assert overlay is not None
    left, top, right, bottom = overlay.box
    changed = {
        (place % WIDTH, place // WIDTH)
        for place in range(WIDTH * HEIGHT)
        for channel in range(channels)
        if before[place * channels + channel] != after[place * channels + channel]
    }
    assert changed
    assert all(left <= x < right and top <= y < bottom for x, y in changed)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("code", "white"), [("B", 255), ("H", 65535)])
def test_where_0_is_white_only_the_grey_is_the_other_way_round(
    tmp_path: Path, logo: Path, code: str, white: int, planar: bool
) -> None:
    """Alpha is as ever: opaque."""
    grey = samples(code, 2, white)
    grey[1::2] = array(code, [white] * (WIDTH * HEIGHT))
    marked = []
    for photometric in (0, 1):
        before = grey[:]
        if photometric == 0:
            before[::2] = array(code, (white - level for level in grey[::2]))
        source, target = tmp_path / "in.tif", tmp_path / "out.tif"
        source.write_bytes(
            images.rare_tiff(
                SIZE, before, 2, UNSIGNED, planar=planar, photometric=photometric, extras=[2]
            )
        )
        watermark.watermark_file(source, logo, target, Options())
        marked.append(pixels_of(target.read_bytes(), code, 2, planar=planar, packed=False))
    white_is_0, white_is_most = marked
    assert white_is_most[1::2] == white_is_0[1::2] == grey[1::2]
    assert [white - level for level in white_is_0[::2]] == list(white_is_most[::2])
    assert white_is_most[::2] != grey[::2]


def test_what_pillow_opens_is_opened_by_pillow(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = samples("B", 3, 255)
    path.write_bytes(images.rare_tiff(SIZE, pixels, 3, UNSIGNED, planar=False, packed=False))
    with registry.open_image(path) as image:
        assert isinstance(image, TiffImagePlugin.TiffImageFile)


def test_it_becomes_no_other_format_and_says_so(tmp_path: Path, logo: Path) -> None:
    path = tmp_path / "a.tif"
    pixels = samples("f", 3, 1)
    path.write_bytes(images.rare_tiff(SIZE, pixels, 3, FLOAT, planar=False, packed=False))
    options = Options(output_format=OutputFormat.JPEG)
    with pytest.raises(ImageRejected, match="that is to become another format"):
        watermark.watermark_file(path, logo, tmp_path / "out", options)


@pytest.mark.parametrize(("code", "kind", "white"), [("I", 1, 2**32 - 1), ("i", 2, 2**31 - 1)])
@pytest.mark.parametrize("channels", [3, 4])
def test_white_of_32_bits_is_white_give_or_take_what_a_float_holds(
    tmp_path: Path, code: str, kind: int, white: int, channels: int
) -> None:
    logo, path = tmp_path / "white.png", tmp_path / "in.tif"
    Image.new("RGBA", (40, 30), "white").save(logo)
    pixels: array[Any] = array(code, [white // 2] * (WIDTH * HEIGHT * channels))
    if channels == 4:
        pixels[3::4] = array(code, [white] * (WIDTH * HEIGHT))
    path.write_bytes(images.rare_tiff(SIZE, pixels, channels, kind, planar=False, packed=False))
    watermark.watermark_file(path, logo, tmp_path / "out", Options())
    content = (tmp_path / "out").read_bytes()
    after = pixels_of(content, code, channels, planar=False, packed=False)
    near = {
        level for level in {*after} for known in (white // 2, white) if abs(level - known) < 256
    }
    assert near == {*after}
    assert after.tobytes() != pixels.tobytes()


@pytest.mark.parametrize("channels", [3, 4])
def test_floats_with_their_own_predictor_are_predicted_again(
    tmp_path: Path, logo: Path, channels: int
) -> None:
    pixels = samples("f", channels, 1.0)
    before = pyvips.Image.new_from_memory(pixels.tobytes(), WIDTH, HEIGHT, channels, "float")
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    before.copy(interpretation="rgb").tiffsave(source, compression="deflate", predictor="float")
    assert watermark.watermark_file(source, logo, target, Options()).notes == []
    after = pyvips.Image.new_from_file(target)
    overlay = Stamp(logo, Options()).overlay(SIZE)
    assert overlay is not None
    left, top, right, bottom = overlay.box
    box = pyvips.Image.black(right - left, bottom - top, bands=channels).cast("float")
    beside = [bytes(image.insert(box, left, top).write_to_memory()) for image in (before, after)]
    assert beside[0] == beside[1]
    assert bytes(after.write_to_memory()) != pixels.tobytes()


@pytest.mark.parametrize("height", [HEIGHT, HEIGHT - 1])
def test_subsampled_ycbcr_of_any_height_changes_under_the_logo_only(
    tmp_path: Path, logo: Path, height: int
) -> None:
    """A data unit has two rows of pixels, so that of an odd height the last row is not used."""
    row = bytes([100] * 4 + [90, 160]) * (WIDTH // 2)
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    tags = {256: WIDTH, 257: height, 258: (8, 8, 8), 259: NONE, 262: 6, 273: 0, 277: 3, 278: height}
    for tag, value in {**tags, 279: len(row) * HEIGHT // 2, 530: (2, 2)}.items():
        directory[tag] = value
    source, target = tmp_path / "image.tif", tmp_path / "watermarked.tif"
    with source.open("wb") as file:
        directory.save(file)
        file.write(row * (HEIGHT // 2))
    watermark.watermark_file(source, logo, target, Options())
    before, after = source.read_bytes(), target.read_bytes()
    rest = len(row) * (HEIGHT // 2 - (10 + HEIGHT // 5) // 2 - 1)  # below the logo
    assert len(after) == len(before)
    assert after[-rest:] == before[-rest:]
    assert after[:-rest] != before[:-rest]
