"""What a JPEG carries beside its picture is carried on, but for what leads nowhere any more."""

import struct
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from options import Metadata
from support import images
from support.jpeg import (
    PHOTO,
    SIZE,
    difference,
    marked,
    opened,
    segments_of,
    with_segments,
)
from support.marks import bundled_logo

XMP = b"http://ns.adobe.com/xap/1.0/\0"


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


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
    after, stamp = marked(tmp_path, logo, ultra_hdr())
    assert after.endswith(b"\xff\xd9")
    assert after.count(b"\xff\xd8\xff") == 1
    for reference in (b"MPF\0", b"21496", b"hdrgm:Version", b"Container:Directory", b"ftyp"):
        assert reference not in after
    assert b'kept="yes"' in after
    assert len(stamp.notes) == 2


def test_of_an_mpo_the_first_picture_comes_back_alone(tmp_path: Path, logo: Path) -> None:
    pictures = [images.photo(seed, SIZE) for seed in (1, 2)]
    content = images.encode(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    assert opened(content).format == "MPO"
    after, stamp = marked(tmp_path, logo, content)
    assert opened(after).format == "JPEG"
    assert after.count(b"\xff\xd8\xff") == 1
    assert b"MPF\0" not in after
    assert difference(content, after)[1] == 0
    assert len(stamp.notes) == 1


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
    without, _ = marked(tmp_path, logo, content, Metadata.NOGPS)
    image = opened(without)
    assert b"Ghe" not in without
    assert 0x8825 not in image.getexif()
    assert image.getexif()[0x010F] == "a camera"
    assert guid not in without
    assert b'kept="yes"' in without.replace(XMP, b"") or b"kept" in without
    assert image.info["comment"] == b"a comment"
    stripped, _ = marked(tmp_path, logo, content, Metadata.STRIP)
    image = opened(stripped)
    assert dict(image.getexif()) == {0x0112: 6}
    assert image.info["icc_profile"] == b"a profile"
    assert "comment" not in image.info
    assert b"kept" not in stripped
    assert difference(without, stripped) == (0, 0)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_bytes_after_the_end_do_not_make_it_a_truncated_one(
    tmp_path: Path, logo: Path, number: int
) -> None:
    written, _ = marked(tmp_path, logo, images.encode(PHOTO, "JPEG") + b"\n" * number)
    Image.open(BytesIO(written)).load()
