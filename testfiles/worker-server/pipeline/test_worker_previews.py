"""Previews that a real worker makes: in which order, how often, and what becomes of the others."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from PIL import Image
from redis import Redis
from ulid import ULID

from options import Options
from pipeline.previews import PreviewMaker
from runtime.decoder_processes import DecoderProcesses
from shared import pause
from shared.background import end
from shared.redis import previews
from shared.redis.previews import WANTED_KEYS, Failure, Kind, Preview, Size
from shared.spool import Spool
from support import images
from support.services import until
from support.web_server import Request, Web
from support.worker import (
    Worker,
    add_media,
    connected,
    enqueue,
    progress_of,
    running_redis,
    running_worker,
    state_of,
)

CONTENT = images.jpeg(size=(640, 480))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WANTED_KEY = WANTED_KEYS[Kind.ORIGINAL]
STORED = {"name": "a.jpg", "sha256": SHA256, "size": len(CONTENT)}


class Central:
    """Sends the stored image; while it is closed, requests wait. asked has the media, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._open = threading.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def __call__(self, request: Request) -> None:
        self.asked.append(request.path.rpartition("/")[2])
        self._open.wait(60)
        request.respond(200, CONTENT, Content_Type="image/jpeg")


class Bench(NamedTuple):
    uploads: Path
    redis: Redis
    web: Web
    central: Central

    def stored(self, media_id: str | None = None) -> str:
        return add_media(
            self.uploads,
            CONTENT,
            state="done",
            media_id=media_id,
            status="stored",
            stored=STORED,
        )

    def ask(self, media_id: str, of: Kind = Kind.WATERMARKED) -> Preview:
        preview = Preview(media_id, of, Size.SMALL)

        async def scenario() -> None:
            async with connected(self.redis) as redis:
                await previews.ask(redis, preview)

        asyncio.run(scenario())
        return preview

    def state(self, preview: Preview) -> previews.State:
        async def scenario() -> previews.State:
            async with connected(self.redis) as redis:
                return (await previews.states(redis, [preview]))[0]

        return asyncio.run(scenario())

    def failure(self, preview: Preview) -> Failure:
        until(lambda: self.state(preview).is_over)
        failure = self.state(preview).failure
        assert failure is not None
        return failure

    def is_made(self, preview: Preview) -> bool:
        return preview.path(self.uploads).is_file() and self.state(preview).is_made

    def leftovers(self) -> list[str]:
        return [path.name for path in (self.uploads / ".previews").rglob(".making*")]

    def lifetime_s(self, preview: Preview) -> float:
        lifetime_ms = self.redis.pttl(f"media-processor:preview:{preview.key}")
        assert isinstance(lifetime_ms, int)
        return lifetime_ms / 1000

    def worker(self, **settings: str) -> Worker:
        return Worker(self.uploads, self.redis, self.web.url, **settings)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Redis, Web]]:
    folder = tmp_path_factory.mktemp("worker")
    uploads = folder / "uploads"
    with (
        running_redis(folder) as (_, redis),
        Web(Central()) as web,
        running_worker(uploads, redis, web.url) as worker,
    ):
        yield uploads, redis, web
        assert worker.process.poll() is None
        assert "Traceback" not in worker.console()


@pytest.fixture
def bench(started: tuple[Path, Redis, Web]) -> Iterator[Bench]:
    """Shared by the tests of this module, which leave its worker at work."""
    uploads, redis, web = started
    central = web.answer = Central()
    yield Bench(uploads, redis, web, central)
    central.open()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Bench]:
    """Without a worker."""
    uploads, central = tmp_path / "uploads", Central()
    with running_redis(tmp_path) as (_, redis), Web(central) as web:
        yield Bench(uploads, redis, web, central)
        central.open()


@pytest.mark.parametrize("of", Kind)
def test_it_is_made_and_nothing_else_is_left(bench: Bench, of: Kind) -> None:
    preview = bench.ask(bench.stored(), of)
    until(lambda: bench.is_made(preview))
    with Image.open(BytesIO(preview.path(bench.uploads).read_bytes())) as image:
        assert (image.format, image.size) == ("WEBP", (320, 240))
    until(lambda: bench.leftovers() == [])
    assert (bench.uploads / "done" / preview.media_id / "photo.jpg").stat().st_nlink == 1


def test_what_is_asked_for_twice_is_made_once(bench: Bench) -> None:
    bench.central.close()
    media_id = bench.stored()
    preview = bench.ask(media_id)
    until(lambda: bench.central.asked == [media_id])
    bench.ask(media_id)
    bench.central.open()
    until(lambda: bench.is_made(preview))
    bench.ask(media_id)  # its file is there: no work
    until(lambda: bench.state(preview).is_made)
    assert bench.central.asked == [media_id]


def test_the_newest_request_goes_first(bench: Bench) -> None:
    bench.central.close()
    first = bench.ask(bench.stored())
    until(lambda: bench.central.asked)
    later = [bench.ask(bench.stored()) for _ in range(3)]
    again = bench.ask(later[0].media_id)
    bench.central.open()
    until(lambda: all(bench.is_made(preview) for preview in later))
    order = [first, again, later[2], later[1]]
    assert bench.central.asked == [preview.media_id for preview in order]


def test_originals_do_not_wait_for_a_central_that_hangs(bench: Bench) -> None:
    bench.central.close()
    hanging = bench.ask(bench.stored())
    until(lambda: bench.central.asked)
    preview = bench.ask(bench.stored(), Kind.ORIGINAL)
    until(lambda: bench.is_made(preview))
    assert not bench.state(hanging).is_over
    bench.central.open()
    until(lambda: bench.is_made(hanging))


def test_what_a_dead_worker_had_of_a_media_goes_with_the_media(alone: Bench) -> None:
    alone.central.close()
    media_id = alone.ask(alone.stored()).media_id
    with running_worker(alone.uploads, alone.redis, alone.web.url) as worker:
        until(lambda: alone.leftovers())
        worker.process.kill()
        worker.process.wait()
    assert alone.leftovers()
    with Spool(alone.uploads).hold(media_id) as media:
        media.remove()
    assert [*(alone.uploads / ".previews").iterdir()] == []


def test_it_is_made_while_the_workers_pause(bench: Bench) -> None:
    pause.begin(bench.uploads)
    try:
        waiting = add_media(bench.uploads)
        enqueue(bench.redis, waiting)
        preview = bench.ask(waiting, Kind.ORIGINAL)
        until(lambda: bench.is_made(preview))
        assert state_of(bench.uploads, waiting) == "pending"
    finally:
        pause.end(bench.uploads)


def test_a_broken_image_says_why_for_an_hour(bench: Bench) -> None:
    preview = bench.ask(add_media(bench.uploads, CONTENT[:300]), Kind.ORIGINAL)
    code, detail, is_final = bench.failure(preview)
    assert (code, is_final) == ("corrupt_image", True)
    assert "The image is damaged" in detail
    assert 3000 < bench.lifetime_s(preview) <= 3600
    assert bench.leftovers() == []


@pytest.mark.parametrize("instead", ["nothing", "link", "folder"])
def test_an_original_that_is_not_there_says_so(bench: Bench, instead: str) -> None:
    media_id = bench.stored()
    path = bench.uploads / "done" / media_id / "photo.jpg"
    path.unlink()
    if instead == "link":
        path.symlink_to(__file__)
    elif instead == "folder":
        path.mkdir()
    assert bench.failure(bench.ask(media_id, Kind.ORIGINAL)).code == "original_missing"
    assert bench.leftovers() == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"\0", b"x" * len(CONTENT)])
def test_what_central_did_not_store_is_not_shown(bench: Bench, content: bytes) -> None:
    bench.web.answer = lambda request: request.respond(200, content)
    code, detail, is_final = bench.failure(bench.ask(bench.stored()))
    assert (code, is_final) == ("central_unreachable", False)
    assert "another image than it has stored" in detail


def test_central_that_is_gone_says_so_and_is_asked_again_after_two_seconds(bench: Bench) -> None:
    bench.web.answer = lambda request: request.refuse(503, "disk_full", "No space.")
    preview = bench.ask(bench.stored())
    code, detail, is_final = bench.failure(preview)
    assert (code, is_final) == ("central_unreachable", False)
    assert "503: No space." in detail
    assert bench.lifetime_s(preview) <= 2
    bench.web.answer = Central()
    until(lambda: not bench.state(preview).is_over)
    bench.ask(preview.media_id)
    until(lambda: bench.is_made(preview))


@pytest.mark.parametrize(("status", "said"), [(404, "media_not_found"), (410, "media_deleted")])
def test_an_image_that_central_lost_is_not_stored(bench: Bench, status: int, said: str) -> None:
    bench.web.answer = lambda request: request.refuse(status, said, "It was deleted.")
    code, detail, is_final = bench.failure(bench.ask(bench.stored()))
    assert (code, is_final) == ("not_stored", False)
    assert f"{status}: It was deleted." in detail


def test_a_preview_of_a_media_that_was_deleted_meanwhile_does_not_stay(bench: Bench) -> None:
    bench.central.close()
    preview, marker = bench.ask(bench.stored()), bench.stored()
    until(lambda: bench.central.asked)
    with Spool(bench.uploads).hold(preview.media_id) as media:
        media.remove()
    bench.central.open()
    after = bench.ask(marker)
    until(lambda: bench.is_made(after))
    assert not preview.path(bench.uploads).parent.exists()
    assert not bench.state(preview).is_over


def test_removing_a_media_removes_its_previews(bench: Bench) -> None:
    preview = bench.ask(bench.stored(), Kind.ORIGINAL)
    until(lambda: bench.is_made(preview))
    with Spool(bench.uploads).hold(preview.media_id) as media:
        media.remove()
    assert not preview.path(bench.uploads).parent.exists()


def test_foreign_requests_are_passed_over(bench: Bench) -> None:
    ours = str(ULID())
    for key in ("\udcff", "a:b:c", f"{ours}:original:321", f"{ours}:x:320", "../:original:320"):
        bench.redis.zadd(WANTED_KEY, {os.fsencode(key): 9e12})
    preview = bench.ask(bench.stored(), Kind.ORIGINAL)
    until(lambda: bench.is_made(preview))
    assert bench.redis.zcard(WANTED_KEY) == 0


def test_a_foreign_key_is_put_aside(bench: Bench) -> None:
    bench.redis.set(WANTED_KEY, "none of ours")
    until(lambda: bench.redis.keys(f"{WANTED_KEY}:put-aside:*"))
    preview = bench.ask(bench.stored(), Kind.ORIGINAL)
    until(lambda: bench.is_made(preview))


def test_images_go_on_where_a_foreign_key_cannot_be_put_aside(alone: Bench) -> None:
    alone.redis.set(WANTED_KEY, "none of ours")
    alone.redis.acl_setuser("default", enabled=True, commands=["-rename"])
    with running_worker(alone.uploads, alone.redis, alone.web.url) as worker:
        until(lambda: worker.console().count("WRONGTYPE") > 1)
        assert "taking jobs failed" not in worker.console()


def test_a_request_that_nobody_repeated_is_dropped(bench: Bench) -> None:
    old = Preview(bench.stored(), Kind.ORIGINAL, Size.SMALL)
    seconds, _ = bench.redis.time()  # type: ignore[misc]
    bench.redis.zadd(WANTED_KEY, {old.key: seconds - 31})
    until(lambda: bench.redis.zcard(WANTED_KEY) == 0)
    preview = bench.ask(bench.stored(), Kind.ORIGINAL)
    until(lambda: bench.is_made(preview))
    assert not old.path(bench.uploads).exists()


def test_the_newest_thousand_requests_are_kept(alone: Bench) -> None:
    wanted = [Preview(str(ULID()), Kind.ORIGINAL, Size.SMALL) for _ in range(1005)]

    async def scenario() -> None:
        async with connected(alone.redis) as redis:
            for preview in wanted:
                await previews.ask(redis, preview)

    asyncio.run(scenario())
    kept = alone.redis.zrange(WANTED_KEY, 0, -1)
    assert kept == [preview.key.encode() for preview in wanted[5:]]


def test_two_workers_make_each_preview_once(alone: Bench) -> None:
    alone.central.close()
    wanted = [alone.ask(alone.stored()) for _ in range(6)]
    with (
        running_worker(alone.uploads, alone.redis, alone.web.url, WORKER_NAME="worker-1"),
        running_worker(alone.uploads, alone.redis, alone.web.url, WORKER_NAME="worker-2"),
    ):
        until(lambda: len(alone.central.asked) == 2)
        alone.central.open()
        until(lambda: all(alone.is_made(preview) for preview in wanted))
    assert sorted(alone.central.asked) == sorted(preview.media_id for preview in wanted)


def test_what_a_worker_made_that_was_killed_is_made_by_another(alone: Bench) -> None:
    alone.central.close()
    preview = alone.ask(alone.stored())
    with running_worker(alone.uploads, alone.redis, alone.web.url) as killed:
        until(lambda: alone.central.asked)
        killed.kill()
    alone.central.open()
    with running_worker(alone.uploads, alone.redis, alone.web.url, WORKER_NAME="worker-2"):

        def is_made() -> bool:
            alone.ask(preview.media_id)
            return preview.path(alone.uploads).is_file()

        until(is_made)
    assert alone.central.asked == [preview.media_id] * 2


def test_a_disk_that_fails_is_said_without_its_paths(alone: Bench) -> None:
    preview = alone.ask(alone.stored())
    (alone.uploads / ".previews").write_bytes(b"no folder")
    with running_worker(alone.uploads, alone.redis, alone.web.url) as worker:
        failure = alone.failure(preview)
        assert f"{alone.uploads}/.previews" in worker.console()
    assert failure == Failure("storage_unavailable", "The disk: File exists.", is_final=False)


def test_a_power_cut_leaves_no_empty_one(alone: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes reach the disk before its name does."""
    preview, fsynced = alone.ask(alone.stored(), Kind.ORIGINAL), list[bytes]()
    stages: Any = SimpleNamespace(
        spool=Spool(alone.uploads),
        decoders=DecoderProcesses(1, 30, 1024, alone.uploads),
        settings=SimpleNamespace(options=Options()),
    )

    def fsync(fd: int) -> None:
        assert not preview.path(alone.uploads).exists()
        fsynced.append(Path(f"/proc/self/fd/{fd}").read_bytes())

    async def scenario() -> None:
        async with connected(alone.redis) as redis:
            making = asyncio.create_task(PreviewMaker(stages).run(redis, Kind.ORIGINAL))
            await asyncio.to_thread(until, lambda: alone.state(preview).is_over)
            await end([making])

    monkeypatch.setattr(os, "fsync", fsync)
    asyncio.run(scenario())
    assert fsynced == [preview.path(alone.uploads).read_bytes()]


def test_a_worker_that_makes_one_ends_cleanly(alone: Bench) -> None:
    alone.central.close()
    alone.ask(alone.stored())
    with running_worker(alone.uploads, alone.redis, alone.web.url) as worker:
        until(lambda: alone.central.asked)
        worker.process.terminate()
        assert worker.process.wait(30) == 0
        assert "Traceback" not in worker.console()
    assert alone.leftovers() == []


def test_with_one_process_that_images_keep_busy_a_preview_is_made_soon(alone: Bench) -> None:
    media = [add_media(alone.uploads, CONTENT) for _ in range(20)]
    for media_id in media:
        enqueue(alone.redis, media_id)
    settings = {"WATERMARK_PROCESSES": "1", "SIMULATED_LATENCY": "0.2"}
    with running_worker(alone.uploads, alone.redis, alone.web.url, **settings):
        preview = alone.ask(media[-1], Kind.ORIGINAL)
        until(lambda: alone.is_made(preview))
        assert "queued" in [progress_of(alone.uploads, media_id)["status"] for media_id in media]


def test_a_redis_that_comes_back_finds_the_worker_at_work(tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    with running_redis(tmp_path) as (service, redis), Web(Central()) as web:
        bench = Bench(uploads, redis, web, Central())
        with running_worker(uploads, redis, web.url) as worker:
            service.kill()
            service.start()
            preview = Preview(bench.stored(), Kind.ORIGINAL, Size.SMALL)

            def is_made() -> bool:
                bench.ask(preview.media_id, Kind.ORIGINAL)
                return preview.path(uploads).is_file()

            until(is_made)
            assert worker.process.poll() is None
