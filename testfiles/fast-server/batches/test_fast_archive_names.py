"""The names in an archive lead nowhere else, fit every disk, and are each there once."""

import unicodedata

import pytest

from batches import names

LONG = "x" * 251 + ".jpg"
OUT = [
    ("a/b/1.jpg", "a/b/photo.jpg"),
    ("a\\b\\1.jpg", "a/b/photo.jpg"),
    ("1.jpg", "photo.jpg"),
    ("", "photo.jpg"),
    (None, "photo.jpg"),
    ("/etc/passwd", "etc/photo.jpg"),
    ("../../etc/passwd", "etc/photo.jpg"),
    ("a/../../b/./1.jpg", "a/b/photo.jpg"),
    ("..\\..\\1.jpg", "photo.jpg"),
    ("a/.../ . /b/1.jpg", "a/b/photo.jpg"),
    ("C:\\photos\\1.jpg", "photos/photo.jpg"),
    ("c:/1.jpg", "photo.jpg"),
    ("C:1.jpg", "photo.jpg"),
    ("a:b/1.jpg", "a:b/photo.jpg"),
    ("//server//share/1.jpg", "server/share/photo.jpg"),
    ("a//b/", "a/b/photo.jpg"),
    ("with space/日本 🎉/1.jpg", "with space/日本 🎉/photo.jpg"),
    ("a\u202eb/1.jpg", "ab/photo.jpg"),
    ("-rf/~/$HOME/*/1.jpg", "-rf/~/$HOME/*/photo.jpg"),
    (".ssh/1.jpg", "ssh/photo.jpg"),
    ("media.json/1.jpg", "upload_media.json/photo.jpg"),
    (f"{'y' * 300}/1.jpg", f"{'y' * 255}/photo.jpg"),
    (f"{'é' * 200}/1.jpg", f"{'é' * 127}/photo.jpg"),
]


@pytest.mark.parametrize(("ref", "path"), OUT)
def test_the_folders_are_those_of_the_ref(ref: str | None, path: str) -> None:
    assert names.path(ref, "photo.jpg", ".jpg") == path


def test_the_ending_is_that_of_the_stored_file() -> None:
    assert names.path("a/1.HEIC", "photo.HEIC", ".jpg") == "a/photo.jpg"
    assert names.path("a/1.HEIC", "photo .tar.HEIC", ".HEIC") == "a/photo .tar.HEIC"
    assert names.path(None, "photo", "") == "photo"
    assert names.path(None, LONG, ".jpeg") == "x" * 250 + ".jpeg"


@pytest.mark.parametrize(
    ("paths", "apart"),
    [
        (["a.jpg", "a.jpg", "a.jpg"], ["a.jpg", "a (2).jpg", "a (3).jpg"]),
        (["a.jpg", "b/a.jpg", "c/a.jpg"], ["a.jpg", "b/a.jpg", "c/a.jpg"]),
        (["a.jpg", "A.JPG", "a.Jpg"], ["a.jpg", "A (2).JPG", "a (3).Jpg"]),
        (["B/a.jpg", "b/a.jpg"], ["B/a.jpg", "b/a (2).jpg"]),
        (["a (2).jpg", "a.jpg", "a.jpg"], ["a (2).jpg", "a.jpg", "a (3).jpg"]),
        (["a.jpg", "a.jpg", "a (2).jpg"], ["a.jpg", "a (2).jpg", "a (2) (2).jpg"]),
        (["a", "a/b", "a/b/c"], ["a (2)", "a/b (2)", "a/b/c"]),
        (["A", "x", "a/b"], ["A (2)", "x", "a/b"]),
        (["a./b.jpg", "a/b.jpg"], ["a./b.jpg", "a/b (2).jpg"]),
        (["straße", "STRASSE"], ["straße", "STRASSE (2)"]),
        ([LONG, LONG], [LONG, "x" * 247 + " (2).jpg"]),
        (["é" * 127, "é" * 127], ["é" * 127, "é" * 125 + " (2)"]),
    ],
)
def test_doubles_are_told_apart(paths: list[str], apart: list[str]) -> None:
    assert list(names.told_apart(paths)) == apart


def test_unicode_forms_do_not_make_a_difference() -> None:
    path = "Größe é.jpg"
    forms = [unicodedata.normalize(form, path) for form in ("NFC", "NFD")]
    assert list(names.told_apart(forms))[1].endswith(" (2).jpg")


def test_many_doubles_take_no_longer_than_many_others() -> None:
    apart = [*names.told_apart(["photo.jpg"] * 20_000)]
    assert len({*apart}) == 20_000
    assert apart[-1] == "photo (20000).jpg"


def test_whatever_comes_each_is_there_once_and_fits() -> None:
    refs = [ref for ref, _ in OUT]
    paths = [names.path(ref, name, ".jpg") for ref in refs for name in ("a.jpg", "A.jpg", LONG)] * 3
    apart = list(names.told_apart(paths))
    assert len({*apart}) == len(paths)
    assert apart == list(names.told_apart(paths))
    for path in apart:
        parts = path.split("/")
        assert all(0 < len(part.encode()) <= 255 for part in parts)
        assert not {".", "..", ""} & {*parts}
