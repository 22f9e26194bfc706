"""OUTPUT_FORMAT: any image as another format, looking the same, logo included."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageOps

import errors
from formats.avif import boxes
from formats.codecs import quality
from formats.conversion import convert
from options import OutputFormat
from support import images
from support.marks import bundled_logo, distance, mark
from support.profiles import grey_profile

FORMATS = [kind for kind in OutputFormat if kind is not OutputFormat.KEEP]
ANIMATED = [kind for kind in FORMATS if kind is not OutputFormat.JPEG]
SIZE = (320, 240)
PHOTO = images.photo(1, SIZE)
WITH_ALPHA = images.photo_with_alpha(1, SIZE)
SIXTEEN_BITS = PHOTO.convert("I").point(lambda level: level * 257).convert("I;16")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"
SOURCES: dict[str, bytes] = {
    "JPEG": images.jpeg(1, SIZE),
    "JPEG grey": images.encode(PHOTO.convert("L"), "JPEG"),
    "JPEG CMYK": images.encode(PHOTO.convert("CMYK"), "JPEG"),
    "PNG": images.png(1, SIZE),
    "PNG alpha": images.png(1, SIZE, alpha=True),
    "PNG LA": images.encode(WITH_ALPHA.convert("LA"), "PNG"),
    "PNG P": images.encode(PHOTO.quantize(64), "PNG"),
    "PNG 1": images.encode(PHOTO.convert("1"), "PNG"),
    "PNG 16": images.encode(SIXTEEN_BITS, "PNG"),
    "GIF": images.gif(1, SIZE),
    "TIFF": images.tiff(1, SIZE),
    "BMP": images.bmp(1, SIZE),
    "WebP": images.webp(1, SIZE),
    "JPEG 2000": images.encode(PHOTO, "JPEG2000"),
    "AVIF": images.encode(PHOTO, "AVIF", speed=10),
    "HEIC": images.heic(1, SIZE),
}


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def has(target: OutputFormat, content: bytes) -> bool:
    """Whether the image is of that format, so that its own module would have it."""
    image_format = Image.open(BytesIO(content)).format or ""
    return image_format.lower() == target


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("name", SOURCES)
def test_any_image_becomes_any_of_the_formats(
    tmp_path: Path, logo: Path, name: str, target: OutputFormat
) -> None:
    if has(target, SOURCES[name]):
        return
    marked = mark(tmp_path, logo, SOURCES[name], output_format=target)
    before, after = marked.before.convert("RGBA"), marked.after.convert("RGBA")
    assert marked.after.format == target.upper()
    assert after.size == SIZE
    if name == "PNG 16":
        before = PHOTO.convert("L").convert("RGBA")
        after = images_of_eight_bits(marked.after)
    if target is OutputFormat.JPEG:
        before = over_white(before)
    below = (0, 120, *SIZE)  # the logo is in the upper half
    seen = [over_white(image).crop(below).convert("RGB") for image in (before, after)]
    assert distance(*seen) < 6


def images_of_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "I;16":
        return image.point(lambda level: level / 256).convert("L").convert("RGBA")
    return image.convert("RGBA")


def over_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white


@pytest.mark.parametrize(
    ("name", "target", "mode"),
    [
        ("JPEG grey", OutputFormat.PNG, "L"),
        ("GIF", OutputFormat.PNG, "P"),
        ("TIFF", OutputFormat.PNG, "RGB"),
        ("PNG alpha", OutputFormat.WEBP, "RGBA"),
        ("PNG LA", OutputFormat.AVIF, "RGBA"),
        ("PNG 16", OutputFormat.AVIF, "L"),
        ("PNG alpha", OutputFormat.JPEG, "RGB"),
    ],
)
def test_a_mode_that_the_format_has_is_kept(
    tmp_path: Path, logo: Path, name: str, target: OutputFormat, mode: str
) -> None:
    assert mark(tmp_path, logo, SOURCES[name], output_format=target).after.mode == mode


@pytest.mark.parametrize(
    ("name", "target", "note"),
    [
        ("PNG alpha", OutputFormat.JPEG, "Its transparency became white."),
        ("PNG 16", OutputFormat.JPEG, "It has more than 8 bits a channel; 8 are kept."),
        ("JPEG CMYK", OutputFormat.PNG, "It was CMYK and is sRGB now."),
    ],
)
def test_what_is_lost_is_noted(
    tmp_path: Path, logo: Path, name: str, target: OutputFormat, note: str
) -> None:
    assert mark(tmp_path, logo, SOURCES[name], output_format=target).notes == [note]


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("turn", [2, 3, 6])
def test_a_turned_photo_is_upright(
    tmp_path: Path, logo: Path, target: OutputFormat, turn: int
) -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG], exif[0x010F] = turn, "A maker of cameras"
    source = images.encode(PHOTO, "PNG" if target is OutputFormat.JPEG else "JPEG", exif=exif)
    if target is OutputFormat.PNG:
        source = images.jpeg(1, SIZE, orientation=turn)
    after = mark(tmp_path, logo, source, output_format=target).after
    assert after.getexif().get(images.ORIENTATION_TAG, 1) == 1
    upright = ImageOps.exif_transpose(Image.open(BytesIO(source))).convert("RGB")
    assert after.size == upright.size
    below = (0, upright.height // 2, upright.width, upright.height)
    assert distance(upright.crop(below), after.convert("RGB").crop(below)) < 5


@pytest.mark.parametrize("target", FORMATS)
def test_profile_exif_and_xmp_go_along(tmp_path: Path, logo: Path, target: OutputFormat) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A maker of cameras"
    blocks = {"icc_profile": PROFILE, "exif": exif, "xmp": XMP}
    kind = "WEBP" if target is OutputFormat.JPEG else "JPEG"
    source = images.encode(PHOTO, kind, **blocks)
    after = mark(tmp_path, logo, source, output_format=target).after
    assert after.info["icc_profile"] == PROFILE
    assert after.getexif()[0x010F] == "A maker of cameras"
    assert XMP in (after.info["xmp"], after.info["xmp"].strip())


def test_a_profile_of_another_colour_model_does_not(tmp_path: Path, logo: Path) -> None:
    """WebP has no grey: the picture is converted through its profile, which is not kept."""
    linear = grey_profile(1.0)
    source = images.encode(Image.new("L", SIZE, 128), "PNG", icc_profile=linear)
    after = mark(tmp_path, logo, source, output_format=OutputFormat.WEBP).after
    assert (after.mode, after.info.get("icc_profile")) == ("RGB", None)
    assert images.pixel(after, (10, 200))[0] in range(185, 191)  # 0.5 of linear light
    kept = mark(tmp_path, logo, source, output_format=OutputFormat.AVIF).after
    assert (kept.mode, kept.info["icc_profile"]) == ("L", linear)


def animation() -> bytes:
    frames = [images.photo(seed, SIZE).quantize(64) for seed in range(3)]
    timing = {"duration": [100, 250, 30], "loop": 2}
    return images.encode(frames[0], "GIF", save_all=True, append_images=frames[1:], **timing)


@pytest.mark.parametrize("target", ANIMATED)
def test_an_animation_stays_one(tmp_path: Path, logo: Path, target: OutputFormat) -> None:
    marked = mark(tmp_path, logo, animation(), output_format=target)
    after = marked.after
    assert after.n_frames == 3  # type: ignore[attr-defined]
    durations = []
    for number in range(3):
        after.seek(number)
        after.load()
        durations.append(round(after.info["duration"]))
        below = images.photo(number, SIZE).crop((0, 120, *SIZE))
        assert distance(after.convert("RGB").crop((0, 120, *SIZE)), below) < 10
    assert durations == [100, 250, 30]
    if target is not OutputFormat.AVIF:
        assert after.info["loop"] == 3  # two repetitions
    else:
        path = tmp_path / "any.avif"
        path.write_bytes(marked.content)
        assert boxes.read(path).plays == 3


def test_a_jpeg_is_the_first_frame_of_an_animation(tmp_path: Path, logo: Path) -> None:
    marked = mark(tmp_path, logo, animation(), output_format=OutputFormat.JPEG)
    assert marked.notes == ["Only its first frame was converted."]
    below = (0, 120, *SIZE)
    first = images.photo(0, SIZE).crop(below)
    assert distance(marked.after.crop(below), first) < 10


def test_the_first_of_several_pages_is_taken(tmp_path: Path, logo: Path) -> None:
    pages = [images.photo(seed, SIZE) for seed in range(2)]
    source = images.encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    marked = mark(tmp_path, logo, source, output_format=OutputFormat.PNG)
    assert marked.notes == ["Only its first picture was converted."]
    assert marked.after.size == SIZE


@pytest.mark.parametrize("target", [OutputFormat.JPEG, OutputFormat.WEBP, OutputFormat.AVIF])
def test_quality_makes_files_larger(tmp_path: Path, logo: Path, target: OutputFormat) -> None:
    sizes = [
        len(mark(tmp_path, logo, SOURCES["BMP"], output_format=target, output_quality=q).content)
        for q in (30, 60, 90)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("target", [OutputFormat.JPEG, OutputFormat.WEBP, OutputFormat.AVIF])
def test_a_quality_that_is_unset_is_90(tmp_path: Path, logo: Path, target: OutputFormat) -> None:
    unset, *near = (
        mark(tmp_path, logo, SOURCES["BMP"], output_format=target, output_quality=q).content
        for q in (None, 90, 85, 95)
    )
    assert unset == near[0]
    assert unset not in near[1:]


def test_what_the_format_cannot_hold_is_refused(tmp_path: Path, logo: Path) -> None:
    wide = images.encode(Image.new("1", (20_000, 2)), "PNG")
    with pytest.raises(errors.ImageRejected, match="20000 x 2 pixels cannot be"):
        mark(tmp_path, logo, wide, output_format=OutputFormat.WEBP)


@pytest.mark.parametrize("scale", [quality.of_avif, quality.of_heif])
def test_the_scales_begin_and_end_alike_and_rise(scale: Callable[[int], int]) -> None:
    values = [scale(number) for number in range(101)]
    assert (values[0], values[100]) == (0, 100)
    assert values == sorted(values)


def test_each_format_has_an_extension() -> None:
    assert set(convert.EXTENSION) == set(FORMATS)
