"""/ready tries what an upload needs; what is missing comes back, and what cannot be is named."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import images
from support.fast import RedisServer, assert_problem, redis_server
from support.services import InProcess, Server, in_process

UPLOAD = {"file": ("photo.jpg", images.jpeg(size=(64, 48)))}
STATES = ("incoming", "pending", "failed", "done")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def env(redis: RedisServer, tmp_path: Path) -> dict[str, str]:
    redis.client.flushall()
    return {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path / "up"), "MIN_FREE_MB": "0"}


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "up"


@pytest.fixture
def fast(env: dict[str, str]) -> Iterator[InProcess]:
    with in_process("fast-server", env) as service:
        yield service


@pytest.mark.parametrize("gone", [*STATES, "."])
def test_folders_that_somebody_removed_come_back_with_the_next_upload(
    fast: InProcess, uploads: Path, gone: str
) -> None:
    shutil.rmtree(uploads / gone)
    uploads.mkdir(exist_ok=True)  # the volume itself
    answer = fast.post("/media", files=UPLOAD)
    assert answer.status_code == 202, answer.text
    assert (uploads / "pending" / answer.json()["media_id"] / "photo.jpg").is_file()


@pytest.mark.parametrize("gone", STATES)
def test_folders_that_somebody_removed_come_back_with_a_probe(
    fast: InProcess, uploads: Path, gone: str
) -> None:
    shutil.rmtree(uploads / gone)
    assert fast.get("/ready").status_code == 200
    assert (uploads / gone).is_dir()
    assert {path.name for path in uploads.glob("[!.]*/*")} == set(), "the probe leaves nothing"


@pytest.mark.parametrize("name", ["incoming", "pending"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_cannot_be_a_folder_is_told_by_both(
    fast: InProcess, uploads: Path, tmp_path: Path, name: str, kind: str
) -> None:
    (uploads / name).rmdir()
    if kind == "file":
        (uploads / name).touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        (uploads / name).symlink_to(tmp_path / "elsewhere")
    assert_problem(fast.get("/ready"), 503, "storage_unavailable")
    assert_problem(fast.post("/media", files=UPLOAD), 503, "storage_unavailable")
    assert not list(tmp_path.glob("elsewhere/*"))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_only_a_key_needs_is_tried_too(
    fast: InProcess, uploads: Path, tmp_path: Path, kind: str
) -> None:
    shutil.rmtree(uploads / ".idempotency")
    if kind == "file":
        (uploads / ".idempotency").touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        (uploads / ".idempotency").symlink_to(tmp_path / "elsewhere")
    assert_problem(fast.get("/ready"), 503, "storage_unavailable")
    answer = fast.post("/media", files=UPLOAD, headers={"Idempotency-Key": "k"})
    assert_problem(answer, 503, "storage_unavailable")
    assert not list(tmp_path.glob("elsewhere/*"))


def test_a_queue_that_is_full_is_told(env: dict[str, str]) -> None:
    with in_process("fast-server", {**env, "MAX_QUEUE_DEPTH": "1"}) as fast:
        assert fast.post("/media", files=UPLOAD).status_code == 202
        assert_problem(fast.post("/media", files=UPLOAD), 503, "queue_full")
        assert_problem(fast.get("/ready"), 503, "queue_full")


def test_the_uploads_folder_itself_may_be_a_link(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "up").symlink_to(tmp_path / "disk")
    with in_process("fast-server", env) as fast:
        assert fast.get("/ready").status_code == 200
        assert fast.post("/media", files=UPLOAD).status_code == 202


@pytest.mark.parametrize("key", ["arq:watermark", "arq:upload", "media-processor:wake"])
def test_a_foreign_key_with_a_queues_name_costs_one_answer_at_most(
    fast: InProcess, redis: RedisServer, key: str
) -> None:
    redis.client.set(key, "precious")
    answers = [fast.post("/media", files=UPLOAD) for _ in range(3)]
    if answers[0].status_code != 202:
        assert (
            "was put aside: try again"
            in assert_problem(answers[0], 503, "redis_unavailable")["detail"]
        )
    assert [answer.status_code for answer in answers[1:]] == [202, 202]
    [aside] = redis.client.scan_iter(f"{key}:put-aside:*")
    assert redis.client.get(aside) == b"precious"


def test_a_redis_cluster_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--cluster-enabled", "yes") as cluster:
        env = {"REDIS_URL": cluster.url, "UPLOAD_DIR": str(tmp_path / "up")}
        server = Server("fast-server", tmp_path, env)
        assert server.process.wait(30) != 0
    assert "REDIS_URL: this Redis is a node of a cluster" in server.console()
    assert "Traceback" not in server.console()
