"""A PNG keeps colour type, bit depth and chunks; beside the logo every pixel is the same."""

import random
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

import watermark
from drawing.logo_file import normalise_logo
from drawing.stamp import Stamp
from errors import ImageRejected
from formats.png import chunks
from formats.png.mark import mark_png
from options import Metadata, Options
from support import images
from support.worker import FOLDER

SIZE = (180, 130)
PHOTO = images.photo(3, SIZE)
GREY_16 = PHOTO.convert("I").point(lambda level: level * 257).convert("I;16")


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logo") / "logo.png"
    normalise_logo(FOLDER / "bundled_logo.png", path)
    return path


def marked(folder: Path, logo: Path, content: bytes, policy: Metadata = Metadata.KEEP) -> bytes:
    path = folder / "picture.png"
    path.write_bytes(content)
    with Image.open(path) as image:
        return mark_png(path, image, Stamp(logo, Options(metadata=policy)))


def opened(content: bytes) -> PngImageFile:
    image = Image.open(BytesIO(content))
    assert isinstance(image, PngImageFile)
    image.load()
    return image


def chunks_of(content: bytes) -> list[tuple[bytes, bytes]]:
    return [(part.name, part.data) for part in chunks.read(content)]


def data_of(content: bytes, name: bytes) -> bytes:
    return dict(chunks_of(content))[name]


def with_chunks(content: bytes, before: bytes, *added: tuple[bytes, bytes]) -> bytes:
    """The file with chunks put before the first of that name."""
    parts = chunks.read(content)
    at = [part.name for part in parts].index(before)
    parts[at:at] = [chunks.chunk(*each) for each in added]
    return chunks.assemble(parts)


def beside(content: bytes) -> bytes:
    """The pixels of the lower half."""
    stored = opened(content)
    image = stored.convert("RGBA") if stored.mode == "P" else stored
    return image.crop((0, SIZE[1] // 2, *SIZE)).tobytes()


KINDS = {
    "1": images.encode(PHOTO.convert("1"), "PNG"),
    "2 bit": images.encode(PHOTO.convert("L"), "PNG", bits=2),
    "4 bit": images.encode(PHOTO.convert("L"), "PNG", bits=4),
    "grey": images.encode(PHOTO.convert("L"), "PNG"),
    "16 bit": images.encode(GREY_16, "PNG"),
    "RGB": images.encode(PHOTO, "PNG"),
    "LA": images.encode(PHOTO.convert("LA"), "PNG"),
    "RGBA": images.png(3, SIZE, alpha=True),
    "P 1": images.encode(PHOTO.quantize(2), "PNG", bits=1),
    "P 2": images.encode(PHOTO.quantize(4), "PNG", bits=2),
    "P 4": images.encode(PHOTO.quantize(13), "PNG", bits=4),
    "P 8": images.encode(PHOTO.quantize(200), "PNG"),
    "P 8 full": images.encode(PHOTO.quantize(256), "PNG"),
}


RGB_16 = chunks.assemble(
    [
        chunks.chunk(b"IHDR", struct.pack(">IIBBBBB", *SIZE, 16, 2, 0, 0, 0)),
        chunks.chunk(b"IDAT", zlib.compress((b"\0" + bytes(range(6)) * SIZE[0]) * SIZE[1])),
        chunks.chunk(b"IEND", b""),
    ]
)


@pytest.mark.parametrize("kind", KINDS)
def test_colour_type_and_bit_depth_stay(tmp_path: Path, logo: Path, kind: str) -> None:
    after = marked(tmp_path, logo, KINDS[kind])
    assert data_of(after, b"IHDR") == data_of(KINDS[kind], b"IHDR")
    assert beside(after) == beside(KINDS[kind])
    assert opened(after).tobytes() != opened(KINDS[kind]).tobytes()


def tiled() -> Image.Image:
    """What deflate makes small by its search for repetition alone."""
    image, tile = Image.new("RGB", (900, 900)), PHOTO.crop((0, 0, 60, 60))
    for place in range(225):
        image.paste(tile, (place % 15 * 60, place // 15 * 60))
    return image


@pytest.mark.parametrize("image", [images.photo(5, (900, 900)), tiled()], ids=["photo", "tiled"])
def test_the_file_stays_about_as_small(tmp_path: Path, logo: Path, image: Image.Image) -> None:
    before = images.encode(image, "PNG")
    unmarked = len(before) + len(logo.read_bytes())
    assert len(marked(tmp_path, logo, before)) < 1.15 * unmarked


def test_a_palette_of_few_colours_keeps_its_depth_and_its_entries(
    tmp_path: Path, logo: Path
) -> None:
    few = with_palette(images.encode(PHOTO.quantize(200), "PNG"), 200)
    after = marked(tmp_path, logo, few)
    assert data_of(after, b"IHDR")[8] == 8
    assert len(data_of(few, b"PLTE")) <= len(data_of(after, b"PLTE")) <= 768


def with_palette(content: bytes, entries: int) -> bytes:
    palette = data_of(content, b"PLTE")[: 3 * entries]
    parts = [
        chunks.chunk(b"PLTE", palette) if part.name == b"PLTE" else part
        for part in chunks.read(content)
    ]
    return chunks.assemble(parts)


def test_a_picture_of_one_colour_in_eight_bits_is_not_squeezed(tmp_path: Path, logo: Path) -> None:
    plain = Image.new("P", (4, 4))
    plain.putpalette([9, 9, 9] * 256)
    content = with_palette(images.encode(plain, "PNG"), 1)
    after = marked(tmp_path, logo, content)  # too small for a logo
    assert data_of(after, b"IHDR") == data_of(content, b"IHDR")
    assert data_of(after, b"PLTE") == data_of(content, b"PLTE")


@pytest.mark.parametrize(
    ("kind", "key"), [("RGB", (255, 255, 255)), ("grey", 255), ("4 bit", 15), ("16 bit", 65535)]
)
def test_the_logo_never_has_the_colour_that_means_transparent(
    tmp_path: Path, logo: Path, kind: str, key: int | tuple[int, int, int]
) -> None:
    picture = opened(KINDS[kind])
    white = key if kind in ("RGB", "16 bit") else 255
    everything = Image.new("RGBA", (90, 90), (255, 255, 255, 255))
    everything.save(tmp_path / "white.png")
    bits = data_of(KINDS[kind], b"IHDR")[8]
    ground = Image.new(picture.mode, SIZE, 0)
    content = images.encode(ground, "PNG", bits=min(8, bits), transparency=key)
    after = opened(marked(tmp_path, tmp_path / "white.png", content))
    assert after.info["transparency"] == key
    colours = set(after.get_flattened_data())
    assert len(colours) == 2
    assert white not in colours


PROFILE = zlib.compress(b"no profile")
BEFORE = [
    (b"gAMA", b"\0\0\xb1\x8f"),
    (b"cHRM", bytes(range(32))),
    (b"cICP", b"\1\x0d\0\1"),
    (b"sBIT", b"\5\5\5"),
    (b"iCCP", b"name\0\0" + PROFILE),
]
MIDDLE = [
    (b"bKGD", b"\0\1\0\2\0\3"),
    (b"pHYs", b"\0\0\x0b\x13\0\0\x0b\x13\1"),
    (b"tEXt", b"Comment\0before"),
    (b"prVt", b"private and unsafe to copy"),
    (b"prVt", b"once more"),
]
BEHIND = [
    (b"tIME", b"\x07\xea\1\2\3\4\5"),
    (b"iTXt", b"Title\0\0\0en\0\0behind"),
    (b"zTXt", b"Key\0\0" + zlib.compress(b"packed")),
    (b"exTr", b""),
]


def test_all_chunks_are_carried_where_they_were(tmp_path: Path, logo: Path) -> None:
    content = with_chunks(KINDS["RGB"], b"IDAT", *BEFORE, *MIDDLE)
    content = with_chunks(content, b"IEND", *BEHIND)
    content = with_chunks(content, b"IDAT", (b"CRIT", b"unknown, critical"))
    content = with_chunks(content, b"IDAT", (b"hIST", b"\0\1"))
    after = [each for each in chunks_of(marked(tmp_path, logo, content)) if each[0] != b"IDAT"]
    assert after[1:-1] == [*BEFORE, *MIDDLE, *BEHIND]


def test_around_a_palette_too(tmp_path: Path, logo: Path) -> None:
    content = with_chunks(KINDS["P 4"], b"PLTE", BEFORE[0], BEFORE[4])
    content = with_chunks(content, b"IDAT", (b"tRNS", b"\x80\xff"), (b"bKGD", b"\1"), MIDDLE[1])
    after = marked(tmp_path, logo, content)
    names = [b"IHDR", b"gAMA", b"iCCP", b"PLTE", b"tRNS", b"bKGD", b"pHYs", b"IDAT", b"IEND"]
    assert [name for name, _ in chunks_of(after)] == names
    assert opened(after).info["transparency"][:1] == b"\x80"


def raw_profile(kind: str, block: bytes) -> bytes:
    return f"\n{kind}\n{len(block):8}\n".encode() + block.hex().encode() + b"\n"


def exif(*, place: bool) -> bytes:
    block = Image.Exif()
    block[0x0112] = 6
    if place:
        block.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})
    return block.tobytes().removeprefix(b"Exif\0\0")


XMP = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
TURNED = {
    "eXIf": (b"eXIf", exif(place=False)),
    "raw profile": (b"tEXt", b"Raw profile type exif\0" + raw_profile("exif", exif(place=False))),
    "packed": (
        b"zTXt",
        b"Raw profile type APP1\0\0"
        + zlib.compress(raw_profile("APP1", b"Exif\0\0" + exif(place=False))),
    ),
    "XMP": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
}


def damaged(content: bytes, name: bytes) -> bytes:
    """The file with a wrong checksum on its chunk of that name."""
    parts = chunks.read(content)
    broken = (part._replace(raw=part.raw[:-1] + bytes([part.raw[-1] ^ 1])) for part in parts)
    both = zip(parts, broken, strict=True)
    return chunks.assemble([bad if part.name == name else part for part, bad in both])


def stored(folder: Path, logo: Path, content: bytes) -> tuple[bytes, list[str]]:
    """Through the front door: the watermarked file, and its notes."""
    (folder / "image").write_bytes(content)
    notes = watermark.watermark_file(folder / "image", logo, folder / "out", Options()).notes
    assert {path.name for path in folder.iterdir()} == {"image", "out"}
    return (folder / "out").read_bytes(), notes


@pytest.mark.parametrize("place", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("name", [b"tEXt", b"pHYs", b"prVt", b"gAMA", b"iCCP", b"eXIf"])
@pytest.mark.parametrize("kind", ["RGB", "P 8", "16 bits, RGB"])
def test_a_damaged_chunk_that_readers_pass_over_goes_with_a_note(
    tmp_path: Path, logo: Path, kind: str, name: bytes, place: bytes
) -> None:
    good = RGB_16 if kind == "16 bits, RGB" else KINDS[kind]
    content = damaged(with_chunks(good, place, (name, b"Some text\0and more")), name)
    after, notes = stored(tmp_path, logo, content)
    assert notes == [f"Its {name.decode()} chunk is damaged and was dropped."]
    assert name not in dict(chunks_of(after))
    assert beside(after) == beside(good)


@pytest.mark.parametrize("place", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        (b"iCCP", b"name\0\7" + PROFILE),  # packed in a way that is none
        (b"pHYs", b"\0\0"),
        (b"sRGB", b""),
        (b"zTXt", b"Key\0\7packed"),
        (b"cHRM", b"\0\1"),
    ],
)
def test_a_chunk_that_makes_no_sense_is_no_reason_to_fail(
    tmp_path: Path, logo: Path, name: bytes, data: bytes, place: bytes
) -> None:
    good = with_chunks(KINDS["RGB"], b"IDAT", (b"tEXt", b"Key\0kept"))
    after, notes = stored(tmp_path, logo, with_chunks(good, place, (name, data)))
    assert beside(after) == beside(good)
    assert data_of(after, b"tEXt") == b"Key\0kept"
    assert set(notes) <= {f"Its {name.decode()} chunk is damaged and was dropped."}
    assert bool(notes) == (name not in dict(chunks_of(after)))


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"IDAT"])
def test_a_damaged_chunk_that_no_reader_does_without_is_refused(
    tmp_path: Path, logo: Path, name: bytes
) -> None:
    with pytest.raises(ImageRejected):
        stored(tmp_path, logo, damaged(KINDS["P 8"], name))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_16_bit_png_that_is_cut_off_is_damaged(tmp_path: Path, logo: Path, kept: float) -> None:
    noise = random.Random(1).randbytes(6 * SIZE[0])
    whole = chunks.assemble(
        [
            *chunks.read(RGB_16)[:1],
            chunks.chunk(b"IDAT", zlib.compress((b"\0" + noise) * SIZE[1], 0)),
            chunks.chunk(b"IEND", b""),
        ]
    )
    with pytest.raises(ImageRejected) as told:
        stored(tmp_path, logo, whole[: int(len(whole) * kept)])
    assert told.value.code == "corrupt_image"


@pytest.mark.parametrize("kind", ["grey", "RGB", "2 bit", "P 8"])
def test_transparency_behind_the_pixels_is_none(tmp_path: Path, logo: Path, kind: str) -> None:
    key = {"grey": b"\0\7", "RGB": bytes(6), "2 bit": b"\0\1", "P 8": b"\0\0\0"}[kind]
    late = with_chunks(KINDS[kind], b"IEND", (b"tRNS", key))
    after, notes = stored(tmp_path, logo, late)
    assert notes == []
    assert b"tRNS" not in dict(chunks_of(after))
    broken, notes = stored(tmp_path, logo, damaged(late, b"tRNS"))
    assert notes == ["Its tRNS chunk is damaged and was dropped."]
    assert beside(broken) == beside(after) == beside(KINDS[kind])


def test_what_does_not_begin_with_its_header_is_refused(tmp_path: Path, logo: Path) -> None:
    content = with_chunks(KINDS["RGB"], b"IHDR", (b"cHRM", bytes(32)))
    with pytest.raises(ImageRejected):
        stored(tmp_path, logo, content)
