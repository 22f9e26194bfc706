"""AVIF: stills and animations, their chroma, timing, colours and what goes along."""

from pathlib import Path

import pytest
from PIL import Image, ImageCms

import errors
from drawing.logo_file import normalise_logo
from drawing.stamp import Stamp
from formats.avif import boxes
from formats.codecs.encoding import as_memory_error
from options import Metadata, Options
from support import images
from support.marks import Marked, bundled_logo, distance, logo_box, mark

SIZE = (320, 240)
PHOTO = images.photo(1, SIZE)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/' tiff:Orientation='6'></x:xmpmeta>"
NEAR = 4.0


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def avif(picture: Image.Image = PHOTO, **options: object) -> bytes:
    return images.encode(picture, "AVIF", speed=10, quality=90, **options)


def head_of(folder: Path, content: bytes) -> boxes.Head:
    path = folder / "any.avif"
    path.write_bytes(content)
    return boxes.read(path)


def assert_marked(marked: Marked, logo: Path, orientation: int = 1) -> None:
    before, after = marked.before, marked.after
    assert (after.format, after.size, after.mode) == (before.format, before.size, before.mode)
    overlay = Stamp(logo, Options()).overlay(before.size, orientation)
    assert overlay is not None
    left, top, right, bottom = overlay.box
    around = (left - 16, top - 16, right + 16, bottom + 16)
    rests = [image.copy() for image in (before, after)]
    for rest in rests:
        rest.paste(0, around)
    assert distance(*rests) < NEAR
    assert distance(before.crop(overlay.box), after.crop(overlay.box)) > 20


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_the_logo_is_on_it_and_the_rest_stays(tmp_path: Path, logo: Path, mode: str) -> None:
    picture = images.photo_with_alpha(1, SIZE) if mode == "RGBA" else PHOTO.convert(mode)
    assert_marked(mark(tmp_path, logo, avif(picture)), logo)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_one_stays_turned_and_has_the_logo_where_it_is_seen(
    tmp_path: Path, logo: Path, turn: int
) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = turn
    marked = mark(tmp_path, logo, avif(exif=exif))
    assert marked.after.getexif().get(images.ORIENTATION_TAG, 1) == turn
    assert_marked(marked, logo, turn)


@pytest.mark.parametrize("chroma", ["4:2:0", "4:2:2", "4:4:4", "4:0:0"])
def test_it_keeps_its_chroma(tmp_path: Path, logo: Path, chroma: str) -> None:
    picture = PHOTO.convert("L") if chroma == "4:0:0" else PHOTO
    source = avif(picture, subsampling=chroma)
    assert head_of(tmp_path, source)[1] == chroma
    assert head_of(tmp_path, mark(tmp_path, logo, source).content)[1] == chroma


@pytest.mark.parametrize("length", [26, 27, 50, 5001])
def test_exif_is_kept_byte_for_byte(tmp_path: Path, logo: Path, length: int) -> None:
    """Its maker notes point to places in it; it may be filled up to an even length."""
    entry = b"\x01\x0f\0\x02\0\0\0\x04abc\0"
    exif = b"Exif\0\0" + (b"MM\0*\0\0\0\x08\0\x01" + entry + bytes(4)).ljust(length, b"\xee")
    source = avif(exif=exif)
    assert exif in source
    assert exif in mark(tmp_path, logo, source).content


def test_profile_and_xmp_are_kept(tmp_path: Path, logo: Path) -> None:
    marked = mark(tmp_path, logo, avif(icc_profile=PROFILE, xmp=XMP))
    assert marked.after.info["icc_profile"] == PROFILE
    assert marked.after.info["xmp"] == XMP
    assert_marked(marked, logo)  # whatever the XMP says of its orientation


def test_metadata_is_stripped_where_that_is_asked_for(tmp_path: Path, logo: Path) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG], exif[0x010F] = 6, "A maker of cameras"
    source = avif(icc_profile=PROFILE, exif=exif, xmp=XMP)
    after = mark(tmp_path, logo, source, metadata=Metadata.STRIP).after
    assert after.info["icc_profile"] == PROFILE
    assert dict(after.getexif()) == {images.ORIENTATION_TAG: 6}
    assert "xmp" not in after.info


def test_its_colour_primaries_and_transfer_are_kept(tmp_path: Path, logo: Path) -> None:
    at = (source := bytearray(avif())).index(b"colrnclx") + 8
    source[at : at + 4] = b"\0\x09\0\x10"  # BT.2020, PQ
    assert head_of(tmp_path, mark(tmp_path, logo, bytes(source)).content)[3] == b"\0\x09\0\x10"


def test_on_pq_the_logo_is_as_bright_as_white_is(tmp_path: Path) -> None:
    """Report ITU-R BT.2408: 203 cd/m2, 58.07% of the signal, where no profile says otherwise."""
    Image.new("RGB", (60, 40), "white").save(tmp_path / "white.png")
    normalise_logo(tmp_path / "white.png", tmp_path / "logo.png")
    source = avif(Image.new("RGB", SIZE)).replace(b"nclx\0\1\0\x0d", b"nclx\0\x09\0\x10")
    after = mark(tmp_path, tmp_path / "logo.png", source).after
    left, top, right, bottom = logo_box(tmp_path / "logo.png", SIZE)
    level = images.pixel(after, ((left + right) // 2, (top + bottom) // 2))
    assert level == pytest.approx((148, 148, 148), abs=2)


def animation(plays: int | None = None) -> bytes:
    frames = [images.photo(seed, SIZE) for seed in range(3)]
    content = avif(frames[0], save_all=True, append_images=frames[1:], duration=[100, 250, 30])
    return boxes.with_colours_and_loop(content, None, plays)


def test_every_frame_of_an_animation_is_marked_and_shown_as_long(
    tmp_path: Path, logo: Path
) -> None:
    marked = mark(tmp_path, logo, animation())
    assert marked.after.n_frames == 3  # type: ignore[attr-defined]
    for number, duration in enumerate([100, 250, 30]):
        for image in (marked.before, marked.after):
            image.seek(number)
            image.load()
        assert marked.after.info["duration"] == duration
        assert_marked(marked, logo)


@pytest.mark.parametrize("plays", [None, 1, 3])
def test_an_animation_is_shown_as_often(tmp_path: Path, logo: Path, plays: int | None) -> None:
    source = animation(plays)
    assert head_of(tmp_path, source)[-1] == plays
    assert head_of(tmp_path, mark(tmp_path, logo, source).content)[-1] == plays


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (21, 21), (10, 4000)])
def test_tiny_ones_are_no_exception(tmp_path: Path, logo: Path, size: tuple[int, int]) -> None:
    assert mark(tmp_path, logo, avif(images.photo(1, size))).after.size == size


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.95])
def test_a_truncated_one_is_refused(tmp_path: Path, logo: Path, cut: float) -> None:
    whole = avif()
    with pytest.raises(errors.ImageRejected):
        mark(tmp_path, logo, whole[: int(len(whole) * cut)])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0\1moov",
        b"\0\0\0\1moov\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\x08free" * 5000,
        b"\0\0\0\0moovelst\0\0\0\0\0\0\0\1",
        b"\0\0\0\0moovelst\1\0\0\1\0\0\0\1" + bytes(20) + b"tkhd",
        b"\0\0\0\0metaav1C",
    ],
)
def test_boxes_of_wrong_lengths_are_read_as_far_as_they_go(tmp_path: Path, content: bytes) -> None:
    assert head_of(tmp_path, content)[:2] == (8, "4:2:0")


@pytest.mark.parametrize(
    "sentence",
    [
        "Pixel allocation failed: Out of memory",
        "Memory allocation error: Allocating 99 bytes failed",
    ],
)
def test_a_codec_that_runs_out_of_memory_is_no_fault_of_the_image(sentence: str) -> None:
    with pytest.raises(MemoryError), as_memory_error():
        raise RuntimeError(sentence)
    with pytest.raises(RuntimeError, match="damaged"), as_memory_error():
        raise RuntimeError("it is damaged")
