"""What is particular to WebP: chunks are copied, lossless stays so, lossy keeps its quality."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import errors
from formats.webp import picture as webp_picture
from formats.webp import riff, vp8_quality
from options import Metadata
from support import films, images
from support.films import SIZE, Shot
from support.marks import bundled_logo, logo_box, mark, without


def marked(folder: Path, content: bytes, **settings: Any) -> bytes:
    return mark(folder, bundled_logo(folder), content, **settings).content


def chunks(content: bytes) -> dict[bytes, bytes]:
    return dict(riff.parsed(content).chunks)


def with_chunk(content: bytes, name: bytes, data: bytes) -> bytes:
    webp = riff.parsed(content)
    return riff.assemble([*webp.chunks, riff.Chunk(name, data)])


def test_lossless_is_the_same_outside_the_box_down_to_what_is_invisible(tmp_path: Path) -> None:
    picture = images.photo(1, SIZE).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(SIZE).point(lambda level: level // 2 * 2))
    before = images.encode(picture, "WEBP", lossless=True, exact=True)
    logo = bundled_logo(tmp_path)
    done = mark(tmp_path, logo, before)
    box = logo_box(logo, SIZE)
    assert without(box, done.after).tobytes() == without(box, done.before).tobytes()
    assert b"VP8L" in chunks(done.content)


def test_alpha_that_is_opaque_everywhere_stays_alpha(tmp_path: Path) -> None:
    picture = Image.new("RGBA", SIZE, (9, 9, 9, 255))
    logo = bundled_logo(tmp_path)
    left, top, _, _ = logo_box(logo, SIZE)
    picture.putpixel((left + 5, top + 3), (0, 0, 0, 254))
    done = mark(tmp_path, logo, images.encode(picture, "WEBP", lossless=True))
    assert done.before.mode == done.after.mode == "RGBA"


@pytest.mark.parametrize("quality", [30, 75, 85, 95])
def test_a_lossy_picture_keeps_its_quality_but_is_never_poor(tmp_path: Path, quality: int) -> None:
    before = images.encode(images.photo(1), "WEBP", quality=quality)
    after = marked(tmp_path, before)
    qualities = [vp8_quality.quality(chunks(content)[b"VP8 "]) for content in (before, after)]
    assert qualities[0] == pytest.approx(quality, abs=12)
    assert qualities[1] == pytest.approx(max(qualities[0], 80), abs=5)


@pytest.mark.parametrize("quality", [30, 89, 90, 91])
def test_another_quality_can_be_asked_for(tmp_path: Path, quality: int) -> None:
    before, same = (images.encode(images.photo(1), "WEBP", quality=q) for q in (60, quality))
    after = marked(tmp_path, before, output_quality=quality)
    qualities = [vp8_quality.quality(chunks(content)[b"VP8 "]) for content in (same, after)]
    assert qualities[1] == pytest.approx(qualities[0], abs=2)


def test_the_alpha_of_a_lossy_picture_is_lossless(tmp_path: Path) -> None:
    logo = bundled_logo(tmp_path)
    done = mark(tmp_path, logo, images.encode(images.photo_with_alpha(1), "WEBP", quality=80))
    box = logo_box(logo, images.SIZE)
    was, now = (
        without(box, image).getchannel("A").tobytes() for image in (done.before, done.after)
    )
    assert now == was


def test_chunks_are_copied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    before = images.encode(images.photo(1), "WEBP", exif=exif, xmp=b"<x/>", icc_profile=b"icc")
    before = with_chunk(before, b"ABCD", b"odd")
    was, now = chunks(before), chunks(marked(tmp_path, before))
    assert list(now) == list(was)
    assert was.pop(b"VP8 ") != now.pop(b"VP8 ")
    assert now == was


def test_stripping_leaves_orientation_and_profile(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a camera", 6
    before = images.encode(images.photo(1), "WEBP", exif=exif, xmp=b"<x/>", icc_profile=b"icc")
    after = marked(tmp_path, with_chunk(before, b"ABCD", b"odd"), metadata=Metadata.STRIP)
    now = chunks(after)
    assert list(now) == [b"VP8X", b"ICCP", b"VP8 ", b"EXIF"]
    assert Image.open(BytesIO(after)).getexif() == {0x0112: 6}
    assert now[b"VP8X"][0] & 0x0C == 0x08


def test_a_frame_that_leaves_the_logo_alone_is_copied_byte_for_byte(tmp_path: Path) -> None:
    small = Shot(images.photo(2, (40, 30)).convert("RGBA"), 6, 50)
    before = films.webp([Shot(Image.new("RGBA", SIZE, (0, 0, 200, 255))), small], lossless=False)
    was, now = (riff.parsed(c).chunks for c in (before, marked(tmp_path, before)))
    assert now[3] == was[3]
    assert now[2] != was[2]
    assert now[1] == was[1]


def test_want_of_memory_is_no_fault_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*_: object, **__: object) -> None:
        raise ValueError("encoding error 1")

    monkeypatch.setattr(Image.Image, "save", save)
    with pytest.raises(MemoryError):
        webp_picture._bitstream(Image.new("RGB", (9, 9)), quality=80)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    before = images.encode(images.photo(1), "WEBP")
    with pytest.raises(errors.ImageRejected) as raised:
        marked(tmp_path, before[: len(before) // 2])
    assert raised.value.code == "corrupt_image"
