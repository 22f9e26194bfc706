"""What is particular to GIF: its blocks stay as they are, and its palettes as far as they can."""

import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import errors
from formats.gif import file
from options import Metadata
from support import films, images
from support.films import CLEAR, SIZE, Shot
from support.marks import bundled_logo, mark

XMP = b"<x:xmpmeta>exif:GPSLatitude</x:xmpmeta>"
LOOP = b"!\xff\x0bNETSCAPE2.0\x03\x01\x03\x00\x00"
COMMENT = b"!\xfe\x05hello\x00"
PACKET = b"!\xff\x0bXMP DataXMP" + XMP + bytes([1, *range(255, -1, -1), 0])
BLUE = Image.new("RGBA", SIZE, (0, 0, 200, 255))


def marked(folder: Path, content: bytes, **settings: Any) -> bytes:
    return mark(folder, bundled_logo(folder), content, **settings).content


def taken_apart(folder: Path, content: bytes) -> file.Gif:
    (folder / "film.gif").write_bytes(content)
    return file.read(folder / "film.gif")


def test_identical_frames_stay_as_many_as_they_were(tmp_path: Path) -> None:
    shots = [Shot(BLUE, duration_ms=duration) for duration in (0, 50, 50, 700)]
    after = marked(tmp_path, films.gif(shots))
    played = films.gif_shots(after, tmp_path / "after.gif")
    assert [shot.duration_ms for shot in played] == [0, 50, 50, 700]


def test_a_frame_that_leaves_the_logo_alone_is_copied_byte_for_byte(tmp_path: Path) -> None:
    small = Shot(images.photo(2, (40, 30)).convert("RGBA"), 5, 50)
    before = films.gif([Shot(BLUE), small, small])
    was, now = (list(taken_apart(tmp_path, c).frames) for c in (before, marked(tmp_path, before)))
    assert now[1:] == was[1:]
    assert now[0] != was[0]


def test_extensions_and_what_follows_the_trailer_stay(tmp_path: Path) -> None:
    before = films.gif([Shot(BLUE)], extensions=LOOP + COMMENT + PACKET) + b"more"
    after = marked(tmp_path, before)
    assert LOOP + COMMENT + PACKET in after
    assert after.endswith(b";more")


def test_stripping_leaves_the_loop(tmp_path: Path) -> None:
    before = films.gif([Shot(BLUE)], extensions=LOOP + COMMENT + PACKET)
    after = marked(tmp_path, before, metadata=Metadata.STRIP)
    assert LOOP in after
    assert COMMENT not in after
    assert XMP not in after


def test_a_first_frame_smaller_than_the_screen_grows_to_the_logo(tmp_path: Path) -> None:
    small = Shot(images.photo(2, (40, 30)).convert("RGBA"), 5, 50, CLEAR)
    after = films.gif_shots(marked(tmp_path, films.gif([small, small])), tmp_path / "after.gif")
    for canvas in films.shown(SIZE, after):
        assert images.pixel(canvas, (100, 14))[3] == 255, "the logo"
        assert images.pixel(canvas, (60, 20))[3] == 0


def test_other_frames_keep_the_global_colours(tmp_path: Path) -> None:
    picture = images.photo(1, SIZE).quantize(32)
    before = images.encode(picture, "GIF")
    was, now = taken_apart(tmp_path, before), taken_apart(tmp_path, marked(tmp_path, before))
    assert now.header == was.header
    [one] = now.frames
    used = {index for index, count in enumerate(picture.histogram()) if count}
    for index in used:
        assert one.table[3 * index : 3 * index + 3] == was.table[3 * index : 3 * index + 3]


def test_grey_stays_grey(tmp_path: Path) -> None:
    before = images.encode(images.photo(1, SIZE).convert("L"), "GIF", optimize=False)
    after = mark(tmp_path, bundled_logo(tmp_path), before)
    assert after.after.mode == after.before.mode


def test_an_interlaced_picture_stays_so(tmp_path: Path) -> None:
    before = images.encode(images.photo(1, SIZE).quantize(32), "GIF", interlace=1)
    [was], [now] = (taken_apart(tmp_path, c).frames for c in (before, marked(tmp_path, before)))
    assert was.flags & 0x40
    assert now.flags & 0x40


@pytest.mark.parametrize("ending", [b"", b"\0"])
def test_a_missing_trailer_does_no_harm(tmp_path: Path, ending: bytes) -> None:
    before = films.gif([Shot(BLUE), Shot(BLUE)])[:-2] + ending
    shots = films.gif_shots(marked(tmp_path, before), tmp_path / "after.gif")
    assert len(shots) == 2


def test_a_truncated_last_frame_is_not_dropped_in_silence(tmp_path: Path) -> None:
    before = films.gif([Shot(BLUE), Shot(images.photo(1, SIZE).convert("RGBA"))])
    with pytest.raises(errors.ImageRejected) as told:
        marked(tmp_path, before[:-200])
    assert told.value.code == "corrupt_image"


def test_a_picture_larger_than_the_limit_is_refused(tmp_path: Path) -> None:
    before = bytearray(films.gif([Shot(BLUE), Shot(BLUE)]))
    last = before.rindex(struct.pack("<4H", 0, 0, *SIZE))
    before[last : last + 8] = struct.pack("<4H", 0, 0, 60_000, 60_000)
    with pytest.raises(errors.ImageRejected) as told:
        marked(tmp_path, bytes(before))
    assert told.value.code == "too_many_pixels"
