"""ref: what a client calls an image itself, kept and given back as it came."""

import json
from collections.abc import Iterator

import httpx
import pytest

from support import images
from support.fast import Gateway, assert_problem, gateway

PHOTO = images.jpeg(size=(32, 32))
FILE = {"file": ("photo.jpg", PHOTO)}


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running:
        yield running


REFS = [
    "order-17",
    "holiday/2026/IMG 1.jpg",
    "../../a\\b",
    "日本/ä́ 👩‍👩‍👧",
    'a "quoted", {json: ["x"]}',
    " spaces around ",
    "x" * 1024,
]


@pytest.mark.parametrize("ref", REFS)
def test_a_ref_is_kept_and_given_back(fast: Gateway, ref: str) -> None:
    by_field = fast.http.post("/media", data={"ref": ref}, files=FILE)
    by_query = fast.http.post("/media", params={"ref": ref}, files=FILE)
    by_both = fast.http.post("/media", params={"ref": ref}, data={"ref": ref}, files=FILE)
    for answer in (by_field, by_query, by_both):
        assert (answer.status_code, answer.json()["ref"]) == (202, ref)
        media_id = answer.json()["media_id"]
        assert fast.http.get(f"/media/{media_id}").json()["ref"] == ref
        record = fast.uploads / "pending" / media_id / "media.json"
        assert json.loads(record.read_bytes())["ref"] == ref


def test_a_ref_behind_the_file_counts_too(fast: Gateway) -> None:
    parts = [("file", ("photo.jpg", PHOTO)), ("ref", (None, b"behind"))]
    assert fast.http.post("/media", files=parts).json()["ref"] == "behind"


def test_without_a_ref_there_is_none(fast: Gateway) -> None:
    for answer in (fast.post(PHOTO), fast.http.post("/media?ref=", data={"ref": ""}, files=FILE)):
        assert "ref" not in answer.json()
        assert "ref" not in fast.http.get(answer.headers["Location"]).json()


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("x" * 1025, "", "longer than 1,024 bytes"),
        ("", "ü" * 513, "longer than 1,024 bytes"),
        ("a\nb", "", "control character"),
        ("", "a\x00b", "control character"),
        ("", "a\u2028b", "control character"),
        ("one", "two", "two different refs"),
    ],
)
def test_a_ref_that_cannot_be_kept_is_refused(
    fast: Gateway, query: str, field: str, said: str
) -> None:
    before = fast.folders("pending")
    answer = fast.http.post("/media", params={"ref": query}, data={"ref": field}, files=FILE)
    assert said in assert_problem(answer, 422, "bad_ref")["detail"]
    assert fast.folders("pending") == before
    assert fast.folders("incoming") == set()


@pytest.mark.parametrize(
    ("query", "ref"), [("%FF%FE", "ÿþ"), ("%E9t%E9", "été"), ("a+b%2Bc", "a b+c"), ("%C3%BC", "ü")]
)
def test_a_query_is_read_as_a_form_is(fast: Gateway, query: str, ref: str) -> None:
    assert fast.http.post(f"/media?ref={query}", files=FILE).json()["ref"] == ref


def test_a_ref_twice_in_the_query_must_be_the_same(fast: Gateway) -> None:
    assert fast.http.post("/media?ref=a&ref=a", files=FILE).json()["ref"] == "a"
    assert_problem(fast.http.post("/media?ref=a&ref=b", files=FILE), 422, "bad_ref")


def test_a_key_with_another_ref_is_another_upload(fast: Gateway) -> None:
    def post(key: str, **params: str) -> httpx.Response:
        headers = {"Idempotency-Key": f'"{key}"'}
        return fast.http.post("/media", params=params, files=FILE, headers=headers)

    longest = "\u00fc" * 512
    first, again = post("k1", ref=longest), post("k1", ref=longest)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json()["media_id"], again.json()["ref"]) == (first.json()["media_id"], longest)
    assert_problem(post("k1", ref="other"), 422, "idempotency_key_reused")
    assert_problem(post("k1"), 422, "idempotency_key_reused")
