"""POST /media that is refused: told why, in the same form each time, and nothing stays."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import images
from support.fast import FORM_TYPE, MIB, Gateway, assert_problem, form, gateway

PHOTO = images.jpeg(size=(64, 64))
FORM = {"Content-Type": FORM_TYPE}


@pytest.fixture(scope="module")
def running_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running:
        yield running


@pytest.fixture
def fast(running_gateway: Gateway) -> Iterator[Gateway]:
    """A gateway that has nothing, not even a job, when the test ends."""
    yield running_gateway
    assert running_gateway.folders("incoming") == running_gateway.folders("pending") == set()
    assert running_gateway.redis.client.keys() == []
    assert "Traceback" not in running_gateway.server.console()


def png_of(width: int, height: int) -> bytes:
    """A whole, valid PNG of one colour, made without its pixels."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 9)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize(
    ("code", "status", "request_options"),
    [
        ("not_multipart", 415, {"content": PHOTO}),
        ("not_multipart", 415, {"content": b""}),
        ("not_multipart", 415, {"json": {"file": "photo.jpg"}}),
        ("not_multipart", 415, {"data": {"file": "photo.jpg"}}),
        ("not_multipart", 415, {"headers": {"Content-Type": "multipart/form-data"}}),
        ("unsupported_format", 415, {"files": {"file": ("photo.jpg", b"a note")}}),
        ("unsupported_format", 415, {"files": {"file": ("photo.jpg", b"a note " * 100_000)}}),
        ("unsupported_format", 415, {"files": {"file": ("photo.jpg", b"<svg/>")}}),
        ("malformed_form", 422, {"headers": FORM}),
        ("malformed_form", 422, {"headers": FORM, "content": b"x"}),
        ("malformed_form", 422, {"headers": FORM, "content": form(PHOTO)[:-9]}),
        ("malformed_form", 422, {"headers": FORM, "content": form(PHOTO)[:500]}),
        ("file_missing", 422, {"files": {"image": ("photo.jpg", PHOTO)}}),
        ("file_missing", 422, {"files": {"file": (None, "photo.jpg")}}),
        ("file_empty", 422, {"files": {"file": ("photo.jpg", b"")}}),
        ("second_file", 422, {"files": [("file", ("a.jpg", PHOTO)), ("file", ("b.jpg", PHOTO))]}),
        ("unreadable_header", 422, {"files": {"file": ("photo.jpg", PHOTO[:100])}}),
        ("unreadable_header", 422, {"files": {"file": ("photo.png", png_of(0, 5))}}),
        ("too_many_pixels", 422, {"files": {"file": ("photo.png", png_of(20_000, 20_000))}}),
        ("upload_too_large", 413, {"files": {"file": ("photo.jpg", PHOTO.ljust(MIB + 1))}}),
        ("upload_too_large", 413, {"files": {"file": ("photo.jpg", PHOTO.ljust(3 * MIB))}}),
        ("upload_too_large", 413, {"files": {"other": ("photo.jpg", PHOTO.ljust(3 * MIB))}}),
    ],
)
def test_a_refused_upload_is_told_why_and_leaves_nothing(
    fast: Gateway, code: str, status: int, request_options: dict[str, Any]
) -> None:
    assert_problem(fast.http.post("/media", **request_options), status, code)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a note", "photo.jpg holds none of JPEG, PNG, GIF, WebP, TIFF, BMP, JPEG 2000, AVIF and"),
        (b"8BPS\0\1", "photo.jpg is a Photoshop file. Convert it to JPEG or PNG"),
        (PHOTO[:99], "The header of photo.jpg cannot be read: it ends early"),
        (png_of(20_000, 20_000), "20000 x 20000 pixels are more than 100 megapixels"),
        (PHOTO.ljust(2 * MIB), "The file is larger than 1 MB. Send a smaller one, or raise MAX"),
        (b"", "photo.jpg has no bytes"),
    ],
)
def test_the_sentence_names_what_is_wrong(fast: Gateway, content: bytes, sentence: str) -> None:
    assert sentence in fast.post(content).json()["detail"]


def test_a_field_of_text_named_file_is_told_what_curl_wants(fast: Gateway) -> None:
    answer = fast.http.post("/media", files={"file": (None, "photo.jpg")})
    assert "file=@path" in assert_problem(answer, 422, "file_missing")["detail"]


def test_the_last_pixel_that_is_allowed_is_taken(tmp_path: Path) -> None:
    with gateway(tmp_path, MAX_MEGAPIXELS="0.01") as fast:
        assert fast.post(png_of(100, 100)).status_code == 202
        assert_problem(fast.post(png_of(101, 100)), 422, "too_many_pixels")
