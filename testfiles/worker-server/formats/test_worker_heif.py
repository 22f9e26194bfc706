"""HEIC and HEIF: upright, every picture, every bit, and what goes along."""

from io import BytesIO
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image, ImageCms

import errors
from drawing.logo_file import normalise_logo
from options import Metadata
from support import images
from support.marks import Marked, bundled_logo, distance, logo_box, mark, without

SIZE = (480, 360)
PHOTO = images.photo(1, SIZE)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"
NEAR = 4.0


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def heic(picture: Image.Image, **options: object) -> bytes:
    pillow_heif.register_heif_opener()
    return images.encode(picture, "HEIF", quality=90, **options)


def high_bit_depth(mode: str, depth: int) -> bytes:
    """One plane after another from black to white, of `depth` bits."""
    channels = {"L;16": 1, "RGB;16": 3, "RGBA;16": 4}[mode]
    step = 65535 // SIZE[0]
    row = b"".join((x * step).to_bytes(2, "little") * channels for x in range(SIZE[0]))
    written = pillow_heif.from_bytes(mode, SIZE, row * SIZE[1])
    file = BytesIO()
    written.save(file, quality=95, chroma=444, bit_depth=depth)
    return file.getvalue()


def info_of(content: bytes) -> dict[str, object]:
    info: dict[str, object] = pillow_heif.open_heif(BytesIO(content)).info
    return info


def exif_of(turn: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = turn
    exif[0x010F] = "A maker of cameras"
    return exif


def assert_marked(marked: Marked, logo: Path) -> None:
    before, after = marked.before, marked.after
    assert (after.format, after.size, after.mode) == (before.format, before.size, before.mode)
    box = logo_box(logo, before.size)
    around = (box[0] - 16, 0, before.width, box[3] + 16)
    assert distance(without(around, before), without(around, after)) < NEAR
    assert distance(before.crop(box), after.crop(box)) > 20


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_the_logo_is_on_it_and_the_rest_stays(tmp_path: Path, logo: Path, mode: str) -> None:
    picture = images.photo_with_alpha(1, SIZE) if mode == "RGBA" else PHOTO.convert(mode)
    assert_marked(mark(tmp_path, logo, heic(picture)), logo)


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_turned_one_comes_back_upright(tmp_path: Path, logo: Path, turn: int) -> None:
    marked = mark(tmp_path, logo, heic(PHOTO, exif=exif_of(turn)))
    assert marked.before.info["original_orientation"] == turn
    assert marked.after.info["original_orientation"] is None
    assert marked.after.getexif()[images.ORIENTATION_TAG] == 1
    assert_marked(marked, logo)


@pytest.mark.parametrize("chroma", [420, 422, 444])
def test_it_keeps_its_chroma(tmp_path: Path, logo: Path, chroma: int) -> None:
    marked = mark(tmp_path, logo, heic(PHOTO, chroma=chroma))
    assert info_of(marked.content)["chroma"] == chroma


@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("mode", ["L;16", "RGB;16", "RGBA;16"])
def test_ten_and_twelve_bits_stay(tmp_path: Path, logo: Path, mode: str, depth: int) -> None:
    source = high_bit_depth(mode, depth)
    marked = mark(tmp_path, logo, source)
    assert info_of(marked.content)["bit_depth"] == info_of(source)["bit_depth"] == depth
    assert marked.notes == []
    assert len(set(levels_of(marked.content, mode))) > 256  # more than 8 bits can tell apart
    if mode != "L;16":
        assert_marked(marked, logo)


def levels_of(content: bytes, mode: str) -> list[int]:
    """The first channel of the lowest row, which no logo touches."""
    opened = pillow_heif.open_heif(BytesIO(content), convert_hdr_to_8bit=False)
    row = memoryview(bytes(opened.data)[-opened.stride :]).cast("H")
    return list(row[:: {"L;16": 1, "RGB;16": 3, "RGBA;16": 4}[mode]])


def test_profile_exif_and_xmp_are_kept(tmp_path: Path, logo: Path) -> None:
    exif = exif_of().tobytes()
    source = heic(PHOTO, icc_profile=PROFILE, exif=exif, xmp=XMP)
    after = mark(tmp_path, logo, source).after
    assert after.info["icc_profile"] == PROFILE
    assert (after.info["exif"], after.info["xmp"]) == (exif, XMP)


def test_metadata_is_stripped_where_that_is_asked_for(tmp_path: Path, logo: Path) -> None:
    source = heic(PHOTO, icc_profile=PROFILE, exif=exif_of(6), xmp=XMP)
    after = mark(tmp_path, logo, source, metadata=Metadata.STRIP).after
    assert after.info["icc_profile"] == PROFILE
    assert not after.info["exif"]
    assert not after.info.get("xmp")


def test_its_nclx_stays(tmp_path: Path, logo: Path) -> None:
    display_p3 = {"color_primaries": 12, "transfer_characteristics": 13}
    source = heic(PHOTO, matrix_coefficients=6, full_range_flag=1, **display_p3)
    nclx = info_of(mark(tmp_path, logo, source).content)["nclx_profile"]
    assert isinstance(nclx, dict)
    assert display_p3.items() <= nclx.items()


def test_on_pq_the_logo_is_as_bright_as_white_is(tmp_path: Path) -> None:
    """Report ITU-R BT.2408: 203 cd/m2, 58.07% of the signal."""
    Image.new("RGB", (60, 40), "white").save(tmp_path / "white.png")
    normalise_logo(tmp_path / "white.png", tmp_path / "logo.png")
    pq = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9}
    written = pillow_heif.from_bytes("RGB;16", SIZE, bytes(6 * SIZE[0] * SIZE[1]))
    file = BytesIO()
    written.save(file, quality=95, chroma=444, bit_depth=10, full_range_flag=1, **pq)
    after = mark(tmp_path, tmp_path / "logo.png", file.getvalue()).content
    opened = pillow_heif.open_heif(BytesIO(after), convert_hdr_to_8bit=False)
    levels = memoryview(bytes(opened.data)).cast("H")
    left, top, right, bottom = logo_box(tmp_path / "logo.png", SIZE)
    at = (top + bottom) // 2 * opened.stride // 2 + (left + right) // 2 * 3
    assert list(levels[at : at + 3]) == pytest.approx([0.5807 * 65535] * 3, rel=0.01)


def test_every_picture_of_a_burst_is_marked_and_the_same_one_is_first(
    tmp_path: Path, logo: Path
) -> None:
    burst = [images.photo(seed, SIZE) for seed in range(3)]
    source = heic(burst[0], save_all=True, append_images=burst[1:], primary_index=1)
    marked = mark(tmp_path, logo, source)
    assert marked.after.n_frames == 3  # type: ignore[attr-defined]
    assert marked.after.tell() == marked.before.tell() == 1
    for number in range(3):
        marked.before.seek(number)
        marked.after.seek(number)
        assert_marked(marked, logo)


def test_a_grid_of_tiles_stays_one(tmp_path: Path, logo: Path) -> None:
    source = heic(images.photo(1, (1200, 900)), tile_size=512)
    marked = mark(tmp_path, logo, source)
    assert info_of(source)["tiling"] == info_of(marked.content)["tiling"]
    assert_marked(marked, logo)


def test_a_thumbnail_without_the_logo_is_dropped(tmp_path: Path, logo: Path) -> None:
    source = heic(PHOTO, thumbnails=[128])
    assert b"thmb" in source
    assert b"thmb" not in mark(tmp_path, logo, source).content


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (21, 21), (10, 4000)])
def test_tiny_ones_are_no_exception(tmp_path: Path, logo: Path, size: tuple[int, int]) -> None:
    assert mark(tmp_path, logo, images.heic(size=size)).after.size == size


def test_the_file_is_no_larger_than_a_phones(tmp_path: Path, logo: Path) -> None:
    """Phones write about this quality; at 90 of x265's own scale it would be twice the size."""
    source = images.encode(images.photo(1, (1200, 900)), "HEIF", quality=65)
    assert len(mark(tmp_path, logo, source).content) < 1.3 * len(source)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_truncated_one_is_refused(tmp_path: Path, logo: Path, cut: float) -> None:
    whole = heic(PHOTO)
    with pytest.raises(errors.ImageRejected):
        mark(tmp_path, logo, whole[: int(len(whole) * cut)])
