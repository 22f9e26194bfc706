"""Every format the gateway takes comes back as itself, changed only where the logo is."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from drawing.stamp import Stamp
from options import Options
from support import images
from support.marks import bundled_logo, distance, logo_box, mark, without

SIZE = (240, 180)
PHOTO = images.photo(1, SIZE)
WITH_ALPHA = images.photo_with_alpha(1, SIZE)
SIXTEEN_BITS = PHOTO.convert("I").point(lambda level: level * 257).convert("I;16")
LA = WITH_ALPHA.convert("LA")
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

LOSSLESS = {
    "PNG RGB": images.png(1, SIZE),
    "PNG RGBA": images.png(1, SIZE, alpha=True),
    "PNG L": images.encode(PHOTO.convert("L"), "PNG"),
    "PNG LA": images.encode(LA, "PNG"),
    "PNG P": images.encode(PHOTO.quantize(128), "PNG"),
    "PNG 1": images.encode(PHOTO.convert("1"), "PNG"),
    "PNG 16 bit": images.encode(SIXTEEN_BITS, "PNG"),
    "GIF": images.gif(1, SIZE),
    "WebP RGB": images.webp(1, SIZE),
    "WebP RGBA": images.encode(WITH_ALPHA, "WEBP", lossless=True, exact=True),
    "TIFF raw": images.tiff(1, SIZE, "raw"),
    "TIFF LZW": images.tiff(1, SIZE),
    "TIFF deflate": images.tiff(1, SIZE, "tiff_deflate"),
    "TIFF fax": images.encode(PHOTO.convert("1"), "TIFF", compression="group4"),
    "TIFF CMYK": images.encode(PHOTO.convert("CMYK"), "TIFF"),
    "TIFF 16 bit": images.encode(SIXTEEN_BITS, "TIFF"),
    "BMP": images.bmp(1, SIZE),
    "BMP P": images.encode(PHOTO.quantize(128), "BMP"),
    "BMP 1": images.encode(PHOTO.convert("1"), "BMP"),
    "JPEG 2000": images.encode(PHOTO, "JPEG2000"),
    "JPEG 2000 RGBA": images.encode(WITH_ALPHA, "JPEG2000"),
    "JPEG 2000 codestream": images.encode(PHOTO, "JPEG2000", no_jp2=True),
}
LOSSY = {
    "JPEG": (images.jpeg(1, SIZE), 2),
    "JPEG progressive": (images.jpeg(1, SIZE, progressive=True), 2),
    "JPEG grey": (images.encode(PHOTO.convert("L"), "JPEG"), 0.5),
    "JPEG CMYK": (images.encode(PHOTO.convert("CMYK"), "JPEG"), 0.5),
    "JPEG of little quality": (images.jpeg(1, SIZE, quality=20), 2),
    "TIFF JPEG": (images.tiff(1, SIZE, "jpeg"), 4),
    "WebP": (images.webp(1, SIZE, lossless=False), 3),
    "AVIF": (images.encode(PHOTO, "AVIF", speed=10), 4),
}


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def marked(folder: Path, logo: Path, content: bytes) -> tuple[Image.Image, Image.Image]:
    done = mark(folder, logo, content)
    return done.before, done.after


def assert_same_kind(before: Image.Image, after: Image.Image) -> None:
    assert after.format == before.format
    assert after.size == before.size
    assert after.mode == before.mode


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_format_changes_inside_the_box_and_nowhere_else(
    tmp_path: Path, logo: Path, name: str
) -> None:
    before, after = marked(tmp_path, logo, LOSSLESS[name])
    assert_same_kind(before, after)
    box = logo_box(logo, SIZE)
    assert without(box, after).tobytes() == without(box, before).tobytes()
    assert after.crop(box).tobytes() != before.crop(box).tobytes()


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_format_stays_close_to_itself_outside_the_box(
    tmp_path: Path, logo: Path, name: str
) -> None:
    content, tolerance = LOSSY[name]
    before, after = marked(tmp_path, logo, content)
    assert_same_kind(before, after)
    left, _, _, bottom = box = logo_box(logo, SIZE)
    around = (left // 16 * 16, 0, SIZE[0], -(-bottom // 16) * 16)  # whole blocks of pixels
    assert distance(without(around, before), without(around, after)) < tolerance
    assert distance(before.crop(box), after.crop(box)) > 10


def test_the_logo_is_drawn_as_it_is_on_a_plain_ground(tmp_path: Path, logo: Path) -> None:
    ground = images.encode(Image.new("RGB", SIZE, (10, 200, 90)), "PNG")
    _, after = marked(tmp_path, logo, ground)
    left, top, right, bottom = logo_box(logo, SIZE)
    expected = Image.new("RGBA", SIZE, (10, 200, 90))
    with Image.open(logo) as image:
        resized = image.resize((right - left, bottom - top), Image.Resampling.LANCZOS)
    expected.alpha_composite(resized, (left, top))
    assert distance(expected.convert("RGB"), after) < 0.1


@pytest.mark.parametrize(
    "name", ["JPEG", "JPEG progressive", "JPEG CMYK", "JPEG of little quality"]
)
def test_a_jpeg_keeps_its_quality_its_sampling_and_its_way_of_loading(
    tmp_path: Path, logo: Path, name: str
) -> None:
    before, after = marked(tmp_path, logo, LOSSY[name][0])
    assert after.quantization == before.quantization  # type: ignore[attr-defined]
    assert after.layer == before.layer  # type: ignore[attr-defined]
    assert after.info.get("progressive") == before.info.get("progressive")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_tiff_keeps_its_compression(tmp_path: Path, logo: Path, compression: str) -> None:
    before, after = marked(tmp_path, logo, images.tiff(1, SIZE, compression))
    assert after.info["compression"] == before.info["compression"] == compression


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"speed": 10}),
    ],
)
def test_the_colour_profile_and_the_exif_data_are_kept(
    tmp_path: Path, logo: Path, image_format: str, options: dict[str, Any]
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    content = images.encode(PHOTO, image_format, exif=exif, icc_profile=ICC, **options)
    before, after = marked(tmp_path, logo, content)
    assert after.info["icc_profile"] == before.info["icc_profile"] == ICC
    assert after.getexif()[0x010F] == "a camera"


def test_a_grey_image_of_16_bits_has_the_logo_where_it_belongs(tmp_path: Path, logo: Path) -> None:
    black = Image.new("I;16", SIZE)
    _, after = marked(tmp_path, logo, images.encode(black, "PNG"))
    drawn = after.convert("I").point(lambda level: level / 257).convert("L")
    left, top, right, bottom = drawn.getbbox() or (0, 0, 0, 0)
    box = logo_box(logo, SIZE)
    assert (left, right) == pytest.approx((box[0], box[2]), abs=2)
    assert (top, bottom) == pytest.approx((box[1], box[3]), abs=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3), (11, 11), (21, 21)])
@pytest.mark.parametrize(
    "image_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "AVIF", "HEIF"]
)
def test_a_tiny_image_is_marked_or_passes_with_a_note(
    tmp_path: Path, logo: Path, size: tuple[int, int], image_format: str
) -> None:
    content = images.encode(Image.new("RGB", size, (250, 10, 10)), image_format)
    done = mark(tmp_path, logo, content)
    assert_same_kind(done.before, done.after)
    fits = Stamp(logo, Options()).overlay(size) is not None
    unmarked = "Not marked: the logo would be less than a pixel wide or high."
    assert done.notes == ([] if fits else [unmarked])


@pytest.mark.parametrize("size", [(10, 4000), (4000, 10)])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_so_is_one_that_is_long_and_thin(
    tmp_path: Path, logo: Path, size: tuple[int, int], image_format: str
) -> None:
    content = images.encode(Image.new("RGB", size, (250, 10, 10)), image_format)
    done = mark(tmp_path, logo, content)
    assert_same_kind(done.before, done.after)
