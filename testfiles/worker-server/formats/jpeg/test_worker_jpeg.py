"""A JPEG keeps tables, sampling and colours, and not a coefficient changes beside the logo."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import errors
from drawing.stamp import Stamp
from formats.jpeg.libjpeg.calls import JpegError
from formats.jpeg.libjpeg.coefficients import Coefficients
from formats.jpeg.mark import mark_jpeg
from formats.jpeg.segments import Component, FrameHeader, Jpeg, Segment, assemble, parse
from options import Options
from support import images
from support.jpeg import PHOTO, SIZE, difference, marked, opened, segments_of
from support.marks import bundled_logo


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def resampled(factors: list[tuple[int, int]], *, interleaved: bool, progressive: bool) -> bytes:
    """A file of such sampling factors, made of a grey one for each component."""
    across, down = (max(each) for each in zip(*factors, strict=True))
    components = tuple(Component(n, *each, 0) for n, each in enumerate(factors, 1))
    frame = FrameHeader(0xC0, *SIZE, components)
    tables: list[Segment] = []
    scans: list[Segment] = []
    for band, (times, high) in zip(PHOTO.convert("YCbCr").split(), factors, strict=True):
        size = -(-SIZE[0] * times // across), -(-SIZE[1] * high // down)
        grey = parse(images.encode(band.resize(size), "JPEG", quality=90))
        tables = [s for s in grey.segments if s.marker in (0xDB, 0xC4)]
        payload = bytes([1, len(scans) + 1]) + grey.scans[0].payload[2:]
        scans.append(grey.scans[0]._replace(payload=payload))
    content = assemble([*tables, frame.segment(), *scans])
    if interleaved or progressive:
        with Coefficients(content) as coefficients:
            return coefficients.encoded(progressive=progressive, interleaved=True)
    return content


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"progressive": True},
        {"optimize": True},
        {"restart_marker_rows": 1},
        {"progressive": True, "restart_marker_blocks": 5},
    ],
)
def test_beside_the_logo_no_coefficient_changes(
    tmp_path: Path, logo: Path, quality: int, subsampling: int, how: dict[str, Any]
) -> None:
    before = images.encode(PHOTO, "JPEG", quality=quality, subsampling=subsampling, **how)
    after, _ = marked(tmp_path, logo, before)
    drawn, beside = difference(before, after)
    assert drawn > 5
    assert beside == 0
    assert opened(after).quantization == opened(before).quantization
    assert opened(after).layer == opened(before).layer
    was, now = parse(before), parse(after)
    assert now.restart_interval() == was.restart_interval()
    assert now.frame.progressive == was.frame.progressive
    assert len(after) == pytest.approx(len(before), rel=0.1)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_huffman_tables_made_for_a_picture_get_what_they_lack(
    tmp_path: Path, logo: Path, mode: str
) -> None:
    photo = images.photo(4, (700, 500), 0.02).convert(mode)
    before = images.encode(photo, "JPEG", quality=90, optimize=True)
    after, _ = marked(tmp_path, logo, before)
    drawn, beside = difference(before, after)
    assert drawn > 5
    assert beside == 0
    assert len(after) == pytest.approx(len(before), rel=0.1)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
@pytest.mark.parametrize("progressive", [False, True])
def test_other_colour_spaces_stay(
    tmp_path: Path, logo: Path, mode: str, *, progressive: bool
) -> None:
    content = images.encode(PHOTO.convert(mode), "JPEG", keep_rgb=True, progressive=progressive)
    after, _ = marked(tmp_path, logo, content)
    assert opened(after).mode == mode
    assert opened(after).layer == opened(content).layer
    drawn, beside = difference(content, after)
    assert drawn > 3
    assert beside == 0


def test_the_inks_of_photoshop_stay_ycck(tmp_path: Path, logo: Path) -> None:
    plain = images.encode(PHOTO.convert("CMYK"), "JPEG", quality=95)
    adobe = next(payload for marker, payload in segments_of(plain) if marker == 0xEE)
    content = plain.replace(adobe, adobe[:-1] + b"\2")
    after, _ = marked(tmp_path, logo, content)
    assert opened(after).info["adobe_transform"] == 2
    drawn, beside = difference(content, after)
    assert drawn > 5
    assert beside == 0


@pytest.mark.parametrize(
    "factors",
    [
        [(1, 2), (1, 1), (1, 1)],
        [(4, 1), (1, 1), (1, 1)],
        [(4, 2), (1, 1), (1, 1)],
        [(2, 2), (1, 2), (1, 2)],
        [(2, 2), (2, 1), (2, 1)],
        [(2, 2), (2, 2), (2, 2)],
        [(1, 1), (2, 2), (2, 2)],
    ],
)
@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("progressive", [False, True])
def test_any_sampling_comes_back(
    tmp_path: Path,
    logo: Path,
    factors: list[tuple[int, int]],
    *,
    interleaved: bool,
    progressive: bool,
) -> None:
    content = resampled(factors, interleaved=interleaved, progressive=progressive)
    after, _ = marked(tmp_path, logo, content)
    was, now = parse(content), parse(after)
    assert now.frame == was.frame
    assert len(now.scans) == len(was.scans)
    drawn, beside = difference(content, after)
    assert drawn > 5
    assert beside == 0


@pytest.mark.slow
@pytest.mark.parametrize("quality", [75, 92, 95, 100])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("rows", [0, 1])
def test_of_a_photo_only_the_first_rows_are_coded_anew(
    tmp_path: Path, logo: Path, quality: int, subsampling: int, rows: int
) -> None:
    content = images.encode(
        images.photo(1, (1203, 851)),
        "JPEG",
        quality=quality,
        subsampling=subsampling,
        restart_marker_rows=rows,
    )
    after, _ = marked(tmp_path, logo, content)
    was, now = parse(content), parse(after)
    assert [s[:2] for s in now.segments] == [s[:2] for s in was.segments]
    assert difference(content, after)[1] == 0
    assert bits(now)[-len(content) * 4 :].rstrip("0") in bits(was) + "1" * 7  # half of it


def bits(jpeg: Jpeg) -> str:
    """The entropy-coded data of its one scan, without what fills up the last byte."""
    [scan] = jpeg.scans
    return "".join(f"{byte:08b}" for byte in scan.data.replace(b"\xff\0", b"\xff")).rstrip("1")


def test_one_that_passes_unmarked_is_not_encoded_anew(tmp_path: Path, logo: Path) -> None:
    content = images.jpeg(1, (40, 30), comment=b"as it is")
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with Image.open(path) as image:
        unmarked = Stamp(logo, Options(min_image=100))
        assert mark_jpeg(path, image, unmarked) == content


@pytest.mark.parametrize("marker", [0xC3, 0xC7, 0xCB])
def test_kinds_that_cannot_be_written_are_refused(tmp_path: Path, logo: Path, marker: int) -> None:
    content = images.encode(PHOTO, "JPEG").replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    with pytest.raises(errors.ImageRejected) as refused:
        marked(tmp_path, logo, content)
    assert refused.value.code == "not_encodable"


def test_a_truncated_file_is_not_taken_for_a_whole_one(tmp_path: Path, logo: Path) -> None:
    for progressive in (False, True):
        content = images.encode(PHOTO, "JPEG", progressive=progressive)
        with pytest.raises(JpegError, match="truncated"):
            marked(tmp_path, logo, content[: len(content) // 2])


@pytest.mark.slow
def test_scan_after_scan_is_refused(tmp_path: Path, logo: Path) -> None:
    content = images.jpeg(1, (2000, 1500), progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(errors.ImageRejected) as refused:
        marked(tmp_path, logo, content[:-2] + scan * 1400 + b"\xff\xd9")
    assert refused.value.code == "too_many_scans"
