"""A real worker process with a real Redis: what becomes of each media."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image
from redis import Redis
from ulid import ULID

from support import images
from support.services import until
from support.web_server import Request, Web, as_central
from support.worker import (
    FOLDER,
    Worker,
    add_media,
    enqueue,
    errors_of,
    progress_of,
    queued,
    running_redis,
    running_worker,
    state_of,
)

WATERMARKED = {"name": "watermarked_photo.jpg", "sha256": "0" * 64, "size": 1}


class Bench(NamedTuple):
    uploads: Path
    redis: Redis
    central: Web
    worker: Worker

    def add(self, *args: Any, **options: Any) -> str:
        """A media with its first job."""
        media_id = add_media(self.uploads, *args, **options)
        enqueue(self.redis, media_id)
        return media_id

    def wait(self, media_id: str, state: str) -> dict[str, Any]:
        until(lambda: state_of(self.uploads, media_id) in ("failed", "done"))
        assert state_of(self.uploads, media_id) == state, progress_of(self.uploads, media_id)
        return progress_of(self.uploads, media_id)

    def deliveries(self, media_id: str) -> int:
        return [r.field("media_id").decode() for r in self.central.requests].count(media_id)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("worker")
    uploads = folder / "uploads"
    with (
        running_redis(folder) as (_, redis),
        Web(as_central) as central,
        running_worker(uploads, redis, central.url, AWS_ACCESS="1") as worker,
    ):
        yield Bench(uploads, redis, central, worker)


@pytest.fixture
def bench(started: Bench) -> Iterator[Bench]:
    """Shared by the tests of this module, which leave the worker at work."""
    started.central.answer = as_central
    yield started
    assert started.worker.process.poll() is None
    assert "Traceback" not in started.worker.console()


def test_a_media_goes_its_way_with_one_attempt_at_each_stage(bench: Bench) -> None:
    media_id = bench.add()
    media = bench.wait(media_id, "done")
    attempts = [(a["stage"], a["worker"], a["error"]) for a in media["attempts"]]
    assert attempts == [("watermark", "worker-1", None), ("upload", "worker-1", None)]
    assert media["status"] == "stored"
    assert media["stored"]["sha256"] == media["watermarked"]["sha256"]
    names = {path.name for path in (bench.uploads / "done" / media_id).iterdir()}
    assert names == {"photo.jpg", "media.json", "progress.json", ".lock"}
    assert bench.deliveries(media_id) == 1


def test_a_truncated_image_fails_alone(bench: Bench) -> None:
    content = images.jpeg(size=(160, 120))
    broken = bench.add(content[: len(content) // 2])
    media = bench.wait(broken, "failed")
    assert media["status"] == "failed"
    assert media["error"]["code"] == "corrupt_image"
    assert "truncated" in media["error"]["detail"]
    assert errors_of(bench.uploads, broken) == ["corrupt_image"]
    path = bench.uploads / "failed" / broken
    assert (path / "photo.jpg").read_bytes() == content[: len(content) // 2]
    assert {each.name for each in path.iterdir()} == {
        "photo.jpg",
        "media.json",
        "progress.json",
        ".lock",
    }
    bench.wait(bench.add(), "done")


def test_an_original_that_was_deleted_fails_saying_so(bench: Bench) -> None:
    media_id = add_media(bench.uploads)
    (bench.uploads / "pending" / media_id / "photo.jpg").unlink()
    enqueue(bench.redis, media_id)
    assert bench.wait(media_id, "failed")["error"]["code"] == "original_missing"


@pytest.mark.slow
@pytest.mark.parametrize(
    "record",
    [None, b"", b'{"filename": "ph', b"[]", b"null", b"[" * 100_000, b'{"filename": "../other"}'],
)
@pytest.mark.parametrize("progress", [{}, {"status": "watermarked", "watermarked": WATERMARKED}])
def test_a_damaged_record_fails_saying_so(
    bench: Bench, record: bytes | None, progress: dict[str, Any]
) -> None:
    media_id = add_media(bench.uploads, **progress)
    path = bench.uploads / "pending" / media_id / "media.json"
    path.unlink()
    if record is not None:
        path.write_bytes(record)
    enqueue(bench.redis, media_id, "upload" if progress else "watermark")
    media = bench.wait(media_id, "failed")
    assert media["error"]["code"] == "record_damaged"
    assert media["media_id"] == media_id
    assert (bench.uploads / "failed" / media_id / "photo.jpg").exists()


@pytest.mark.slow
def test_central_in_trouble_is_tried_six_times(bench: Bench) -> None:
    bench.central.answer = lambda request: request.respond(503)
    media_id = bench.add()
    media = bench.wait(media_id, "failed")
    assert media["error"]["code"] == "central_unreachable"
    assert errors_of(bench.uploads, media_id) == [None] + 6 * ["central_unreachable"]
    assert bench.deliveries(media_id) == 6
    assert (bench.uploads / "failed" / media_id / "watermarked_photo.jpg").exists()
    assert "retry 5/5" in bench.worker.console()


@pytest.mark.slow
def test_central_coming_back_in_time_gets_the_image(bench: Bench) -> None:
    bench.central.answer = lambda request: request.respond(500)
    media_id = bench.add()

    def recovering(request: Request) -> None:
        if bench.deliveries(media_id) < 4:
            request.respond(502)
        else:
            as_central(request)

    bench.central.answer = recovering
    assert bench.wait(media_id, "done")["error"] is None
    codes = errors_of(bench.uploads, media_id)
    assert codes[0] is codes[-1] is None
    assert codes[1:-1] == 3 * ["central_unreachable"]


def test_an_image_central_refuses_is_not_sent_again(bench: Bench) -> None:
    reason = "It is too large."
    bench.central.answer = lambda request: request.refuse(413, "upload_too_large", reason)
    media_id = bench.add()
    media = bench.wait(media_id, "failed")
    assert media["error"]["code"] == "central_refused"
    assert reason in media["error"]["detail"]
    assert bench.deliveries(media_id) == 1


def test_jobs_there_is_nothing_to_do_for_end_silently(bench: Bench) -> None:
    finished = bench.add()
    bench.wait(finished, "done")
    error = {"code": "corrupt_image", "detail": "It is damaged."}
    newer = add_media(bench.uploads, state="failed", run=2, status="failed", error=error)
    unknown = str(ULID())
    before = bench.worker.console()
    for media_id in (finished, newer, unknown):
        for stage in ("watermark", "upload"):
            enqueue(bench.redis, media_id, stage)
            enqueue(bench.redis, media_id, stage, run=7)
    until(lambda: not queued(bench.redis))
    assert bench.worker.console() == before
    assert bench.deliveries(finished) == 1
    assert len(progress_of(bench.uploads, finished)["attempts"]) == 2
    assert state_of(bench.uploads, newer) == "failed"


def test_a_job_of_an_earlier_run_does_nothing(bench: Bench) -> None:
    media_id = add_media(bench.uploads, run=2)
    enqueue(bench.redis, media_id, run=1)
    enqueue(bench.redis, media_id, run=2)
    media = bench.wait(media_id, "done")
    assert media["run"] == 2
    assert len(media["attempts"]) == 2


def test_a_job_twice_or_before_its_turn_is_harmless(bench: Bench) -> None:
    media_id = add_media(bench.uploads)
    for _ in range(3):
        enqueue(bench.redis, media_id, "upload")
    bench.wait(media_id, "done")
    until(lambda: not queued(bench.redis))
    assert errors_of(bench.uploads, media_id) == [None, None]
    assert bench.deliveries(media_id) == 1


def test_output_that_was_torn_is_made_again(bench: Bench) -> None:
    torn = {"name": "watermarked_photo.jpg", "sha256": "0" * 64, "size": 3}
    media_id = add_media(bench.uploads, status="watermarked", watermarked=torn)
    (bench.uploads / "pending" / media_id / "watermarked_photo.jpg").write_bytes(b"tor")
    enqueue(bench.redis, media_id, "upload")
    bench.wait(media_id, "done")
    [request] = [r for r in bench.central.requests if r.field("media_id") == media_id.encode()]
    assert len(request.field("file")) > 1000


def test_small_images_overtake_a_large_one(bench: Bench) -> None:
    content = images.encode(Image.new("RGB", (10_000, 6_000)), "JPEG", progressive=True)
    large = bench.add(content)
    until(lambda: progress_of(bench.uploads, large)["status"] == "watermarking")
    small = [bench.add() for _ in range(10)]
    stored = {i: bench.wait(i, "done")["stored"]["stored_at"] for i in (*small, large)}
    assert max(stored, key=lambda media_id: stored[media_id]) == large


def check(worker: Worker, **env: str) -> tuple[int, str]:
    """What `worker.py --check` says of it."""
    command = [sys.executable, "worker.py", "--check"]
    environ = {**worker.env, **env}
    ended = subprocess.run(command, cwd=FOLDER, env=environ, capture_output=True, text=True)
    return ended.returncode, ended.stderr


def test_the_check_says_whether_it_is_at_work(bench: Bench) -> None:
    assert check(bench.worker) == (0, "")
    status, told = check(bench.worker, WORKER_NAME="worker-2")
    assert (status, told.splitlines()[1:]) == (1, [])
    assert told.startswith("worker-2 has not reported to Redis")
    status, told = check(bench.worker, REDIS_URL="redis://127.0.0.1:1")
    assert (status, told.splitlines()[1:]) == (1, [])
    assert told.startswith("Redis does not answer")


@pytest.mark.slow
def test_a_logo_that_cannot_work_fails_images_at_once_and_they_are_rerun_once_it_does(
    tmp_path: Path,
) -> None:
    logo, uploads = tmp_path / "logo.png", tmp_path / "uploads"
    logo.write_text("<svg/>")
    with (
        running_redis(tmp_path) as (_, redis),
        Web(as_central) as central,
        running_worker(uploads, redis, central.url, GOOGLE_LOGO=str(logo)) as worker,
    ):
        bench = Bench(uploads, redis, central, worker)
        until(lambda: f"The logo {logo} cannot be had: SVG logos are not taken" in worker.console())
        until(lambda: check(worker)[0] == 1)
        assert check(worker)[1].startswith(f"worker-1: The logo {logo} cannot be had: SVG")
        media_id = bench.add()
        error = bench.wait(media_id, "failed")["error"]
        assert error["code"] == "logo_unavailable"
        assert "SVG logos are not taken" in error["detail"]
        assert errors_of(uploads, media_id) == ["logo_unavailable"], "nothing is gained by retries"
        assert "queued again by itself once there is a logo that works, until" in worker.console()
        logo.write_bytes((FOLDER / "bundled_logo.png").read_bytes())
        until(lambda: state_of(uploads, media_id) == "done")
        until(lambda: check(worker) == (0, ""))
        assert bench.deliveries(media_id) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process' environment")
def test_a_decoder_knows_no_address_and_no_password(bench: Bench) -> None:
    bench.wait(bench.add(), "done")
    parent = bench.worker.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    assert children
    for child in children:
        names = {
            line.partition(b"=")[0].decode()
            for line in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        }
        assert "PATH" in names
        assert not names & {
            "REDIS_URL",
            "CENTRAL_SERVER_URL",
            "GOOGLE_LOGO",
            "UPLOAD_DIR",
            "SECRET",
        }
