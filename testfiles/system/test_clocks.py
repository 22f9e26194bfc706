"""Clocks that are wrong by minutes, hours or years: nothing waits for them, nothing is deleted."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from faults import wrong_clock
from faults.wrong_clock import WrongClock
from local_stack.stack import ROOT, Stack
from support import images
from support.services import until
from support.stack_client import described, post

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not wrong_clock.is_to_be_had(), reason="there is no libfaketime here (Debian: libfaketime)"
    ),
]
MINUTE_S, HOUR_S, YEAR_S = 60, 3600, 365 * 86_400
PHOTO = images.jpeg(size=(160, 120))
NAMES = ("redis", "central", "gateway", "worker-1")
KEEP = {"KEEP_ORIGINALS_DAYS": "1", "KEEP_FAILED_DAYS": "1", "KEEP_RECEIPTS_DAYS": "1"}


def stack_of(folder: Path, clocks: dict[str, WrongClock], **env: str) -> Stack:
    logo = {"GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png", "RECONCILE_SECONDS": "1"}
    # What the services say is shown where a test fails.
    stack = Stack(folder, {**logo, "RETRY_BACKOFF_SECONDS": "1", **KEEP, **env}, print)
    for name, clock in clocks.items():
        stack[name].env = {**stack[name].env, **clock.env}
    return stack


def clocks_in(folder: Path) -> dict[str, WrongClock]:
    return {name: WrongClock(folder / f"{name}.clock") for name in NAMES}


@pytest.fixture
def clocks(tmp_path: Path) -> dict[str, WrongClock]:
    return clocks_in(tmp_path)


def bad_image(stack: Stack) -> str:
    return post(stack, PHOTO[: len(PHOTO) // 2])


def stored(stack: Stack, media_id: str) -> bool:
    return described(stack, media_id).get("status") == "stored"


def passes(stack: Stack, number: int) -> None:
    """Wait until the reconciler has made so many more passes over the volume."""
    turn = stack.upload_dir / ".reconcile.lock"
    seen = {turn.read_bytes(), b""}
    for _ in range(number):
        until(lambda: turn.read_bytes() not in seen)
        seen.add(turn.read_bytes())


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Stack, dict[str, WrongClock]]]:
    """One stack, whose clocks go wrong and right again from test to test."""
    folder = tmp_path_factory.mktemp("clocks")
    clocks = clocks_in(folder)
    with stack_of(folder, clocks) as stack:
        yield stack, clocks


@pytest.mark.parametrize("wrong", NAMES)
@pytest.mark.parametrize("ahead_s", [-YEAR_S, -3 * HOUR_S, 7 * MINUTE_S, YEAR_S])
def test_images_go_their_way_and_nothing_is_deleted(
    running: tuple[Stack, dict[str, WrongClock]], wrong: str, ahead_s: int
) -> None:
    stack, clocks = running
    early, failed = post(stack, PHOTO), bad_image(stack)
    until(lambda: stored(stack, early) and described(stack, failed)["status"] == "failed")
    clocks[wrong].set(ahead_s)
    try:
        media_ids = [post(stack, PHOTO) for _ in range(3)]
        until(lambda: all(stored(stack, media_id) for media_id in media_ids))
        passes(stack, 2)
    finally:
        clocks[wrong].set(0)
    passes(stack, 1)
    for media_id in (early, *media_ids):
        assert (stack.upload_dir / "done" / media_id / "photo.jpg").is_file()
        assert (stack.storage_dir / ".receipts" / f"{media_id}.json").is_file()
    assert (stack.upload_dir / "failed" / failed).is_dir()


@pytest.mark.parametrize("wrong", ["gateway", "worker-1", "central"])
@pytest.mark.parametrize("ahead_s", [-YEAR_S, YEAR_S])
def test_a_service_that_starts_with_a_wrong_clock_does_its_work(
    tmp_path: Path, clocks: dict[str, WrongClock], wrong: str, ahead_s: int
) -> None:
    with stack_of(tmp_path, {}) as stack:
        media_ids = [post(stack, PHOTO)]
        until(lambda: stored(stack, media_ids[0]))
    clocks[wrong].set(ahead_s)
    with stack_of(tmp_path, clocks) as stack:
        media_ids += [post(stack, PHOTO) for _ in range(3)]
        until(lambda: all(stored(stack, media_id) for media_id in media_ids))
        passes(stack, 2)
        for media_id in media_ids:
            assert (stack.upload_dir / "done" / media_id).is_dir()
            assert (stack.storage_dir / ".receipts" / f"{media_id}.json").is_file()


@pytest.mark.parametrize("ahead_s", [-YEAR_S, 3 * HOUR_S])
def test_what_waits_for_its_retry_does_not_wait_for_a_clock(
    tmp_path: Path, clocks: dict[str, WrongClock], ahead_s: int
) -> None:
    """A worker notes when the next attempt is due, and its clock is set right, or wrong, then."""
    with stack_of(tmp_path, clocks, WORKERS="1") as stack:
        stack["central"].stop()
        clocks["worker-1"].set(ahead_s)
        media_id = post(stack, PHOTO)
        until(lambda: described(stack, media_id)["next_attempt_at"])
        clocks["worker-1"].set(0)
        stack["central"].start()
        until(lambda: stored(stack, media_id))


@pytest.mark.parametrize("ahead_s", [-YEAR_S, YEAR_S])
def test_what_central_missed_is_taken_up_again_though_a_workers_clock_is_wrong(
    tmp_path: Path, clocks: dict[str, WrongClock], ahead_s: int
) -> None:
    with stack_of(tmp_path, clocks, RETRY_BACKOFF_SECONDS="0.05") as stack:
        stack["central"].stop()
        media_id = post(stack, PHOTO)
        until(lambda: described(stack, media_id)["status"] == "failed")
        clocks["worker-1"].set(ahead_s)
        stack["central"].start()
        until(lambda: stored(stack, media_id))


@pytest.mark.parametrize(
    ("wrong", "ahead_s"),
    [("gateway", -2 * HOUR_S), ("worker-1", 2 * HOUR_S), ("redis", 2 * HOUR_S)],
)
def test_an_upload_that_is_still_coming_in_is_not_swept(
    tmp_path: Path, clocks: dict[str, WrongClock], wrong: str, ahead_s: int
) -> None:
    content = images.jpeg(size=(1600, 1200))
    head = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
        + content
    )
    body = head + bytes(600_000) + b"\r\n--x--\r\n"
    with stack_of(tmp_path, clocks) as stack:
        address = urlsplit(stack.url)
        with socket.create_connection((address.hostname, address.port), timeout=60) as call:
            call.sendall(
                b"POST /media HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
                b"boundary=x\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            call.sendall(body[:-300_000])
            until(lambda: list((stack.upload_dir / "incoming").glob("*/photo.jpg")))
            clocks[wrong].set(ahead_s)
            passes(stack, 3)
            call.sendall(body[-300_000:])
            assert call.recv(1000).startswith(b"HTTP/1.1 202 ")


def test_what_was_queued_while_redis_was_ahead_does_not_wait_for_that_time(
    tmp_path: Path, clocks: dict[str, WrongClock]
) -> None:
    clocks["redis"].set(7 * MINUTE_S)
    with stack_of(tmp_path, clocks) as stack:
        stack["worker-1"].stop()
        media_id = post(stack, PHOTO)
        clocks["redis"].set(0)
        until(lambda: redis_time(stack) < time.time() + MINUTE_S)
        stack["worker-1"].start()
        until(lambda: stored(stack, media_id))


def redis_time(stack: Stack) -> float:
    with Redis.from_url(stack.redis_url) as redis:
        seconds, _ = redis.time()
        return float(seconds)
