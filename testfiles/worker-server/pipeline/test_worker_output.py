"""What the settings make of an upload: its name, its type, the notes in its record."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from redis import Redis

from support import images
from support.services import until
from support.web_server import Web, as_central
from support.worker import add_media, enqueue, progress_of, running_redis, running_worker, state_of


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with running_redis(tmp_path_factory.mktemp("redis")) as (_, client):
        yield client


def test_another_format_has_its_extension_and_its_type_and_central_names_it_so(
    tmp_path: Path, redis: Redis
) -> None:
    uploads = tmp_path / "uploads"
    media_id = add_media(uploads, images.jpeg(1, (200, 100)), "photo.of.me.jpg")
    enqueue(redis, media_id)
    with (
        Web(as_central) as central,
        running_worker(uploads, redis, f"{central.url}/upload-final", OUTPUT_FORMAT="webp"),
    ):
        until(lambda: state_of(uploads, media_id) in ("done", "failed"))
    media = progress_of(uploads, media_id)
    assert media["status"] == "stored"
    assert media["watermarked"]["name"] == "watermarked_photo.of.me.webp"
    assert media["watermarked"]["content_type"] == "image/webp"
    assert media["watermarked"]["notes"] == []
    [delivered] = central.requests
    assert b'filename="watermarked_photo.of.me.webp"' in delivered.body
    assert b"Content-Type: image/webp" in delivered.body
    with Image.open(BytesIO(delivered.field("file"))) as image:
        assert (image.format, image.size) == ("WEBP", (200, 100))
    assert not list((uploads / "done" / media_id).glob("watermarked*"))


def test_what_could_not_be_as_usual_is_noted_in_the_record_and_on_the_console(
    tmp_path: Path, redis: Redis
) -> None:
    uploads = tmp_path / "uploads"
    content = images.png(1, (3, 3))
    media_id = add_media(uploads, content, "dot.png")
    enqueue(redis, media_id)
    with (
        Web(as_central) as central,
        running_worker(uploads, redis, f"{central.url}/upload-final") as worker,
    ):
        until(lambda: state_of(uploads, media_id) in ("done", "failed"))
        console = worker.console()
    note = "Not marked: the logo would be less than a pixel wide or high."
    assert progress_of(uploads, media_id)["watermarked"]["notes"] == [note]
    [line] = [line for line in console.splitlines() if "✅" in line]
    assert f'note="{note}"' in line
    with Image.open(BytesIO(central.requests[0].field("file"))) as image:
        assert image.tobytes() == Image.open(BytesIO(content)).tobytes()
