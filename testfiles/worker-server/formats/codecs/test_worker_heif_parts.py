"""What HEIC and AVIF hold beside their pictures: gone, with a note, and no longer promised.

No library here writes it: boxes of what one does write are edited in place, or stand behind it.
"""

import re
from pathlib import Path
from struct import pack

import pytest
from PIL import Image

from options import Metadata, OutputFormat
from support import images
from support.marks import bundled_logo, distance, logo_box, mark

SIZE = (320, 240)
FORMATS = ("HEIF", "AVIF")
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
GAIN_MAP = "Its HDR gain map was dropped: it belongs to the picture without the logo."
DEPTH = "Its depth map was dropped: it belongs to the picture without the logo."
AUXILIARY = "Its auxiliary pictures were dropped: they belong to the one without the logo."
VIDEO = "The video of the motion photo is not kept."

# Android's Motion Photo format 1.0, and Google's earlier one
XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"
 GCamera:MotionPhotoVersion="1" GCamera:MicroVideo="1" GCamera:MicroVideoOffset="4028"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="a phone"
 xmlns:Container="http://ns.google.com/photos/1.0/container/"
 xmlns:Item="http://ns.google.com/photos/1.0/container/item/"><Container:Directory><rdf:Seq>
 <rdf:li><Container:Item Item:Semantic="Primary" Item:Mime="image/heic" Item:Padding="8"/></rdf:li>
 <rdf:li><Container:Item Item:Semantic="MotionPhoto" Item:Mime="video/mp4" Item:Length="4028"/>
 </rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>"""
PROMISES = (b"MotionPhoto=", b"MicroVideo", b"Container:Directory", b"Item:Length")


@pytest.fixture(scope="module")
def logo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundled_logo(tmp_path_factory.mktemp("logo"))


def box(name: bytes, content: bytes) -> bytes:
    return pack(">I4s", 8 + len(content), name) + content


MP4 = box(b"ftyp", b"isom\0\0\2\0isommp42") + box(b"mdat", bytes(4000))
SAMSUNGS = b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_DataSEFH" + bytes(24) + b"SEFT"
BEHIND = {"box": box(b"mpvd", MP4), "file": MP4, "trailer": box(b"mpvd", MP4) + SAMSUNGS}


def edited(content: bytes, old: bytes, new: bytes) -> bytes:
    """Everywhere; no longer than it was."""
    assert old in content
    return content.replace(old, new.ljust(len(old), b"\0"))


def with_auxiliary(image_format: str, kind: bytes) -> bytes:
    """An alpha channel by another name."""
    content = images.encode(images.photo_with_alpha(1, SIZE), image_format)
    found = re.search(rb"urn:[a-zA-Z0-9:]+(alpha|auxid:1)", content)
    assert found is not None
    return edited(content, found[0], kind)


def with_tone_map(image_format: str) -> bytes:
    """The EXIF block as an item that is derived from the picture."""
    content = images.encode(images.photo(1, SIZE), image_format, exif=EXIF)
    derived = re.sub(rb"(infe.{8})Exif", rb"\1tmap", content, count=1, flags=re.DOTALL)
    assert derived != content
    return edited(derived, b"cdsc", b"dimg")


def animation() -> bytes:
    frames = [images.photo_with_alpha(seed, SIZE) for seed in range(2)]
    options = {"save_all": True, "append_images": frames[1:], "duration": 100, "speed": 10}
    return images.encode(frames[0], "AVIF", **options)


def assert_marked(before: Image.Image, after: Image.Image, logo: Path) -> None:
    box = logo_box(logo, SIZE)
    assert distance(before.convert("RGB").crop(box), after.convert("RGB").crop(box)) > 20


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("metadata", [Metadata.KEEP, Metadata.NOGPS])
def test_the_video_of_a_motion_photo_is_gone_and_no_longer_promised(
    tmp_path: Path, logo: Path, image_format: str, behind: str, metadata: Metadata
) -> None:
    content = images.encode(images.photo(1, SIZE), image_format, xmp=XMP) + BEHIND[behind]
    marked = mark(tmp_path, logo, content, metadata=metadata)
    assert marked.notes == [VIDEO]
    assert marked.content.count(b"ftyp") == 1
    packet = marked.after.info["xmp"]
    assert [promise for promise in PROMISES if promise in packet] == []
    assert b'xmp:CreatorTool="a phone"' in packet
    assert_marked(marked.before, marked.after, logo)


@pytest.mark.parametrize("image_format", FORMATS)
def test_what_xmp_promises_goes_even_where_the_video_is_gone_already(
    tmp_path: Path, logo: Path, image_format: str
) -> None:
    marked = mark(tmp_path, logo, images.encode(images.photo(1, SIZE), image_format, xmp=XMP))
    assert marked.notes == []
    assert b"MotionPhoto=" not in marked.after.info["xmp"]


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize(
    ("kind", "note"),
    [
        (b"urn:x:aux:hdrgainmap", GAIN_MAP),
        (b"urn:mpeg:hevc:2015:auxid:2", DEPTH),
        (b"urn:x:aux:skinmatte", AUXILIARY),
    ],
)
def test_auxiliary_pictures_are_gone_with_a_note(
    tmp_path: Path, logo: Path, image_format: str, kind: bytes, note: str
) -> None:
    marked = mark(tmp_path, logo, with_auxiliary(image_format, kind))
    assert marked.notes == [note]
    assert kind not in marked.content
    assert_marked(marked.before, marked.after, logo)


@pytest.mark.parametrize("kind", [b"depth", b"alpha"])
def test_of_avifs_auxiliary_pictures_alpha_stays(tmp_path: Path, logo: Path, kind: bytes) -> None:
    content = with_auxiliary("AVIF", b"urn:mpeg:mpegB:cicp:systems:auxiliary:" + kind)
    marked = mark(tmp_path, logo, content)
    assert marked.notes == ([DEPTH] if kind == b"depth" else [])
    assert marked.after.mode == ("RGB" if kind == b"depth" else "RGBA")


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_gain_map_may_be_a_derived_picture(tmp_path: Path, logo: Path, image_format: str) -> None:
    marked = mark(tmp_path, logo, with_tone_map(image_format))
    assert marked.notes == [GAIN_MAP]
    assert b"tmap" not in marked.content
    assert_marked(marked.before, marked.after, logo)


def test_an_animations_sound_is_gone_with_a_note(tmp_path: Path, logo: Path) -> None:
    silent, loud = animation(), edited(animation(), b"auxv", b"soun")
    assert mark(tmp_path, logo, silent).notes == []
    marked = mark(tmp_path, logo, loud)
    assert marked.notes == ["Its sound is not kept."]
    assert marked.after.n_frames == 2  # type: ignore[attr-defined]


def test_the_image_sequence_of_a_heic_is_gone_with_a_note(tmp_path: Path, logo: Path) -> None:
    animated = animation()
    movie = animated[animated.index(b"moov") - 4 : animated.index(b"mdat") - 4]
    marked = mark(tmp_path, logo, images.encode(images.photo(1, SIZE), "HEIF") + movie)
    assert marked.notes == ["Its image sequence is not kept."]


@pytest.mark.parametrize("image_format", FORMATS)
def test_what_passes_unmarked_loses_nothing(tmp_path: Path, logo: Path, image_format: str) -> None:
    content = images.encode(images.photo(1, SIZE), image_format, xmp=XMP) + BEHIND["box"]
    marked = mark(tmp_path, logo, content, min_image=1000)
    assert marked.content == content
    assert marked.notes == ["Not marked: its short side is below LOGO_MIN_IMAGE=1000."]


@pytest.mark.parametrize("image_format", ["JPEG", *FORMATS])
def test_nor_is_the_video_promised_in_another_format(
    tmp_path: Path, logo: Path, image_format: str
) -> None:
    content = images.encode(images.photo(1, SIZE), image_format, xmp=XMP) + BEHIND["box"]
    marked = mark(tmp_path, logo, content, output_format=OutputFormat.WEBP)
    assert (VIDEO in marked.notes) == (image_format != "JPEG")
    assert any("XMP" in note for note in marked.notes)
    assert b"MotionPhoto=" not in marked.content
    assert b'xmp:CreatorTool="a phone"' in marked.content
