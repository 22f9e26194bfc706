"""What is particular to animated PNG: one palette for all frames, sequence numbers, the still."""

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from formats.png import apng, chunks
from support import films, images
from support.films import KEEP, SIZE, Shot
from support.marks import bundled_logo, logo_box, mark, without

BLUE = Image.new("RGBA", SIZE, (0, 0, 200, 255))


def marked(folder: Path, content: bytes, **settings: Any) -> bytes:
    return mark(folder, bundled_logo(folder), content, **settings).content


def film(frames: list[Image.Image], **options: Any) -> bytes:
    return images.encode(frames[0], "PNG", save_all=True, append_images=frames[1:], **options)


def test_the_picture_for_other_viewers_is_marked_too(tmp_path: Path) -> None:
    before = films.apng([Shot(BLUE), Shot(BLUE)])
    done = mark(tmp_path, bundled_logo(tmp_path), before)
    assert ImageChops.difference(*map(films.still_of, (before, done.content))).getbbox(
        alpha_only=False
    )
    assert done.after.n_frames == done.before.n_frames == 3  # type: ignore[attr-defined]


def test_a_frame_that_leaves_the_logo_alone_is_copied_byte_for_byte(tmp_path: Path) -> None:
    small = Shot(images.photo(2, (40, 30)).convert("RGBA"), 5, 50, KEEP)
    before = films.apng([Shot(BLUE), small])
    after = marked(tmp_path, before)
    was, now = (apng.read(chunks.read(content)).frames for content in (before, after))
    assert now[2].data == was[2].data
    assert now[1].data != was[1].data


def test_the_frames_of_a_palette_share_the_colours_of_the_logo(tmp_path: Path) -> None:
    logo = bundled_logo(tmp_path)
    frames = [images.photo(seed, SIZE).quantize(40) for seed in range(3)]
    for frame in frames[1:]:
        frame.putpalette(frames[0].getpalette() or [])
    done = mark(tmp_path, logo, film(frames))
    assert done.after.mode == done.before.mode == "P"
    box = logo_box(logo, SIZE)
    with Image.open(logo) as image:
        ink = image.resize((box[2] - box[0], box[3] - box[1]), Image.Resampling.LANCZOS)
    for number in range(3):
        done.before.seek(number)
        done.after.seek(number)
        was, now = done.before.convert("RGBA"), done.after.convert("RGBA")
        assert without(box, now).tobytes() == without(box, was).tobytes()
        was.alpha_composite(ink, box[:2])
        inside = ImageChops.difference(was.crop(box), now.crop(box))
        assert max(ImageStat.Stat(inside).mean) < 6


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_every_mode_stays(tmp_path: Path, mode: str) -> None:
    before = film([images.photo_with_alpha(seed, SIZE).convert(mode) for seed in range(2)])
    done = mark(tmp_path, bundled_logo(tmp_path), before)
    assert done.after.mode == done.before.mode == mode


def test_a_film_of_16_bits_has_8_and_says_so(tmp_path: Path) -> None:
    before = bytearray(film([images.photo(1, SIZE), images.photo(2, SIZE)]))
    animation = apng.read(chunks.read(bytes(before)))
    row = b"\0" + struct.pack(">H", 40_000) * 3 * SIZE[0]
    data = zlib.compress(row * SIZE[1])
    frames = [replace(one, data=[data]) for one in animation.frames if one.size == SIZE]
    header = animation.header._replace(depth=16)
    of_16_bits = apng.Apng(header, b"", b"", animation.control, frames)
    done = mark(tmp_path, bundled_logo(tmp_path), chunks.assemble(of_16_bits.chunks()))
    assert any("16 bits" in note for note in done.notes)
    assert done.after.convert("RGB").getpixel((0, 89)) == (156, 156, 156)


def test_frames_out_of_sequence_are_refused(tmp_path: Path) -> None:
    content = films.apng([Shot(BLUE), Shot(BLUE)])
    first = content.index(b"fdAT")
    wrong = content[: first + 4] + b"\0\0\0\x09" + content[first + 8 :]
    with pytest.raises(ValueError, match="sequence"):
        apng.read(chunks.read(wrong))


def test_a_file_without_its_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ends"):
        apng.read(chunks.read(films.apng([Shot(BLUE)])[:-12]))


def test_a_chunk_among_the_pixels_is_damage_as_in_a_still() -> None:
    parts = chunks.read(films.apng([Shot(BLUE), Shot(BLUE)]))
    at = next(number for number, part in enumerate(parts) if part.name == b"IDAT")
    half = len(parts[at].data) // 2
    parts[at : at + 1] = [
        chunks.chunk(b"IDAT", parts[at].data[:half]),
        chunks.chunk(b"tEXt", b"Key\0in between"),
        chunks.chunk(b"IDAT", parts[at].data[half:]),
    ]
    with pytest.raises(ValueError, match="among its pixels"):
        apng.read(parts)
