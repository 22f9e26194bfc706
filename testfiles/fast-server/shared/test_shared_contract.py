"""The names that cross a service border, and what a client may do to them."""

import re
from datetime import UTC, datetime, timedelta
from os.path import splitext
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies

from shared import contract

MEDIA_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
RECORDS = {contract.MEDIA_RECORD, contract.PROGRESS_RECORD}
# Marks that turn a line around, blanks and tags: none shows, each can make two names look one.
INVISIBLE = "\u061c\u200e\u200f\ufeff\u202a\u2069\u00ad\u2060\u180e\u3164\u2800\U000e0001\U000e0041"
INVISIBLE += "\ufe00\U000e0100\u17b4\u2065\uffff"
PIECES = [
    *INVISIBLE,
    "..",
    "/",
    "\\",
    ".",
    " ",
    "\xa0",
    "|",
    "\n",
    "\u2028",
    "\u202e",
    "media.json",
    ".lock",
]
# Any text, and what an attacker would put together.
names = strategies.text(max_size=400) | strategies.lists(
    strategies.sampled_from([*PIECES, "ش", "👩‍👩‍👧", "e\u0301", ".jpg"])
    | strategies.text(max_size=3),
    max_size=80,
).map("".join)


@given(names)
@example(".\xa0.lock")
@example("MEDIA.JSON")
@settings(max_examples=300, deadline=None)
def test_a_safe_filename_names_one_ordinary_file_in_its_folder(name: str) -> None:
    safe = contract.safe_filename(name)
    assert safe
    assert safe[0] != "."
    assert safe.casefold() not in RECORDS
    assert not set(safe) & set("/\\|\0\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert safe.splitlines() == [safe]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", safe)
    assert (Path("/uploads") / safe).parent == Path("/uploads")


@given(names)
@settings(max_examples=300, deadline=None)
def test_a_safe_filename_is_safe_already(name: str) -> None:
    safe = contract.safe_filename(name)
    assert contract.safe_filename(safe) == safe


@given(names)
@settings(max_examples=200, deadline=None)
def test_a_safe_filename_fits_with_all_that_is_added_to_it(name: str) -> None:
    safe = contract.safe_filename(name)
    assert len(safe.encode()) <= contract.MAX_FILENAME_BYTES
    stored = f"{contract.WATERMARKED_PREFIX}{safe}-{MEDIA_ID}"
    assert len(stored.encode()) <= contract.MAX_NAME_BYTES


@given(strategies.integers(64, 300), strategies.sampled_from([".jpg", ".jpeg", ".PNG", ".صورة"]))
@settings(max_examples=50, deadline=None)
def test_a_name_that_is_cut_keeps_its_extension(max_bytes: int, extension: str) -> None:
    safe = contract.safe_filename("ش" * 300 + extension, max_bytes)
    assert max_bytes - 1 <= len(safe.encode()) <= max_bytes
    assert splitext(safe)[1] == extension


@given(names)
@settings(max_examples=300, deadline=None)
def test_a_safe_line_is_one_field_of_one_line(text: str) -> None:
    line = contract.safe_line(text)
    assert len(line.splitlines()) <= 1
    assert "|" not in line
    assert line == line.strip()
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", line)
    assert not set(line) & set(INVISIBLE)
    assert contract.safe_line(line) == line


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\photo.jpg", "photo.jpg"),
        ("a\nb.jpg", "ab.jpg"),
        ("a | IMAGE: b.jpg", "a _ IMAGE: b.jpg"),
        ("\x1b[31mred.png", "[31mred.png"),
        ("gpj.\u202etxt.exe", "gpj.txt.exe"),
        *((f"ph{char}oto.jpg", "photo.jpg") for char in INVISIBLE),
        ("e\u0301.jpg", "\xe9.jpg"),
        ("صورة العائلة.jpg", "صورة العائلة.jpg"),
        ("👩‍👩‍👧.jpg", "👩‍👩‍👧.jpg"),
        ("❤️‍🔥.jpg", "❤️‍🔥.jpg"),
        ("1️⃣.jpg", "1️⃣.jpg"),
        ("می\u200cخواهم.jpg", "می\u200cخواهم.jpg"),
        ("me\u200ddia.jp\ufe0fg\u200d", "media.jpg"),
        ("\u200d.htaccess", "htaccess"),
        ("media.json\ufe0f", "upload_media.json"),
        ("\u200d\ufe0f", "upload"),
        ("x" * 300 + ".jpg", "x" * (contract.MAX_FILENAME_BYTES - 4) + ".jpg"),
        ("", "upload"),
        ("/", "upload"),
        (".", "upload"),
        ("..", "upload"),
        (" . ", "upload"),
        ("\ud800", "upload"),
        (".jpg", "jpg"),
        (".lock", "lock"),
        ("media.json", "upload_media.json"),
        ("x/progress.json", "upload_progress.json"),
        ("photo", "photo"),
    ],
)
def test_a_name_becomes(sent: str, kept: str) -> None:
    assert contract.safe_filename(sent) == kept


@pytest.mark.parametrize("text", [MEDIA_ID, "0" * 26, "6" + "Z" * 25])
def test_a_media_id_is_a_canonical_ulid(text: str) -> None:
    assert contract.is_media_id(text)


@pytest.mark.parametrize(
    "text",
    ["", MEDIA_ID.lower(), MEDIA_ID[:-1], MEDIA_ID + "0", MEDIA_ID + "\n", "7" + "0" * 25]
    + [f"{MEDIA_ID[:-1]}{char}" for char in "ILOU/.\0٣"],
)
def test_nothing_else_is_a_media_id(text: str) -> None:
    assert not contract.is_media_id(text)


def test_each_run_of_each_stage_has_a_job_id_of_its_own() -> None:
    assert contract.job_id(MEDIA_ID, contract.Stage.WATERMARK, 1) == f"{MEDIA_ID}:watermark:1"
    assert contract.job_id(MEDIA_ID, contract.Stage.UPLOAD, 2) == f"{MEDIA_ID}:upload:2"


def test_a_job_is_json_and_what_is_not_is_refused() -> None:
    payload = {"f": "task", "a": [MEDIA_ID, 1], "k": {}}
    assert contract.deserialize_job(contract.serialize_job(payload)) == payload
    assert b"ValueError('why')" in contract.serialize_job({"r": ValueError("why")})
    with pytest.raises(UnicodeDecodeError):
        contract.deserialize_job(b"\x80\x04\x95pickle")


def test_a_timestamp_is_utc_with_milliseconds() -> None:
    stamp = contract.timestamp(datetime.now(UTC))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert datetime.fromisoformat(stamp).utcoffset() == timedelta(0)
