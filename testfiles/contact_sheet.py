"""The contact sheet: every format and option, before and after, on one page to look at.

    python testfiles/contact_sheet.py [FOLDER]

Writes FOLDER/index.html (default .samples) with the files themselves beside it.
"""

import html
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

sys.path.extend(
    str(Path(__file__).resolve().parent.parent / service)
    for service in ("fast-server", "worker-server", "central-server")
)

from PIL import Image, ImageCms, ImageOps, ImageSequence
from rich.console import Console
from rich.progress import track

import options
import watermark
from drawing.logo_file import normalise_logo
from formats import registry
from local_stack.stack import ROOT
from support import images, profiles

FOLDER = ROOT / ".samples"
SIZE = (480, 320)
SHOWN_BY_BROWSERS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "AVIF")


@dataclass(frozen=True)
class Sample:
    """One image to be marked; settings are those of options.Options."""

    title: str
    extension: str
    content: bytes
    settings: dict[str, Any] = field(default_factory=dict)


def sections() -> Iterator[tuple[str, list[Sample]]]:
    yield "Formats", list(_formats())
    yield "Animations and pages", list(_frames())
    yield "Orientation: as stored, shown upright", list(_orientations())
    yield "Colour spaces: the logo looks the same in all", list(_colours())
    yield "Options", list(_options())
    yield "Converted (OUTPUT_FORMAT)", list(_conversions())
    yield "Tiny, long and thin", list(_extremes())


def _formats() -> Iterator[Sample]:
    photo, clear = images.photo(1, SIZE), images.photo_with_alpha(1, SIZE)
    deep = photo.convert("I").point(lambda level: level * 257).convert("I;16")
    grey, few = photo.convert("L"), photo.quantize(64)
    for title, extension, picture, saving in (
        ("JPEG", "jpg", photo, {"quality": 90}),
        ("JPEG, progressive", "jpg", photo, {"quality": 90, "progressive": True}),
        ("JPEG, grey", "jpg", grey, {}),
        ("JPEG, CMYK", "jpg", photo.convert("CMYK"), {}),
        ("PNG", "png", photo, {}),
        ("PNG, transparent", "png", clear, {}),
        ("PNG, palette", "png", few, {}),
        ("PNG, 16 colours", "png", photo.quantize(16), {"bits": 4}),
        ("PNG, black and white", "png", photo.convert("1"), {}),
        ("PNG, grey of 16 bits", "png", deep, {}),
        ("WebP, lossy", "webp", photo, {"quality": 85}),
        ("WebP, lossless, transparent", "webp", clear, {"lossless": True}),
        ("GIF", "gif", few, {}),
        ("GIF, all 256 colours taken", "gif", photo.quantize(256), {}),
        ("TIFF, LZW", "tiff", photo, {"compression": "tiff_lzw"}),
        ("TIFF, CMYK", "tiff", photo.convert("CMYK"), {}),
        ("TIFF, fax", "tiff", photo.convert("1"), {"compression": "group4"}),
        ("BMP", "bmp", photo, {}),
        ("JPEG 2000", "jp2", photo, {}),
        ("AVIF", "avif", photo, {"quality": 80}),
        ("HEIC", "heic", photo, {"quality": 80}),
    ):
        kind = Image.registered_extensions()[f".{extension}"]
        yield Sample(title, extension, images.encode(picture, kind, **saving))


def _frames() -> Iterator[Sample]:
    frames = [images.photo(seed, SIZE) for seed in range(4)]
    saving = {"save_all": True, "append_images": frames[1:], "duration": 500, "loop": 0}
    for title, extension in (("GIF", "gif"), ("APNG", "png"), ("WebP", "webp"), ("AVIF", "avif")):
        kind = Image.registered_extensions()[f".{extension}"]
        yield Sample(f"{title}, animated", extension, images.encode(frames[0], kind, **saving))
    pages = images.encode(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    yield Sample("TIFF of four pages", "tiff", pages)


def _orientations() -> Iterator[Sample]:
    for orientation in range(1, 9):
        size = SIZE if orientation < 5 else SIZE[::-1]
        content = images.jpeg(2, size, orientation=orientation)
        yield Sample(f"EXIF orientation {orientation}", "jpg", content)


def _colours() -> Iterator[Sample]:
    photo = images.photo(3, SIZE)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    for title, profile in (("Display P3", profiles.DISPLAY_P3), ("Adobe RGB", profiles.ADOBE_RGB)):
        theirs = ImageCms.ImageCmsProfile(BytesIO(profile))
        picture = ImageCms.buildTransform(srgb, theirs, "RGB", "RGB").apply(photo)
        yield Sample(title, "png", images.encode(picture, "PNG", icc_profile=profile))
    grey = images.encode(photo.convert("L"), "PNG", icc_profile=profiles.LINEAR_GREY)
    yield Sample("Linear grey", "png", grey)


def _options() -> Iterator[Sample]:
    jpeg, padding = images.jpeg(4, SIZE), options.Padding
    sample = partial(Sample, extension="jpg", content=jpeg)
    for position in options.Position:
        yield sample(f"LOGO_POSITION={position}", settings={"position": position})
    yield sample("LOGO_SCALE=0.5", settings={"scale": 0.5})
    yield sample("LOGO_SCALE=1", settings={"scale": 1.0})
    yield sample("LOGO_PADDING=0", settings={"padding": padding(0)})
    yield sample("LOGO_PADDING=15%", settings={"padding": padding(15, percent=True)})
    yield sample("LOGO_OPACITY=0.4", settings={"opacity": 0.4})
    yield sample("LOGO_MIN_IMAGE=500", settings={"min_image": 500})


def _conversions() -> Iterator[Sample]:
    clear = images.encode(images.photo_with_alpha(5, SIZE), "PNG")
    for output in options.OutputFormat:
        if output != options.OutputFormat.KEEP:
            settings = {"output_format": output}
            yield Sample(f"a transparent PNG as {output}", "png", clear, settings)


def _extremes() -> Iterator[Sample]:
    for size in ((1, 1), (12, 9), (40, 30), (1200, 20), (20, 600)):
        content = images.encode(images.photo(6, size), "PNG")
        yield Sample(f"{size[0]} x {size[1]}", "png", content)


def write(folder: Path) -> Path:
    """Make everything anew in folder, and return the page's path.

    Raises SystemExit for a folder that holds anything else.
    """
    page = folder / "index.html"
    if folder.is_dir() and any(folder.iterdir()):
        if not (page.is_file() and _TITLE in page.read_text("utf-8")):
            raise SystemExit(f"{folder} is neither empty nor a contact sheet: name another folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = list(sections())
    total = sum(len(samples) for _, samples in chosen)
    body = []
    with tempfile.TemporaryDirectory() as temporary:
        logo = Path(temporary, "logo.png")
        normalise_logo(ROOT / "worker-server" / "bundled_logo.png", logo)
        steps = iter(track(range(total), "marking", console=Console(stderr=True), total=total))
        for title, samples in chosen:
            figures = [_figure(folder, next(steps), sample, logo) for sample in samples]
            body.append(f"<h2>{html.escape(title)}</h2>\n<section>{''.join(figures)}</section>")
        next(steps, None)
    page.write_text(_PAGE.format(body="\n".join(body)), encoding="utf-8")
    return page


def _figure(folder: Path, number: int, sample: Sample, logo: Path) -> str:
    source = folder / f"{number:02}.{sample.extension}"
    source.write_bytes(sample.content)
    chosen = options.Options(**sample.settings)
    target = folder / f"watermarked_{registry.output_name(source.name, chosen)}"
    _, notes = watermark.watermark_file(source, logo, target, chosen)
    links = " ".join(
        f'<a href="{path.name}"><img src="{_shown(path)}" alt="{label}" loading="lazy"></a>'
        for path, label in ((source, "before"), (target, "after"))
    )
    sizes = f"{source.stat().st_size:,} to {target.stat().st_size:,} bytes"
    words = "".join(f"<br>{html.escape(note)}" for note in notes)
    return (
        f"<figure>{links}<figcaption><b>{html.escape(sample.title)}</b><br>{sizes}{words}"
        "</figcaption></figure>\n"
    )


def _shown(path: Path) -> str:
    """A file that a browser can show: the image itself, or a PNG of its pages side by side."""
    with registry.open_image(path) as image:
        if image.format in SHOWN_BY_BROWSERS:
            return path.name
        pages = [
            ImageOps.exif_transpose(page).convert("RGBA") for page in ImageSequence.Iterator(image)
        ]
    strip = Image.new("RGBA", (sum(page.width for page in pages), pages[0].height))
    left = 0
    for page in pages:
        strip.paste(page, (left, 0))
        left += page.width
    preview = path.with_name(f"{path.name}.preview.png")
    strip.save(preview)
    return preview.name


_TITLE = "<title>Samples: before and after</title>"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Samples: before and after</title>
<style>
  :root {{ color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }}
  body {{ max-width: 90rem; margin: 2rem auto; padding: 0 1rem; }}
  section {{ display: grid; gap: 1.5rem;
    grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); }}
  figure {{ margin: 0; }}
  img {{ width: 48%; max-height: 16rem; object-fit: contain; vertical-align: top;
    background: repeating-conic-gradient(#ccc 0 25%, #fff 0 50%) 0 0 / 16px 16px; }}
</style>
<h1>Samples: before and after</h1>
<p>Made by <code>make samples</code>; click an image for the file itself.</p>
{body}
</html>
"""


def main() -> None:
    page = write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    Console().print(f"Open {page.resolve().as_uri()}", soft_wrap=True)


if __name__ == "__main__":
    main()
