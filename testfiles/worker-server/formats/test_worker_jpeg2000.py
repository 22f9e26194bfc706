"""JPEG 2000: files and bare codestreams, reversible and not, with their boxes."""

import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import errors
from options import Metadata
from support import images, profiles
from support.marks import bundled_logo, distance, logo_box, mark, without

SIZE = (200, 120)
PHOTO = images.photo(1, SIZE)
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF = bytes.fromhex("4a706754696666457869662d3e4a5032")


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def file_of(picture: Image.Image, header: bytes, *more: bytes, **saving: Any) -> bytes:
    """A JP2 file with that header's boxes behind ihdr, and more boxes before the picture."""
    depth = 15 if picture.mode == "I;16" else 7
    channels = len(picture.getbands())
    ihdr = struct.pack(">IIHBBBB", picture.height, picture.width, channels, depth, 7, 0, 0)
    stream = images.encode(picture, "JPEG2000", no_jp2=True, **saving)
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    header = box(b"jp2h", box(b"ihdr", ihdr) + header)
    return start + header + b"".join(more) + box(b"jp2c", stream)


def colour(space: int) -> bytes:
    return box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "I;16"])
def test_a_reversible_one_changes_in_the_box_and_nowhere_else(
    tmp_path: Path, logo: Path, mode: str
) -> None:
    picture = PHOTO.convert("I;16" if mode == "I;16" else mode)
    space = {"L": 17, "I;16": 17, "CMYK": 12}.get(mode, 16)
    done = mark(tmp_path, logo, file_of(picture, colour(space)))
    assert done.after.mode == mode
    place = logo_box(logo, SIZE)
    assert without(place, done.after).tobytes() == without(place, done.before).tobytes()
    assert done.after.tobytes() != done.before.tobytes()


def test_a_palette_stays_with_the_nearest_colours(tmp_path: Path, logo: Path) -> None:
    few = PHOTO.quantize(200)
    flat = few.getpalette() or []
    entries = struct.pack(">HB3B", len(flat) // 3, 3, 7, 7, 7) + bytes(flat)
    mapping = b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3))
    header = colour(16) + box(b"pclr", entries) + box(b"cmap", mapping)
    indices = Image.frombytes("L", SIZE, few.tobytes())
    done = mark(tmp_path, logo, file_of(indices, header))
    assert done.before.mode == done.after.mode == "P"
    assert done.after.getpalette() == done.before.getpalette()
    place = logo_box(logo, SIZE)
    assert without(place, done.after).tobytes() == without(place, done.before).tobytes()
    assert distance(*(image.convert("RGB").crop(place) for image in (done.before, done.after))) > 5


def test_a_lossy_one_stays_about_as_large_and_close(tmp_path: Path, logo: Path) -> None:
    content = images.encode(PHOTO, "JPEG2000", irreversible=True, quality_layers=[12])
    done = mark(tmp_path, logo, content)
    place = logo_box(logo, SIZE)
    assert distance(without(place, done.before), without(place, done.after)) < 3
    assert len(done.content) == pytest.approx(len(content), rel=0.12)


def test_a_bare_codestream_stays_one(tmp_path: Path, logo: Path) -> None:
    content = images.encode(PHOTO, "JPEG2000", no_jp2=True, comment=b"by hand")
    done = mark(tmp_path, logo, content)
    assert done.content.startswith(b"\xff\x4f\xff\x51")
    assert done.after.info["comment"] == b"by hand"


def test_boxes_and_the_profile_stay_where_they_were(tmp_path: Path, logo: Path) -> None:
    resolution = box(b"res ", box(b"resc", struct.pack(">HHHHBB", 300, 1, 300, 1, 2, 2)))
    header = box(b"colr", b"\x02\0\0" + profiles.ADOBE_RGB) + resolution
    xmp, other = box(b"uuid", XMP + b"<x:xmpmeta/>"), box(b"xml ", b"<hello/>")
    done = mark(tmp_path, logo, file_of(PHOTO, header, xmp, other))
    assert header in done.content
    assert xmp + other in done.content
    assert done.after.info["dpi"] == done.before.info["dpi"]


def test_more_than_8_bits_in_several_channels_become_8_with_a_note(
    tmp_path: Path, logo: Path
) -> None:
    content = bytearray(file_of(PHOTO, colour(16)))
    size = content.index(b"\xff\x51") + 2 + 36  # the components of SIZ
    for component in range(3):
        content[size + 2 + 3 * component] = 15
    done = mark(tmp_path, logo, bytes(content))
    assert done.notes == ["It had more than 8 bits in each of several channels; it has 8 now."]
    ihdr = done.content.index(b"ihdr") + 4
    assert done.content[ihdr + 10] == 7


@pytest.mark.parametrize("unmarked", [False, True])
def test_metadata_that_is_to_go_goes(tmp_path: Path, logo: Path, unmarked: bool) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[1] = "N"
    block = exif.tobytes()[6:]
    content = file_of(PHOTO, colour(16), box(b"uuid", EXIF + block), box(b"xml ", b"<hello/>"))
    limit = 10_000 if unmarked else 0
    stripped = mark(tmp_path, logo, content, metadata=Metadata.STRIP, min_image=limit)
    assert b"a camera" not in stripped.content
    assert b"<hello/>" not in stripped.content
    placeless = mark(tmp_path, logo, content, metadata=Metadata.NOGPS, min_image=limit)
    assert b"a camera" in placeless.content
    assert block not in placeless.content


@pytest.mark.parametrize("comment", [b"a comment", None])
def test_comments_stay_and_none_is_added(tmp_path: Path, logo: Path, comment: bytes | None) -> None:
    content = images.encode(PHOTO, "JPEG2000", no_jp2=True, comment=comment)
    done = mark(tmp_path, logo, content)
    assert done.after.info["comment"] == done.before.info["comment"]
    stripped = mark(tmp_path, logo, content, metadata=Metadata.STRIP)
    assert "comment" not in stripped.after.info


@pytest.mark.parametrize("part", [0.1, 0.5])
def test_a_truncated_file_is_refused(tmp_path: Path, logo: Path, part: float) -> None:
    content = images.encode(PHOTO, "JPEG2000")
    with pytest.raises(errors.ImageRejected):
        mark(tmp_path, logo, content[: int(part * len(content))])


@pytest.mark.parametrize("bits", [8, 16])
def test_one_whose_codestream_is_longer_than_its_box_is_refused(
    tmp_path: Path, logo: Path, bits: int
) -> None:
    """Decoders read on behind the box, but what is copied would be cut there."""
    content = bytearray(file_of(PHOTO, colour(16)))
    at = content.index(b"jp2c") - 4
    (size,) = struct.unpack_from(">I", content, at)
    struct.pack_into(">I", content, at, size >> bits << bits if size >> bits else size - 9)
    with pytest.raises(errors.ImageRejected) as raised:
        mark(tmp_path, logo, bytes(content))
    assert raised.value.code == "corrupt_image"


@pytest.mark.parametrize("length", [2**31, 2**40, 2**62, 2**63])
def test_a_box_that_claims_to_be_huge_is_damage(tmp_path: Path, logo: Path, length: int) -> None:
    good = images.encode(images.photo(0, (64, 48)), "JPEG2000")
    start = good.index(b"jp2h") - 4
    content = good[:start] + struct.pack(">I4sQ", 1, b"jp2h", length) + good[start + 8 :]
    with pytest.raises(errors.ImageRejected) as raised:
        mark(tmp_path, logo, content)
    assert raised.value.code in ("corrupt_image", "unreadable_image")
