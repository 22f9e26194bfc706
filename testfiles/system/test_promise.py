"""A 202 is a promise: what testfiles/README.md says survives what, through real processes.

make chaos does the same at random.
"""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis

from local_stack.stack import ROOT, Stack
from support import images
from support.fast import redis_server
from support.services import in_process, until
from support.stack_client import TIMEOUT_S, described, post

pytestmark = pytest.mark.slow


SMALL = images.jpeg(size=(64, 48))


@contextmanager
def running_stack(folder: Path, **settings: str) -> Iterator[Stack]:
    logo = str(ROOT / "worker-server" / "bundled_logo.png")
    with Stack(folder, {"GOOGLE_LOGO": logo, **settings}) as stack:
        yield stack


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Stack]:
    """Gives up on central after a second and looks for it every second."""
    with running_stack(tmp_path, RETRY_BACKOFF_SECONDS="0.05", RECONCILE_SECONDS="1") as stack:
        yield stack


def post_many(stack: Stack, count: int) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: post(stack, SMALL), range(count)))


def pending(stack: Stack) -> int:
    return len(list((stack.upload_dir / "pending").iterdir()))


def assert_each_stored_once(stack: Stack, media_ids: list[str]) -> None:
    """One file and one line for each, and no other file or line."""
    until(lambda: pending(stack) == 0)
    names = [described(stack, media_id)["stored"]["name"] for media_id in media_ids]
    lines = [line.rpartition("IMAGE: ")[2] for line in stack.activity_log.read_text().splitlines()]
    assert Counter(lines) == Counter(names) == dict.fromkeys(names, 1)
    files = {path.name for path in stack.storage_dir.iterdir() if not path.name.startswith(".")}
    assert files == set(names)


def test_200_pending_survive_a_flushall_at_the_default_settings(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        stack["worker-1"].stop()
        media_ids = post_many(stack, 200)
        stack["worker-1"].start()
        Redis.from_url(stack.redis_url).flushall()
        assert_each_stored_once(stack, media_ids)


def test_everything_killed_at_once_goes_on_where_it_was(tmp_path: Path) -> None:
    with running_stack(tmp_path, WORKERS="2") as stack:
        media_ids = post_many(stack, 60)
        until(lambda: pending(stack) < 50)
        services = ["redis", "central", "gateway", "worker-1", "worker-2"]
        for name in services:
            stack[name].kill()
        for name in services:
            stack[name].start()
        assert_each_stored_once(stack, media_ids)


def test_a_killed_workers_images_are_taken_up_by_another_at_the_default_settings(
    tmp_path: Path,
) -> None:
    with running_stack(tmp_path, WORKERS="2", SIMULATED_LATENCY="1") as stack:
        media_ids = post_many(stack, 8)
        until(lambda: any(described(stack, each)["attempts"] for each in media_ids))
        stack["worker-1"].kill()
        assert_each_stored_once(stack, media_ids)


def test_what_central_missed_is_stored_once_it_is_back(impatient: Stack) -> None:
    impatient["central"].kill()
    media_ids = post_many(impatient, 3)
    until(lambda: {described(impatient, each)["status"] for each in media_ids} == {"failed"})
    media = described(impatient, media_ids[0])
    assert media["error"]["code"] == "central_unreachable"
    assert "queued again by itself once central answers" in media["next"]
    assert len([a for a in media["attempts"] if a["stage"] == "upload"]) == 6
    impatient["central"].start()
    until(lambda: {described(impatient, each)["status"] for each in media_ids} == {"stored"})
    assert described(impatient, media_ids[0])["run"] > 1
    assert_each_stored_once(impatient, media_ids)


def test_a_central_without_room_is_one_that_is_not_there(impatient: Stack) -> None:
    """In a file system of its own it would be full; here the limit is."""
    impatient["central"].kill()
    with_room, impatient["central"].env = (
        impatient["central"].env,
        {
            **impatient["central"].env,
            "MIN_FREE_MB": str(10**9),
        },
    )
    impatient["central"].spawn()
    media_id = post(impatient, SMALL)
    until(lambda: "MIN_FREE_MB" in str(described(impatient, media_id)))
    assert described(impatient, media_id)["stored"] is None
    impatient["central"].stop()
    impatient["central"].env = with_room
    impatient["central"].start()
    until(lambda: described(impatient, media_id)["status"] == "stored")
    assert_each_stored_once(impatient, [media_id])


def test_a_retry_begins_anew_and_says_so(impatient: Stack) -> None:
    media_id = post(impatient, images.jpeg()[:4000])
    until(lambda: described(impatient, media_id)["status"] == "failed")
    assert f"POST /media/{media_id}/retry" in described(impatient, media_id)["next"]
    mended = impatient.upload_dir / "failed" / media_id / "photo.jpg"
    mended.write_bytes(SMALL)
    assert (
        httpx.post(f"{impatient.url}/media/{media_id}/retry", timeout=TIMEOUT_S).status_code == 202
    )
    until(lambda: described(impatient, media_id)["status"] == "stored")
    media = described(impatient, media_id)
    assert (media["run"], len(media["attempts"])) == (2, 2)


def test_what_is_deleted_is_gone_everywhere_but_from_the_log(impatient: Stack) -> None:
    media_id, kept = post(impatient, SMALL), post(impatient, SMALL)
    until(lambda: described(impatient, media_id)["status"] == "stored")
    until(lambda: described(impatient, kept)["status"] == "stored")
    name = described(impatient, media_id)["stored"]["name"]
    assert httpx.delete(f"{impatient.url}/media/{media_id}", timeout=TIMEOUT_S).status_code == 204
    for url in (impatient.url, impatient.central_url):
        assert httpx.get(f"{url}/media/{media_id}", timeout=TIMEOUT_S).status_code == 404
        assert httpx.get(f"{url}/media/{kept}", timeout=TIMEOUT_S).status_code == 200
    assert not (impatient.storage_dir / name).exists()
    assert f"IMAGE: {name}\n" in impatient.activity_log.read_text()
    assert httpx.delete(f"{impatient.url}/media/{media_id}", timeout=TIMEOUT_S).status_code == 404


def test_an_upload_repeated_with_its_key_is_stored_once(impatient: Stack) -> None:
    def post_with_key(_: int) -> httpx.Response:
        files = {"file": ("photo.jpg", SMALL)}
        headers = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
        return httpx.post(f"{impatient.url}/media", files=files, headers=headers, timeout=TIMEOUT_S)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post_with_key, range(16)))
    assert {answer.status_code for answer in answers} == {202}
    [media_id] = {answer.json()["media_id"] for answer in answers}
    assert_each_stored_once(impatient, [media_id])


def test_the_bytes_the_record_and_their_folder_are_on_the_disk_before_the_202(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut after the answer must leave."""
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def noted_fsync(fd: int) -> None:
        fsync(fd)
        steps.append(f"fsync {Path(f'/proc/self/fd/{fd}').readlink().name}")

    def noted_rename(source: str | Path, target: str | Path) -> None:
        rename(source, target)
        steps.append(f"rename into {Path(target).parent.name}")

    with redis_server(tmp_path) as redis:
        env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path), "MIN_FREE_MB": "0"}
        with in_process("fast-server", env) as fast:
            monkeypatch.setattr(os, "fsync", noted_fsync)
            monkeypatch.setattr(os, "rename", noted_rename)
            answer = fast.post("/media", files={"file": ("photo.jpg", SMALL)})
            monkeypatch.undo()
    assert [step for step in steps if tmp_path.name not in step] == [  # swept at the start
        "fsync photo.jpg",
        "fsync media.json",
        f"fsync {answer.json()['media_id']}",
        "rename into pending",
        "fsync pending",
    ]
