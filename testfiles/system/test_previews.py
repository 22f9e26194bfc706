"""Previews of a whole stack: of every format, before and after, and of many at once."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import httpx
import pytest
from PIL import Image

from contact_sheet import Sample, sections
from local_stack.stack import Stack
from support import images
from support.marks import distance
from support.services import until
from support.stack_client import described, post

NEAR = 7  # lossy WebP of grain
AT_ONCE = 200
FORMATS = [sample for title, samples in sections() if title == "Formats" for sample in samples]


def preview(http: httpx.Client, media_id: str, of: str, size: int = 320) -> bytes:
    """Asked for until it is made."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        answers.append(http.get(f"/media/{media_id}/preview?of={of}&size={size}"))
        return answers[-1].status_code != 503

    until(is_answered)
    assert answers[-1].status_code == 200, answers[-1].text
    return answers[-1].content


def opened(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content)) as image:
        assert image.format == "WEBP"
        black = Image.new("RGBA", image.size, "black")
        black.alpha_composite(image.convert("RGBA"))
    return black.convert("RGB")


@pytest.fixture
def http(stack: Stack) -> httpx.Client:
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(base_url=stack.url, trust_env=False, timeout=60, limits=limits)


@pytest.mark.parametrize("sample", FORMATS, ids=lambda sample: sample.title)
def test_every_format_looks_the_same_before_and_after_but_for_the_logo(
    stack: Stack, http: httpx.Client, sample: Sample
) -> None:
    with http:
        media_id = post(stack, sample.content, f"photo.{sample.extension}")
        before = opened(preview(http, media_id, "original"))
        until(lambda: described(stack, media_id)["status"] == "stored")
        after = opened(preview(http, media_id, "watermarked"))
    assert before.size == after.size == (320, 213)
    below = (0, 100, 320, 213)
    assert distance(before.crop(below), after.crop(below)) < NEAR
    assert distance(before, after) > 0.3


def test_many_at_once_are_made_while_many_images_wait(stack: Stack, http: httpx.Client) -> None:
    content = images.jpeg(size=(1200, 800))
    media_ids = [post(stack, content) for _ in range(AT_ONCE)]
    with http, ThreadPoolExecutor(AT_ONCE) as pool:
        contents = {*pool.map(lambda media_id: preview(http, media_id, "original"), media_ids)}
    assert {opened(each).size for each in contents} == {(320, 213)}
    until(lambda: all(described(stack, media_id)["status"] == "stored" for media_id in media_ids))


def test_a_preview_goes_with_its_media(stack: Stack, http: httpx.Client) -> None:
    with http:
        media_id = post(stack, images.jpeg())
        until(lambda: described(stack, media_id)["status"] == "stored")
        for size in (320, 1600):
            preview(http, media_id, "watermarked", size)
        folder = stack.upload_dir / ".previews" / media_id
        assert sorted(path.name for path in folder.iterdir()) == [
            "watermarked-1600.webp",
            "watermarked-320.webp",
        ]
        assert http.delete(f"/media/{media_id}").status_code == 204
        assert not folder.exists()
        assert http.get(f"/media/{media_id}/preview").status_code == 404


def test_a_broken_image_says_why_it_cannot_be_shown(stack: Stack, http: httpx.Client) -> None:
    with http:
        media_id = post(stack, images.heic()[:-2000], "photo.heic")
        answers: list[httpx.Response] = []

        def is_answered() -> bool:
            answers.append(http.get(f"/media/{media_id}/preview?of=original"))
            return answers[-1].status_code != 503

        until(is_answered)
    problem = answers[-1].json()
    assert (answers[-1].status_code, problem["code"]) == (422, "preview_impossible")
    assert "The image is damaged" in problem["detail"]
