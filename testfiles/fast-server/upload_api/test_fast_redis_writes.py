"""A Redis that answers and takes no write: told before an upload's body is read."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from local_stack.host import free_ports
from support import images
from support.fast import RedisServer, assert_problem, redis_server
from support.services import InProcess, in_process, until

FILE = {"file": ("photo.jpg", images.jpeg(size=(64, 64)))}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    options = ("--enable-debug-command", "yes", "--enable-protected-configs", "yes")
    with redis_server(tmp_path_factory.mktemp("redis"), *options) as server:
        yield server


@pytest.fixture
def fast(redis: RedisServer, tmp_path: Path) -> Iterator[InProcess]:
    redis.client.flushall()
    env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path), "MIN_FREE_MB": "0"}
    with in_process("fast-server", env) as service:
        yield service
        until(lambda: service.get("/ready").status_code == 200)
        assert service.post("/media", files=FILE).status_code == 202  # and without a restart
        assert redis.client.zcard("arq:watermark") == 1


def assert_refused(fast: InProcess, uploads: Path, said: str, advice: str) -> None:
    for answer in (fast.post("/media", files=FILE), fast.get("/ready")):
        detail = assert_problem(answer, 503, "redis_unavailable")["detail"]
        assert detail.startswith("Redis takes no job: ")
        assert said in detail
        assert advice in detail
        assert int(answer.headers["Retry-After"]) > 0
    left = [path for state in ("incoming", "pending") for path in (uploads / state).iterdir()]
    assert left == []


def test_a_redis_at_its_maxmemory_is_told(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    redis.client.config_set("maxmemory-policy", "noeviction")
    redis.client.config_set("maxmemory", 1)
    try:
        assert_refused(fast, tmp_path, "maxmemory", "raise its maxmemory")
    finally:
        redis.client.config_set("maxmemory", 0)


def test_a_redis_that_became_a_replica_is_told(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    redis.client.config_set("replica-read-only", "yes")
    redis.client.replicaof("127.0.0.1", free_ports(1)[0])
    try:
        assert_refused(fast, tmp_path, "read only replica", "name its primary")
    finally:
        redis.client.replicaof("NO", "ONE")


def test_a_redis_that_cannot_save_is_told(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    redis.client.config_set("dir", str(gone))
    gone.rmdir()
    redis.client.config_set("save", "3600 1")
    redis.client.bgsave()
    until(lambda: redis.client.info("persistence")["rdb_last_bgsave_status"] == "err")
    try:
        assert_refused(fast, tmp_path, "MISCONF", "make room")
    finally:
        redis.client.config_set("save", "")
        redis.client.config_set("dir", str(tmp_path))


@pytest.mark.slow
def test_a_redis_that_reads_its_data_is_told(
    fast: InProcess, redis: RedisServer, tmp_path: Path
) -> None:
    redis.client.mset({f"key {number}": os.urandom(64) for number in range(5000)})
    redis.client.config_set("loading-process-events-interval-bytes", 1024)
    redis.client.config_set("key-load-delay", 1000)  # in microseconds: some 5 s in all
    reload = threading.Thread(target=redis.client.execute_command, args=("DEBUG", "RELOAD"))
    reload.start()
    until(lambda: is_loading(redis))
    assert_refused(fast, tmp_path, "loading the dataset", "wait")
    reload.join()
    redis.client.flushall()


def is_loading(redis: RedisServer) -> bool:
    try:
        return not redis.client.ping()
    except RedisError as error:
        return "loading" in str(error)


def test_to_ask_leaves_nothing_in_redis(fast: InProcess, redis: RedisServer) -> None:
    assert fast.get("/ready").status_code == 200
    assert redis.client.keys() == []
