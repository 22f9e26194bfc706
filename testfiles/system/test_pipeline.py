"""The whole way, through real processes: upload, watermark, ship, store, log."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops
from redis import Redis

from local_stack.stack import Stack
from support import images
from support.services import until
from support.stack_client import TIMEOUT_S, described, post

LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] WORKER: (.+) \| IMAGE: (.+)")
HOSTILE_NAMES = {
    "../../etc/passwd": "passwd",
    "a\nb.jpg": "ab.jpg",
    "a | IMAGE: b.jpg": "a _ IMAGE: b.jpg",
    "صورة.jpg": "صورة.jpg",
    "👩‍👩‍👧.jpg": "👩‍👩‍👧.jpg",
    "media.json": "upload_media.json",
    "": "upload",  # httpx then sends no filename at all
    "-rf .jpg": "-rf .jpg",
}


def ended(stack: Stack, media_id: str) -> dict[str, Any]:
    """The media's description once nothing more will happen to it."""
    until(lambda: described(stack, media_id)["status"] in ("stored", "failed"))
    until(lambda: not (stack.upload_dir / "pending" / media_id).exists())
    return described(stack, media_id)


def lines_with(stack: Stack, name: str) -> list[re.Match[str]]:
    lines = stack.activity_log.read_text().split("\n")
    matches = [match for line in lines if (match := LINE.fullmatch(line))]
    assert len(matches) == len([line for line in lines if line])
    return [match for match in matches if match[2] == name]


def test_a_photo_comes_back_watermarked_stored_and_logged(stack: Stack) -> None:
    media = ended(stack, post(stack, images.jpeg(seed=1), "holiday.jpg"))
    assert media["status"] == "stored"
    assert media["stored"]["name"] == "watermarked_holiday.jpg"
    stored = stack.storage_dir / "watermarked_holiday.jpg"
    before, after = Image.open(BytesIO(images.jpeg(seed=1))), Image.open(stored)
    assert after.format == "JPEG"
    changed = ImageChops.difference(before, after).convert("L").point(lambda v: 255 * (v > 30))
    left, top, right, bottom = changed.getbbox() or (0, 0, 0, 0)
    width, height = before.size
    assert left >= width - 10 - 0.2 * width - 16
    assert right <= width
    assert 0 <= top < bottom <= 10 + 0.2 * height + 16
    assert len(lines_with(stack, "watermarked_holiday.jpg")) == 1
    assert [a["stage"] for a in media["attempts"]] == ["watermark", "upload"]
    assert sorted(
        path.name for path in (stack.upload_dir / "done" / media["media_id"]).iterdir()
    ) == [
        ".lock",
        "holiday.jpg",
        "media.json",
        "progress.json",
    ]


def test_25_uploads_of_one_name_at_once_become_25_files_and_25_lines(stack: Stack) -> None:
    contents = [images.jpeg(seed=seed, size=(160, 120)) for seed in range(25)]
    with ThreadPoolExecutor(25) as pool:
        media_ids = list(pool.map(lambda content: post(stack, content, "same.jpg"), contents))
    stored = [ended(stack, media_id)["stored"] for media_id in media_ids]
    names = {file["name"] for file in stored}
    assert len(names) == 25
    assert "watermarked_same.jpg" in names
    assert len({file["sha256"] for file in stored}) == 25
    assert all(len(lines_with(stack, name)) == 1 for name in names)


def test_workers_share_the_work(stack: Stack) -> None:
    content = images.jpeg(size=(1600, 1200))
    with ThreadPoolExecutor(8) as pool:
        media_ids = list(pool.map(lambda _: post(stack, content, "share.jpg"), range(24)))
    workers = Counter(ended(stack, i)["attempts"][0]["worker"] for i in media_ids)
    assert workers.keys() == {"worker-1", "worker-2"}  # how evenly, make bench says


@pytest.mark.parametrize("sent", HOSTILE_NAMES)
def test_a_hostile_name_stays_in_its_folder_and_on_its_line(stack: Stack, sent: str) -> None:
    expected = f"watermarked_{HOSTILE_NAMES[sent]}"
    media = ended(stack, post(stack, images.png(size=(64, 48)), sent))
    assert media["stored"]["name"] == expected
    assert (stack.storage_dir / expected).is_file()
    assert len(lines_with(stack, expected)) == 1


def test_a_name_of_300_characters_keeps_its_extension(stack: Stack) -> None:
    content = images.png(size=(64, 48))
    for _ in range(2):  # the second one needs room for its media_id, too
        media = ended(stack, post(stack, content, "é" * 300 + ".png"))
        assert media["stored"]["name"].endswith(".png")
        assert len(lines_with(stack, media["stored"]["name"])) == 1


def test_a_truncated_photo_fails_with_a_reason_and_the_next_one_does_not(stack: Stack) -> None:
    photo = images.jpeg()
    broken, whole = post(stack, photo[: len(photo) // 2]), post(stack, photo)
    media = ended(stack, broken)
    assert media["status"] == "failed"
    assert media["error"]["code"] == "corrupt_image"
    assert "truncated" in media["error"]["detail"]
    assert (stack.upload_dir / "failed" / broken / "photo.jpg").is_file()
    assert ended(stack, whole)["status"] == "stored"


@pytest.mark.slow
def test_redis_gone_is_a_503_and_back_again_everything_goes_on(tmp_path: Path) -> None:
    """What was accepted before is stored after; nothing needs a hand."""
    with Stack(tmp_path, {"SIMULATED_LATENCY": "0.5", "RECONCILE_SECONDS": "1"}) as stack:
        accepted = [post(stack, images.jpeg(size=(160, 120))) for _ in range(6)]
        stack["redis"].stop()
        refused = httpx.post(f"{stack.url}/media", files={"file": images.jpeg()}, timeout=TIMEOUT_S)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["code"] == "redis_unavailable"
        stack["redis"].start()
        assert {ended(stack, media_id)["status"] for media_id in accepted} == {"stored"}
        assert ended(stack, post(stack, images.jpeg()))["status"] == "stored"


@pytest.mark.slow
def test_a_flushed_redis_loses_no_image(tmp_path: Path) -> None:
    with Stack(tmp_path, {"SIMULATED_LATENCY": "0.2", "RECONCILE_SECONDS": "1"}) as stack:
        accepted = [post(stack, images.jpeg(size=(160, 120))) for _ in range(10)]
        Redis.from_url(stack.redis_url).flushall()
        assert {ended(stack, media_id)["status"] for media_id in accepted} == {"stored"}
        assert len(stack.activity_log.read_text().splitlines()) == 10
