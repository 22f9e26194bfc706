"""The pixels of previews: of every format, of the original as of what is stored."""

import struct
import zlib
from array import array
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pyvips
from PIL import Image, ImageCms, ImageOps

import formats.codecs.libvips  # noqa: F401 - it takes all but two decoders from libvips
import watermark
from contact_sheet import Sample, sections
from errors import ImageRejected
from formats import registry
from options import Options
from preview import preview_file
from support import films, images, profiles
from support.marks import bundled_logo, distance, mark

SIZE = (480, 320)
PHOTO = images.photo(1, SIZE)
SMALL = PHOTO.resize((320, 213), Image.Resampling.LANCZOS)
NEAR = 7  # lossy WebP of grain
SAMPLES = {
    sample.title: sample
    for title, samples in sections()
    if title not in ("Options", "Tiny, long and thin")
    for sample in samples
}


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def preview(folder: Path, content: bytes, size: int = 320, **options: Any) -> Image.Image:
    source, target = folder / "source", folder / "preview.webp"
    source.write_bytes(content)
    preview_file(source, target, size, Options(**options))
    with Image.open(target) as image:
        image.load()
        assert image.format == "WEBP"
        assert not {"exif", "icc_profile", "xmp"} & image.info.keys()
        return image.copy()


def shown(content: bytes, folder: Path) -> Image.Image:
    """The first picture as Pillow shows it: upright, over black, in 8 bits, sRGB."""
    path = folder / "shown"
    path.write_bytes(content)
    with registry.open_image(path) as image:
        image.load()
        profile = image.info.get("icc_profile")
        # Pillow has turned these two.
        upright = image if image.format in ("TIFF", "HEIF") else ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):
        upright = upright.convert("I").point([level >> 8 for level in range(65536)], "L")
    if profile and upright.mode in ("L", "RGB"):
        own = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        upright = ImageCms.profileToProfile(upright, own, srgb, outputMode="RGB") or upright
    return over_black(upright)


def over_black(image: Image.Image) -> Image.Image:
    """Colours of pixels that nobody sees do not count."""
    rgba = image.convert("RGBA")
    black = Image.new("RGBA", rgba.size, "black")
    black.alpha_composite(rgba)
    return black.convert("RGB")


def small(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS)


@pytest.mark.parametrize("title", SAMPLES)
def test_it_looks_like_the_file(tmp_path: Path, title: str) -> None:
    sample = SAMPLES[title]
    seen, right = preview(tmp_path, sample.content), shown(sample.content, tmp_path)
    assert max(seen.size) == 320
    assert abs(seen.width / seen.height - right.width / right.height) < 0.01
    assert distance(over_black(seen), small(right, seen.size)) < NEAR


@pytest.mark.parametrize("title", [title for title in SAMPLES if not SAMPLES[title].settings])
def test_that_of_the_marked_file_differs_under_the_logo_only(
    tmp_path: Path, logo: Path, title: str
) -> None:
    sample: Sample = SAMPLES[title]
    marked = mark(tmp_path, logo, sample.content)
    before, after = preview(tmp_path, sample.content), preview(tmp_path, marked.content)
    assert after.size == before.size
    below = (0, before.height * 2 // 5, *before.size)
    assert distance(over_black(before).crop(below), over_black(after).crop(below)) < NEAR
    assert distance(over_black(before), over_black(after)) > 0.3


@pytest.mark.parametrize(
    ("size", "right"),
    [
        ((480, 320), (320, 213)),
        ((320, 480), (213, 320)),
        ((320, 320), (320, 320)),
        ((319, 7), (319, 7)),
        ((1, 1), (1, 1)),
        ((5000, 1), (320, 1)),
        ((3, 4000), (1, 320)),
    ],
)
def test_it_is_never_enlarged_and_at_most_so_long(
    tmp_path: Path, size: tuple[int, int], right: tuple[int, int]
) -> None:
    assert preview(tmp_path, images.png(size=size)).size == right


@pytest.mark.parametrize("size", [320, 1600])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_large_jpeg_is_decoded_small(
    tmp_path: Path, size: int, progressive: bool, mode: str
) -> None:
    photo = images.photo(2, (3333, 2222))
    content = images.encode(photo.convert(mode), "JPEG", progressive=progressive)
    seen = preview(tmp_path, content, size)
    assert seen.size == (size, round(size * 2 / 3))
    right = photo.convert(mode).convert("RGB") if mode == "L" else photo
    assert distance(seen, small(right, seen.size)) < NEAR


@pytest.mark.parametrize("levels", [1, 3, 6])  # resolutions; the first is that of no wavelet
@pytest.mark.parametrize("width", [1990, 1920])
def test_so_is_a_large_jpeg_2000(tmp_path: Path, width: int, levels: int) -> None:
    photo = images.photo(2, (width, width * 2 // 3))
    content = images.encode(photo, "JPEG2000", num_resolutions=levels)
    seen = preview(tmp_path, content, 160)
    assert seen.size == (160, 107)
    assert distance(seen, small(photo, seen.size)) < NEAR


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "L with a key", "GIF"])
def test_alpha_stays(tmp_path: Path, kind: str) -> None:
    picture = Image.new("RGBA", (64, 48), (200, 100, 50, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 32, 48))
    content = {
        "RGBA": lambda: images.encode(picture, "PNG"),
        "LA": lambda: images.encode(picture.convert("LA"), "PNG"),
        "P": lambda: images.encode(picture.quantize(4), "PNG"),
        "L with a key": lambda: images.encode(picture.convert("L"), "PNG", transparency=0),
        "GIF": lambda: images.encode(picture, "GIF"),
    }[kind]()
    seen = preview(tmp_path, content)
    assert seen.mode == "RGBA"
    assert (images.pixel(seen, (8, 8))[3], images.pixel(seen, (56, 8))[3]) == (0, 255)


def test_colours_of_invisible_pixels_do_not_bleed(tmp_path: Path) -> None:
    """Of alternating columns that are opaque white and invisible black a white one is left."""
    picture = Image.new("RGBA", (1280, 64), (0, 0, 0, 0))
    for x in range(0, 1280, 2):
        picture.paste((255, 255, 255, 255), (x, 0, x + 1, 64))
    red, green, blue, alpha = images.pixel(
        preview(tmp_path, images.encode(picture, "PNG")), (160, 8)
    )
    assert min(red, green, blue) > 245
    assert 120 < alpha < 136


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def signalled(picture: Image.Image, name: bytes, content: bytes) -> bytes:
    png, header_end = images.encode(picture, "PNG"), 33
    return png[:header_end] + chunk(name, content) + png[header_end:]


@pytest.mark.parametrize(
    ("name", "content", "level", "right"),
    [
        (b"gAMA", struct.pack(">I", 100_000), 128, 188),  # light: half of it is sRGB's 188
        (b"gAMA", struct.pack(">I", 45_455), 128, 128),
        (b"gAMA", struct.pack(">I", 2**32 - 1), 128, 255),
        (b"cICP", bytes([1, 8, 0, 1]), 128, 188),
        (b"cICP", bytes([9, 16, 0, 1]), 148, 255),  # 58% of PQ is white
        (b"cICP", bytes([9, 16, 0, 1]), 255, 255),  # 10,000 cd/m2
        (b"cICP", bytes([9, 18, 0, 1]), 191, 255),  # 75% of HLG is white
        (b"cICP", bytes([1, 13, 0, 0]), 16, 0),  # the range of video
        (b"cICP", bytes([1, 13, 0, 0]), 235, 255),
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_what_numbers_signal_is_shown_in_srgb(
    tmp_path: Path, mode: str, name: bytes, content: bytes, level: int, right: int
) -> None:
    grey = Image.new("L", (32, 32), level).convert(mode)
    seen = images.pixel(preview(tmp_path, signalled(grey, name, content)), (16, 16))
    assert max(abs(channel - right) for channel in seen) <= 3


def test_colours_of_display_p3_are_shown_in_srgb(tmp_path: Path) -> None:
    """CSS Color 4, section 10.4: sRGB's red is color(display-p3 0.9175 0.2003 0.1386)."""
    red = Image.new("RGB", (32, 32), (234, 51, 35))
    by_number = preview(tmp_path, signalled(red, b"cICP", bytes([12, 13, 0, 1])))
    by_profile = preview(tmp_path, images.encode(red, "PNG", icc_profile=profiles.DISPLAY_P3))
    for seen in (by_number, by_profile):
        pixel = images.pixel(seen, (16, 16))
        assert pixel[0] > 245
        assert max(pixel[1:]) < 30


def tiff_of(mode: str) -> bytes:
    pictures: dict[str, Callable[[], Image.Image]] = {
        "I;16": lambda: PHOTO.convert("I").point(lambda level: level * 257).convert("I;16"),
        "F": lambda: PHOTO.convert("L").convert("F").point(lambda level: level / 255 + 0),
        "LA": lambda: PHOTO.convert("LA"),
    }
    return images.encode(pictures[mode](), "TIFF")


@pytest.mark.parametrize("mode", ["I;16", "F", "LA"])
def test_grey_of_many_bits_has_the_same_brightness(tmp_path: Path, mode: str) -> None:
    right = SMALL.convert("L").convert("RGB")
    assert distance(over_black(preview(tmp_path, tiff_of(mode))), right) < NEAR


@pytest.mark.parametrize(
    ("code", "sample_format", "channels", "photometric", "levels"),
    [
        ("B", 1, 2, 0, (255, 0)),  # white is 0
        ("H", 1, 1, 0, (65535, 0)),
        ("H", 1, 2, 0, (65535, 0)),
        ("h", 2, 1, 1, (0, 32767)),
        ("I", 1, 1, 1, (0, 2**32 - 1)),
        ("i", 2, 1, 1, (0, 2**31 - 1)),
    ],
)
def test_black_and_white_are_those_of_its_samples(
    tmp_path: Path,
    code: str,
    sample_format: int,
    channels: int,
    photometric: int,
    levels: tuple[int, int],
) -> None:
    black, white = levels
    pixels: array[Any] = array(code)
    for level in (255, *PHOTO.convert("L").tobytes()[1:]):  # the brightest of 32 bits is white
        pixels.extend([black + (white - black) * level // 255] * channels)
    content = images.rare_tiff(
        SIZE, pixels, channels, sample_format, photometric=photometric, extras=[0]
    )
    assert distance(preview(tmp_path, content), SMALL.convert("L").convert("RGB")) < NEAR


@pytest.mark.parametrize("photometric", [0, 1])
def test_grey_of_12_bits_has_the_same_brightness(tmp_path: Path, photometric: int) -> None:
    levels = [level if photometric else 255 - level for level in PHOTO.convert("L").tobytes()]
    packed = bytes.fromhex("".join(f"{level * 4095 // 255:03x}" for level in levels))
    content = images.rare_tiff(
        SIZE, array("B", packed), 1, 1, photometric=photometric, bits_each=12
    )
    assert distance(preview(tmp_path, content), SMALL.convert("L").convert("RGB")) < NEAR


def test_grey_that_was_multiplied_by_its_alpha_is_shown(tmp_path: Path) -> None:
    pixels = array("B", [level for grey in PHOTO.convert("L").tobytes() for level in (grey, 255)])
    content = images.rare_tiff(SIZE, pixels, 2, 1, photometric=1, extras=[1])
    assert distance(preview(tmp_path, content), SMALL.convert("L").convert("RGB")) < NEAR


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(
    ("code", "sample_format", "channels", "white"),
    [
        ("B", 1, 5, 255),
        ("H", 1, 3, 65535),
        ("H", 1, 5, 65535),
        ("I", 1, 4, 2**32 - 1),
        ("f", 3, 3, 1),
        ("f", 3, 4, 1),
        ("d", 3, 3, 1),
    ],
)
def test_samples_that_pillow_does_not_know(
    tmp_path: Path, code: str, sample_format: int, channels: int, white: float, planar: bool
) -> None:
    opaque = Image.new("L", SIZE, 255)
    bands = [band.tobytes() for band in (*PHOTO.split(), opaque, opaque)]
    levels = (level for pixel in zip(*bands[:channels], strict=True) for level in pixel)
    scaled = (level * white / 255 for level in levels)
    samples: array[Any] = array(code, scaled if code in "fd" else map(int, scaled))
    content = images.rare_tiff(SIZE, samples, channels, sample_format, planar=planar, packed=True)
    assert distance(over_black(preview(tmp_path, content)), SMALL) < NEAR


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rare_samples_are_upright_too(tmp_path: Path, orientation: int) -> None:
    floats = [level / 255 for level in PHOTO.tobytes()]
    image = pyvips.Image.new_from_memory(array("f", floats).tobytes(), *SIZE, 3, "float")
    image = image.copy(interpretation="rgb")
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    seen = preview(tmp_path, bytes(image.tiffsave_buffer()))
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = orientation
    right = ImageOps.exif_transpose(Image.open(BytesIO(images.encode(PHOTO, "PNG", exif=exif))))
    assert distance(seen, small(right, seen.size)) < NEAR


@pytest.mark.parametrize("options", [{"tile": True}, {"tile": True, "pyramid": True}])
@pytest.mark.parametrize("compression", ["none", "deflate", "jpeg", "lzw"])
def test_tiles(tmp_path: Path, options: dict[str, Any], compression: str) -> None:
    image = pyvips.Image.new_from_memory(PHOTO.tobytes(), *SIZE, 3, "uchar")
    saved = image.copy(interpretation="srgb").tiffsave_buffer(compression=compression, **options)
    assert distance(preview(tmp_path, bytes(saved)), SMALL) < NEAR


def test_of_an_animation_the_first_frame_and_not_the_still_before_it(tmp_path: Path) -> None:
    red = Image.new("RGBA", films.SIZE, (200, 0, 0, 255))
    shown = preview(tmp_path, films.apng([films.Shot(red)] * 2))
    assert shown.convert("RGB").getpixel((5, 5))[0] > 150  # type: ignore[index]


def test_of_an_mpo_the_picture_in_front(tmp_path: Path) -> None:
    behind = [images.photo(9, SIZE)]
    content = images.encode(PHOTO, "MPO", save_all=True, append_images=behind)
    assert distance(preview(tmp_path, content), SMALL) < NEAR


@pytest.mark.parametrize(
    ("image_format", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("BMP", {})],
)
def test_a_file_that_ends_too_early_is_shown_as_far_as_it_goes(
    tmp_path: Path, image_format: str, options: dict[str, Any]
) -> None:
    """Of a BMP the rows are stored from below, of a progressive JPEG the scans one by one."""
    content = images.encode(PHOTO, image_format, **options)
    seen = preview(tmp_path, content[: len(content) * 3 // 4])
    top, bottom = (0, 0, 320, 80), (0, 130, 320, 210)
    there = bottom if image_format == "BMP" else top
    assert distance(seen.crop(there), SMALL.crop(there)) < 2 * NEAR


@pytest.mark.parametrize("name", [b"iCCP", b"zTXt", b"g\xffMA"])
def test_damaged_chunks_beside_the_pixels_of_a_png_do_not_count(
    tmp_path: Path, name: bytes
) -> None:
    content = signalled(PHOTO, name, b"none\0\7of its kind")
    assert distance(preview(tmp_path, content), SMALL) < NEAR


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unreadable_image"),
        (b"GIF89a", "corrupt_image"),
        (images.jpeg()[:300], "corrupt_image"),
        (images.heic()[:5000], "corrupt_image"),
        (images.webp()[:5000], "corrupt_image"),
        (images.encode(PHOTO, "JPEG2000")[:5000], "corrupt_image"),
        (images.encode(PHOTO, "JPEG2000", no_jp2=True)[:5000], "corrupt_image"),
    ],
)
def test_what_cannot_be_shown_says_why(tmp_path: Path, content: bytes, code: str) -> None:
    with pytest.raises(ImageRejected) as refused:
        preview(tmp_path, content)
    assert refused.value.code in (code, "unreadable_image")
    assert refused.value.detail.endswith(".")
    assert not (tmp_path / "preview.webp").exists()


def test_the_limit_of_pixels_counts(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="MAX_MEGAPIXELS"):
        preview(tmp_path, images.png(), max_pixels=1000)


def test_damage_is_refused_as_ever_afterwards(tmp_path: Path, logo: Path) -> None:
    content = images.png()[:100_000]
    preview(tmp_path, content)
    with pytest.raises(ImageRejected):
        watermark.watermark_file(tmp_path / "source", logo, tmp_path / "out", Options())
