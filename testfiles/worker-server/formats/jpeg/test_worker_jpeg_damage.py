"""Of a damaged JPEG as much comes back as a viewer shows, or it fails: never less is stored."""

import random
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from errors import ImageRejected
from formats.jpeg.segments import Component, FrameHeader, Segment, assemble, parse
from options import OutputFormat, Position
from support import images
from support.marks import Box, bundled_logo, damage_overlooked, distance, logo_box, mark, without

# What Pillow can write, in sizes that are whole blocks in neither direction
SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "4:4:4": ("RGB", {"subsampling": 0}),
    "4:2:2": ("RGB", {"subsampling": 1}),
    "4:2:0": ("RGB", {"subsampling": 2}),
    "4:1:1": ("RGB", {"subsampling": "4:1:1"}),
    "optimized": ("RGB", {"optimize": True}),
    "restarts": ("RGB", {"restart_marker_blocks": 4}),
    "restarts of rows": ("RGB", {"restart_marker_rows": 1, "subsampling": 0}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive restarts": ("RGB", {"progressive": True, "restart_marker_blocks": 7}),
    "grey": ("L", {}),
    "grey restarts": ("L", {"restart_marker_blocks": 9}),
    "grey progressive": ("L", {"progressive": True}),
    "CMYK": ("CMYK", {}),
    "CMYK restarts": ("CMYK", {"progressive": True, "restart_marker_blocks": 5}),
}
SIZES = ((397, 301), (251, 383))
POSITIONS = (Position.TOP_RIGHT, Position.TOP_LEFT, Position.BOTTOM_RIGHT)
MARKERS = bytes.fromhex("d0 d3 d7 d8 d9 c0 c4 da dd fe e1 9f 01 00 ff")
MOST = 0.5  # of 255: as much as an image that is whole may differ beside the logo


def marker_put_in(rng: random.Random, content: bytes, at: int) -> bytes:
    marker = bytes([0xFF, rng.choice(MARKERS)])
    return content[:at] + marker + content[at + rng.choice((0, 2)) :]


pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, of damage


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


@cache
def source(kind: str, size: tuple[int, int] = SIZES[0]) -> bytes:
    mode, options = SOURCES[kind]
    photo = images.photo(len(kind), size).convert(mode)
    return images.encode(photo, "JPEG", quality=85, **options)


def in_its_data(kind: str, number: int = 300) -> tuple[bytes, int]:
    """A file, and a place behind so many bytes of its last scan."""
    content = source(kind)
    at = content.rindex(b"\xff\xda") + number
    while b"\xff" in content[at - 1 : at + 2]:
        at += 1
    return content, at


def damaged(content: bytes, seed: int) -> bytes:
    return images.damaged(content, seed, *[marker_put_in] * 5)


def shown(content: bytes) -> Image.Image:
    with damage_overlooked():
        image = Image.open(BytesIO(content))
        image.load()
    return image


def difference(
    folder: Path, logo: Path, content: bytes, position: Position = Position.TOP_RIGHT
) -> float | None:
    """Of what is shown before and after beside the logo; None where the file fails."""
    try:
        done = mark(folder, logo, content, position=position)
    except ImageRejected:
        return None
    before, after = shown(content), shown(done.content)
    assert (after.size, after.mode) == (before.size, before.mode)
    box = grown(logo_box(logo, before.size, position=position))
    return distance(without(box, before), without(box, after))


def grown(box: Box) -> Box:
    """The box with the blocks around it, which share its colours."""
    left, top, right, bottom = (edge // 32 * 32 for edge in box)
    return left - 32, top - 32, right + 64, bottom + 64


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_stored_is_what_viewers_show(tmp_path: Path, logo: Path, kind: str) -> None:
    stored = 0
    for seed in range(25):
        content = damaged(source(kind, SIZES[seed % 2]), seed)
        found = difference(tmp_path, logo, content, POSITIONS[seed % len(POSITIONS)])
        assert found is None or found < MOST, f"seed {seed}"
        stored += found is not None
    assert stored > 5


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
def test_whatever_happens_to_it(tmp_path: Path, logo: Path, kind: str) -> None:
    for seed in range(1000, 1250):
        content = damaged(source(kind, SIZES[seed % 2]), seed)
        found = difference(tmp_path, logo, content, POSITIONS[seed % len(POSITIONS)])
        assert found is None or found < MOST, f"seed {seed}"


@pytest.mark.parametrize("marker", [0x9F, 0xD2, 0xD5, 0x01])
def test_a_stray_marker_among_restarts_costs_no_more_than_in_a_viewer(
    tmp_path: Path, logo: Path, marker: int
) -> None:
    content, at = in_its_data("restarts", 9000)
    content = content[:at] + bytes([0xFF, marker]) + content[at + 2 :]
    done = mark(tmp_path, logo, content)
    box = grown(logo_box(logo, done.before.size))
    before, after = (without(box, shown(each)) for each in (content, done.content))
    assert ImageChops.difference(before, after).getbbox() is None
    assert distance(shown(source("restarts")), shown(done.content)) < 20
    [note] = done.notes
    assert "libjpeg: " in note


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\xff\xd4", b"\xff\xd5", 1),  # a wrong number
        lambda data: data.replace(b"\xff\xd4", b"", 1),  # none where one is due
        lambda data: data.replace(b"\xff\xd4", b"\xff\xd3\xff\xd4", 1),  # one too many
    ],
)
def test_restart_markers_that_are_not_due_are_noted(
    tmp_path: Path, logo: Path, change: Any
) -> None:
    jpeg = parse(source("restarts"))
    [scan] = jpeg.scans
    after = len(scan.data) // 2
    data = scan.data[:after] + change(scan.data[after:])
    content = assemble([*jpeg.segments[:-1], scan._replace(data=data)])
    assert difference(tmp_path, logo, content) == 0
    assert len(mark(tmp_path, logo, content).notes) == 1


def test_brightness_beyond_any_samples_comes_back(tmp_path: Path, logo: Path) -> None:
    """A logo in between needs differences that the usual tables have no code for."""
    grey = parse(images.encode(Image.new("L", (320, 320)), "JPEG"))
    no_more, same, brighter = "1010", "00", "111111110" + f"{2000:011b}"  # T.81, tables K.3 and K.5
    bits = (brighter + no_more) * 4 + (same + no_more) * (40 * 40 - 4)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")
    content = assemble([*grey.segments[:-1], grey.segments[-1]._replace(data=data)])
    assert difference(tmp_path, logo, content) == 0


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("trailer", [b"", b"\xff", b"TRAILER" * 9])
def test_one_that_lacks_its_end_marker_only_is_stored(
    tmp_path: Path, logo: Path, kind: str, trailer: bytes
) -> None:
    content = source(kind)[:-2] + trailer
    assert difference(tmp_path, logo, content) == 0
    assert len(mark(tmp_path, logo, content).notes) == 1


@pytest.mark.parametrize("wanted", [OutputFormat.PNG, OutputFormat.WEBP])
def test_it_is_converted_too(tmp_path: Path, logo: Path, wanted: OutputFormat) -> None:
    content = source("4:2:0")
    done = mark(tmp_path, logo, content[:-2], output_format=wanted)
    same = mark(tmp_path, logo, content, output_format=wanted)
    assert done.after.tobytes() == same.after.tobytes()
    assert len(done.notes) == 1
    with pytest.raises(ImageRejected, match="truncated"):
        mark(tmp_path, logo, content[:-9], output_format=wanted)


def test_a_stray_marker_is_noted_where_it_is_converted(tmp_path: Path, logo: Path) -> None:
    content, at = in_its_data("restarts", 9000)
    content = content[:at] + b"\xff\x9f" + content[at + 2 :]
    done = mark(tmp_path, logo, content, output_format=OutputFormat.PNG)
    box = logo_box(logo, SIZES[0])
    assert without(box, done.after).tobytes() == without(box, shown(content)).tobytes()
    assert len(done.notes) == 1


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("lost", [3, 60, 3000])
def test_one_that_lacks_a_block_fails(tmp_path: Path, logo: Path, kind: str, lost: int) -> None:
    jpeg = parse(source(kind))
    last = jpeg.segments[-1]
    cut = [*jpeg.segments[:-1], last._replace(data=last.data[: -min(lost, len(last.data) - 1)])]
    with pytest.raises(ImageRejected, match="truncated"):
        mark(tmp_path, logo, assemble(cut)[:-2])


@pytest.mark.parametrize("number", range(1, 10))
def test_a_progressive_one_that_lacks_scans_is_less_sharp_and_fails(
    tmp_path: Path, logo: Path, number: int
) -> None:
    jpeg = parse(source("progressive"))
    ends = [place for place, each in enumerate(jpeg.segments) if each.marker == 0xDA]
    assert len(ends) == 10
    content = assemble(jpeg.segments[: ends[number - 1] + 1])
    with pytest.raises(ImageRejected, match="truncated"):
        mark(tmp_path, logo, content[:-2])
    assert difference(tmp_path, logo, content) in (None, 0)


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
def test_a_second_picture_or_a_video_may_follow_without_an_end_marker(
    tmp_path: Path, logo: Path
) -> None:
    rest = images.jpeg(4) + b"\0\0\0\x18ftypmp42" + random.Random(5).randbytes(9000)
    content = source("4:2:0")[:-2] + rest
    assert difference(tmp_path, logo, content) == 0
    notes = mark(tmp_path, logo, content).notes
    assert any("only the first is kept" in note for note in notes)
    assert any("video" in note for note in notes)


def spoilt(kind: str, name: str) -> bytes:
    """Files that cameras and programs make."""
    content = source(kind)
    frame = content.index(b"\xff\xc0")
    made = {
        "fill bytes": content.replace(b"\xff\xdb", b"\xff\xff\xff\xdb").replace(
            b"\xff\xda", b"\xff\xff\xda"
        ),
        "fill bytes at the end": content[:-2] + b"\xff\xff\xff\xd9",
        "garbage between segments": content[:frame] + b"garbage\0\xff\0" + content[frame:],
        "a restart marker in the header": content[:frame] + b"\xff\xd0" + content[frame:],
        "zeros at the end": content[:-2] + bytes(99) + b"\xff\xd9",
        "a comment at the end": content[:-2] + b"\xff\xfe\0\6abcd\xff\xd9",
        "a DNL segment": content[:-2] + b"\xff\xdc\0\4" + SIZES[0][1].to_bytes(2) + b"\xff\xd9",
        "a restart marker at the end": content[:-2] + b"\xff\xd0\xff\xd9",
        "a thumbnail without an end": b"\xff\xd8\xff\xe1\x04\0"
        + images.jpeg(1, (160, 120))[:1022]
        + content[2:],
    }
    return made[name]


@pytest.mark.parametrize("kind", ["4:2:0", "restarts", "grey"])
@pytest.mark.parametrize(
    ("name", "noted"),
    [
        ("fill bytes", False),
        ("fill bytes at the end", False),
        ("garbage between segments", True),
        ("a restart marker in the header", False),
        ("zeros at the end", False),
        ("a comment at the end", False),
        ("a DNL segment", False),
        ("a restart marker at the end", False),
        ("a thumbnail without an end", False),
    ],
)
def test_what_viewers_overlook_changes_nothing(
    tmp_path: Path, logo: Path, kind: str, name: str, *, noted: bool
) -> None:
    content = spoilt(kind, name)
    assert difference(tmp_path, logo, content) == 0
    assert bool(mark(tmp_path, logo, content).notes) == noted


def test_restart_intervals_may_change_from_scan_to_scan(tmp_path: Path, logo: Path) -> None:
    frame = FrameHeader(0xC0, *SIZES[0], tuple(Component(n, 1, 1, 0) for n in (1, 2, 3)))
    tables: list[Segment] = []
    scans: list[Segment] = []
    bands = images.photo(1, SIZES[0]).convert("YCbCr").split()
    for number, (band, interval) in enumerate(zip(bands, (4, 0, 9), strict=True), 1):
        grey = parse(images.encode(band, "JPEG", restart_marker_blocks=interval))
        tables = [each for each in grey.segments if each.marker in (0xDB, 0xC4)]
        [scan] = grey.scans
        payload = bytes([1, number]) + scan.payload[2:]
        scans += [Segment(0xDD, interval.to_bytes(2)), scan._replace(payload=payload)]
    content = assemble([*tables, frame.segment(), *scans])
    assert difference(tmp_path, logo, content) == 0
    assert mark(tmp_path, logo, content).notes == []


def test_a_second_start_marker_is_what_no_viewer_overlooks(tmp_path: Path, logo: Path) -> None:
    with pytest.raises(ImageRejected) as refused:
        mark(tmp_path, logo, b"\xff\xd8" + source("4:2:0"))
    assert refused.value.code == "corrupt_image"


def test_an_end_marker_in_the_data_is_noted_where_restarts_tell(tmp_path: Path, logo: Path) -> None:
    content, at = in_its_data("restarts", 9000)
    content = content[:at] + b"\xff\xd9" + content[at:]
    assert difference(tmp_path, logo, content) == 0
    assert "premature end" in mark(tmp_path, logo, content).notes[0]
