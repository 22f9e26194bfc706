"""Below the logo a JPEG's entropy-coded data goes on bit by bit; libjpeg's errors end nothing."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies
from PIL import Image

from formats.jpeg import recode, segments, splice
from formats.jpeg.libjpeg.calls import JpegError
from formats.jpeg.libjpeg.coefficients import Coefficients
from support import images
from support.worker import FOLDER

BITS = strategies.text("01", min_size=1, max_size=200)


def coded(bits: str) -> bytes:
    """As it stands in a scan: ones to the end of the byte, 00 after FF."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")


def decoded(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data.replace(b"\xff\0", b"\xff"))


@given(BITS, BITS, BITS, strategies.sampled_from(["0", "1010", "00", "1101111111", "0" + "1" * 25]))
def test_what_follows_the_first_codes_stays_to_the_last_bit(
    old: str, new: str, rest: str, last: str
) -> None:
    data = coded(old + last + rest)
    spliced = splice.spliced(data, coded(old + last), coded(new + last), last)
    assert spliced is not None
    begins, filling = new + last + rest, decoded(spliced)[len(new + last + rest) :]
    assert decoded(spliced).startswith(begins)
    assert set(filling.lstrip("1")) <= {"0"}
    assert len(filling) < 16


@given(BITS, BITS)
def test_pieces_end_wherever_they_may(old: str, rest: str) -> None:
    rest = rest * 3000 + "1" * 24 + rest  # several pieces, with FF at the end of some
    spliced = splice.spliced(coded(old + "0" + rest), coded(old + "0"), coded("0"), "0")
    assert spliced is not None
    assert decoded(spliced).startswith("0" + rest)


@pytest.mark.parametrize(
    "data",
    [
        b"\x12\x45\x55",  # begins otherwise
        b"\x12",  # ends before
        b"\x12\x35\xff\xd0\x00",  # restarts
        b"\x12\x35\xff\xff\x00",  # is filled up
    ],
)
def test_other_data_is_not_spliced(data: bytes) -> None:
    assert splice.spliced(data, b"\x12\x35", b"\x77", "10") is None


def test_whole_restart_intervals_are_replaced_as_they_are() -> None:
    data = b"one\xff\xd0two\xff\xd1three"
    assert splice.at_restart(data, b"one\xff\xd0two", b"new", 2) == b"new\xff\xd1three"
    assert splice.at_restart(data, b"one\xff\xd0too", b"new", 2) is None
    assert splice.at_restart(data, data, b"new", 3) is None


@pytest.mark.parametrize("how", [{}, {"restart_marker_blocks": 7}, {"quality": 100}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_change_that_changes_nothing_gives_the_same_file(
    monkeypatch: pytest.MonkeyPatch, mode: str, how: dict[str, Any]
) -> None:
    monkeypatch.delattr(recode, "_as_a_whole")  # the first rows are enough
    content = images.encode(images.photo(2, (333, 222)).convert(mode), "JPEG", **how)
    parsed = segments.parse(content)
    again = recode.recoded(parsed, (200, 10, 320, 50), lambda _: None)
    assert again == parsed.of_picture


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xd8nothing", "no picture"),
        (b"\xff\xd8\xff\xc0\0\x0b\x08\0\x08\0\x08\1\1\x11\0\xff\xd9", "missing SOS"),
        (images.jpeg(1).replace(b"\xff\xc4", b"\xff\xc3"), "SOF"),
    ],
)
def test_an_error_of_libjpeg_is_one_of_the_file(content: bytes, said: str) -> None:
    for _ in range(3):
        with pytest.raises(JpegError, match=said):
            Coefficients(content)


def test_a_picture_that_memory_does_not_hold_ends_no_process(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(images.encode(Image.new("RGB", (6000, 6000)), "JPEG", optimize=True))
    script = f"""
import resource
from formats.jpeg.libjpeg.coefficients import Coefficients
resource.setrlimit(resource.RLIMIT_AS, ({120 << 20}, {resource.RLIM_INFINITY}))
try:
    Coefficients(open({str(path)!r}, "rb").read())
except MemoryError:
    print("no memory")
"""
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert found.stdout == "no memory\n"
