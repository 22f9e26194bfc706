"""A JPEG keeps tables, sampling and segments, and not a coefficient changes beside the logo."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

import images
from worker_rig import FOLDER, worker_module

format_jpeg = worker_module("format_jpeg")
jpeg_stream = worker_module("jpeg_stream")
libjpeg = worker_module("libjpeg")
compositing = worker_module("compositing")
errors = worker_module("errors")
options = worker_module("options")
stamp = worker_module("stamp")
KEEP, NOGPS, STRIP = options.Metadata

SIZE = (250, 183)  # whole blocks in neither direction
PHOTO = images.photo(3, SIZE)
XMP = b"http://ns.adobe.com/xap/1.0/\0"


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logo") / "logo.png"
    compositing.normalise_logo(FOLDER / "bundled_logo.png", path)
    return path


def marked(folder: Path, logo: Path, content: bytes, policy: Any = KEEP) -> tuple[bytes, Any]:
    """The file, and the stamp with its notes."""
    path = folder / "photo.jpg"
    path.write_bytes(content)
    mark = stamp.Stamp(logo, options.Options(metadata=policy))
    with Image.open(path) as image:
        return format_jpeg.marked(path, image, mark), mark


def opened(content: bytes) -> Any:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def difference(before: bytes, after: bytes) -> tuple[float, float]:
    """Mean differences in the right upper corner, and in all that is below it."""
    both = ImageChops.difference(opened(before), opened(after))
    width, height = both.size
    corner = ImageStat.Stat(both.crop((width // 2, 0, width, height // 3))).mean
    rest = ImageStat.Stat(both.crop((0, height // 2, width, height))).mean
    return max(corner), max(rest)


def with_segments(content: bytes, *segments: tuple[int, bytes]) -> bytes:
    """The file with those segments first."""
    made = [jpeg_stream.Segment(marker, payload) for marker, payload in segments]
    return bytes(jpeg_stream.assemble(made)[:-2] + content[2:])


def segments_of(content: bytes) -> list[tuple[int, bytes]]:
    parsed = jpeg_stream.parse(content).segments
    return [(s.marker, s.payload) for s in parsed if s.marker in (*jpeg_stream.APP, 0xFE)]


def resampled(factors: list[tuple[int, int]], *, interleaved: bool, progressive: bool) -> bytes:
    """A file of such sampling factors, made of a grey one for each component."""
    across, down = (max(each) for each in zip(*factors, strict=True))
    frame = jpeg_stream.Frame(
        0xC0,
        *SIZE,
        tuple(jpeg_stream.Component(n, *each, 0) for n, each in enumerate(factors, 1)),
    )
    tables, scans = [], []
    for band, (times, high) in zip(PHOTO.convert("YCbCr").split(), factors, strict=True):
        size = -(-SIZE[0] * times // across), -(-SIZE[1] * high // down)
        grey = jpeg_stream.parse(images.encode(band.resize(size), "JPEG", quality=90))
        tables = [s for s in grey.segments if s.marker in (0xDB, 0xC4)]
        payload = bytes([1, len(scans) + 1]) + grey.scans[0].payload[2:]
        scans.append(grey.scans[0]._replace(payload=payload))
    content = bytes(jpeg_stream.assemble([*tables, frame.segment(), *scans]))
    if interleaved or progressive:
        with libjpeg.Coefficients(content) as coefficients:
            return bytes(coefficients.encoded(progressive=progressive, interleaved=True))
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
    was, now = jpeg_stream.parse(before), jpeg_stream.parse(after)
    assert now.restart_interval() == was.restart_interval()
    assert now.frame.progressive == was.frame.progressive
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
    was, now = jpeg_stream.parse(content), jpeg_stream.parse(after)
    assert now.frame == was.frame
    assert len(now.scans) == len(was.scans)
    drawn, beside = difference(content, after)
    assert drawn > 5
    assert beside == 0


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
    was, now = jpeg_stream.parse(content), jpeg_stream.parse(after)
    assert [s[:2] for s in now.segments] == [s[:2] for s in was.segments]
    assert difference(content, after)[1] == 0
    assert bits(now)[-len(content) * 4 :] in bits(was) + "1" * 7  # half of it


def bits(jpeg: Any) -> str:
    """The entropy-coded data of its one scan, without what fills up the last byte."""
    [scan] = jpeg.scans
    return "".join(f"{byte:08b}" for byte in scan.data.replace(b"\xff\0", b"\xff")).rstrip("1")


def test_one_that_passes_unmarked_is_not_encoded_anew(tmp_path: Path, logo: Path) -> None:
    content = images.jpeg(1, (40, 30), comment=b"as it is")
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with Image.open(path) as image:
        unmarked = stamp.Stamp(logo, options.Options(min_image=100))
        assert format_jpeg.marked(path, image, unmarked) == content


def test_all_segments_are_carried_in_their_order(tmp_path: Path, logo: Path) -> None:
    exif = b"Exif\0\0" + bytes(65000) + b"not for Pillow to read"
    carried = [
        (0xE0, b"JFIF\0\1\2\1\0\x48\0\x48\1\1abc"),
        (0xE1, exif),
        (0xE2, b"ICC_PROFILE\0\2\2second"),
        (0xE2, b"ICC_PROFILE\0\1\2first"),
        (0xFE, b"a comment"),
        (0xE5, b"something"),
        (0xED, b"Photoshop 3.0\0garbage"),
        (0xFE, b"another"),
    ]
    content = with_segments(images.encode(PHOTO, "JPEG"), *carried)
    after, _ = marked(tmp_path, logo, content)
    assert segments_of(after) == segments_of(content)
    assert segments_of(after)[: len(carried)] == carried


def ultra_hdr() -> bytes:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
        b' hdrgm:Version="1.0" xmlns:Container="http://ns.google.com/photos/1.0/container/"'
        b' kept="yes"><Container:Directory><a/></Container:Directory></d></x:xmpmeta>'
    )
    first = with_segments(
        images.encode(PHOTO, "JPEG"),
        (0xE1, XMP + packet),
        (0xE2, b"MPF\0anything"),
        (0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"),
    )
    return first + images.encode(PHOTO.convert("L"), "JPEG") + b"\0\0\0\x18ftypmp42"


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_nothing_refers_to_pictures_that_are_dropped(tmp_path: Path, logo: Path) -> None:
    after, mark = marked(tmp_path, logo, ultra_hdr())
    assert after.endswith(b"\xff\xd9")
    assert after.count(b"\xff\xd8\xff") == 1
    for reference in (b"MPF\0", b"21496", b"hdrgm:Version", b"Container:Directory", b"ftyp"):
        assert reference not in after
    assert b'kept="yes"' in after
    assert len(mark.notes) == 2


def test_of_an_mpo_the_first_picture_comes_back_alone(tmp_path: Path, logo: Path) -> None:
    pictures = [images.photo(seed, SIZE) for seed in (1, 2)]
    content = images.encode(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    assert opened(content).format == "MPO"
    after, mark = marked(tmp_path, logo, content)
    assert opened(after).format == "JPEG"
    assert after.count(b"\xff\xd8\xff") == 1
    assert b"MPF\0" not in after
    assert difference(content, after)[1] == 0
    assert len(mark.notes) == 1


def gps_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})
    return exif.tobytes()


def test_nogps_and_strip_reach_every_segment(tmp_path: Path, logo: Path) -> None:
    place = b'<x xmlns:p="http://ns.adobe.com/photoshop/1.0/" p:City="Ghent" kept="yes"/>'
    guid = b"0123456789ABCDEF0123456789ABCDEF"
    main = b'<x xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="' + guid + b'"/>'
    more = b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">I", len(place))
    city = b"\x1c\x02\x5a\x00\x05Ghent\x1c\x02\x78\x00\x04kept"
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(city)) + city + bytes(len(city) % 2)
    content = with_segments(
        images.encode(PHOTO, "JPEG", icc_profile=b"a profile", comment=b"a comment"),
        (0xE1, gps_exif()),
        (0xE1, XMP + main),
        (0xE1, more + struct.pack(">I", 40) + place[40:]),  # the second half first
        (0xE1, more + struct.pack(">I", 0) + place[:40]),
        (0xED, b"Photoshop 3.0\0" + resource[:15]),
        (0xED, b"Photoshop 3.0\0" + resource[15:]),
    )
    assert b"Ghent" in content
    without, _ = marked(tmp_path, logo, content, NOGPS)
    image = opened(without)
    assert b"Ghe" not in without
    assert 0x8825 not in image.getexif()
    assert image.getexif()[0x010F] == "a camera"
    assert guid not in without
    assert b'kept="yes"' in without.replace(XMP, b"") or b"kept" in without
    assert image.info["comment"] == b"a comment"
    stripped, _ = marked(tmp_path, logo, content, STRIP)
    image = opened(stripped)
    assert dict(image.getexif()) == {0x0112: 6}
    assert image.info["icc_profile"] == b"a profile"
    assert "comment" not in image.info
    assert b"kept" not in stripped
    assert difference(without, stripped) == (0, 0)


@pytest.mark.parametrize("marker", [0xC3, 0xC7, 0xCB])
def test_kinds_that_cannot_be_written_are_refused(tmp_path: Path, logo: Path, marker: int) -> None:
    content = images.encode(PHOTO, "JPEG").replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    with pytest.raises(errors.ImageRejected) as refused:
        marked(tmp_path, logo, content)
    assert refused.value.code == "not_encodable"


def test_a_truncated_file_is_not_taken_for_a_whole_one(tmp_path: Path, logo: Path) -> None:
    for progressive in (False, True):
        content = images.encode(PHOTO, "JPEG", progressive=progressive)
        with pytest.raises(OSError, match="truncated"):
            marked(tmp_path, logo, content[: len(content) // 2])


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_bytes_after_the_end_do_not_make_it_a_truncated_one(
    tmp_path: Path, logo: Path, number: int
) -> None:
    written, _ = marked(tmp_path, logo, images.encode(PHOTO, "JPEG") + b"\n" * number)
    Image.open(BytesIO(written)).load()


def test_scan_after_scan_is_refused(tmp_path: Path, logo: Path) -> None:
    content = images.jpeg(1, (2000, 1500), progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(errors.ImageRejected) as refused:
        marked(tmp_path, logo, content[:-2] + scan * 1400 + b"\xff\xd9")
    assert refused.value.code == "too_many_scans"
