"""fast-server and its Redis: down, frozen, full, protected; and dead at the worst moment."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from shared.redis import jobs
from support import images
from support.fast import Gateway, RedisServer, assert_problem, client, gateway, redis_server
from support.services import in_process, running, until
from upload_api import queues

PHOTO = images.jpeg(size=(64, 64))
FILE = {"file": ("photo.jpg", PHOTO)}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def env(redis: RedisServer, tmp_path: Path) -> dict[str, str]:
    redis.client.flushall()
    return {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path), "MIN_FREE_MB": "0"}


def assert_unavailable(fast: Gateway) -> None:
    """Said by both, with a time to come back after, and nothing taken."""
    for answer in (fast.post(PHOTO), fast.http.get("/ready")):
        assert_problem(answer, 503, "redis_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert fast.folders("incoming") == fast.folders("pending") == set()
    assert fast.http.get("/health").status_code == 200
    assert "Traceback" not in fast.server.console()


def test_uploads_are_refused_while_redis_is_down_and_taken_when_it_is_back(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast:
        fast.redis.stop()
        assert_unavailable(fast)
        fast.redis.start()
        assert fast.post(PHOTO).status_code == 202
        assert fast.http.get("/ready").status_code == 200
        assert fast.redis.client.zcard("arq:watermark") == 1


@pytest.mark.slow
def test_uploads_are_refused_while_redis_is_frozen_and_taken_when_it_thaws(tmp_path: Path) -> None:
    with gateway(tmp_path) as fast:
        fast.redis.freeze()
        try:
            assert_unavailable(fast)
        finally:
            fast.redis.thaw()
        until(lambda: fast.http.get("/ready").is_success)
        accepted = [fast.post(PHOTO).json()["media_id"] for _ in range(3)]
        expected = {f"{media_id}:watermark:1".encode() for media_id in accepted}
        assert set(fast.redis.client.zrange("arq:watermark", 0, -1)) == expected


@pytest.mark.parametrize(
    "filled", [("arq:watermark",), ("arq:upload",), ("arq:watermark", "arq:upload")]
)
def test_uploads_are_refused_while_both_queues_together_are_full(
    env: dict[str, str], redis: RedisServer, filled: tuple[str, ...]
) -> None:
    for number in range(4):
        redis.client.zadd(filled[number % len(filled)], {f"job {number}": 1})
    with in_process("fast-server", env | {"MAX_QUEUE_DEPTH": "4"}) as fast:
        refused = fast.post("/media", files=FILE)
        redis.client.zrem(filled[0], "job 0")
        accepted = fast.post("/media", files=FILE)
    assert "MAX_QUEUE_DEPTH" in assert_problem(refused, 503, "queue_full")["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    assert accepted.status_code == 202


@pytest.mark.parametrize(
    "error", [RedisConnectionError("gone"), OutOfMemoryError("full"), OSError("reset")]
)
def test_an_upload_is_accepted_though_redis_fails_after_the_commit(
    env: dict[str, str],
    redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    """The bytes are safe by then; the reconciler of worker-server queues what lies in pending/."""

    async def enqueue(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(jobs, "enqueue", enqueue)
    assert_accepted_but_not_queued(env, redis)
    assert "👀 notice media_id=" in capsys.readouterr().out


def test_an_upload_is_accepted_though_redis_freezes_after_the_commit(
    env: dict[str, str], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def enqueue(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(jobs, "enqueue", enqueue)
    monkeypatch.setattr(queues, "REDIS_ANSWER_S", 0.05)
    assert_accepted_but_not_queued(env, redis)


def assert_accepted_but_not_queued(env: dict[str, str], redis: RedisServer) -> None:
    with in_process("fast-server", env) as fast:
        answer = fast.post("/media", files=FILE)
        assert answer.status_code == 202
        assert fast.get(answer.headers["Location"]).json()["status"] == "queued"
    folder = Path(env["UPLOAD_DIR"], "pending", answer.json()["media_id"])
    assert (folder / "photo.jpg").read_bytes() == PHOTO
    assert redis.client.keys() == []


@pytest.mark.parametrize("user", ["", "default"])
def test_a_password_of_any_characters_is_given_percent_encoded(
    tmp_path: Path, user: str, capsys: pytest.CaptureFixture[str]
) -> None:
    login = f"{user}:p%40ss%2Fw%3Ard@"
    with redis_server(tmp_path, "--requirepass", "p@ss/w:rd", login=login) as redis:
        env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path / "up"), "MIN_FREE_MB": "0"}
        with in_process("fast-server", env) as fast:
            assert fast.post("/media", files=FILE).status_code == 202
        assert redis.client.zcard("arq:watermark") == 1
        wrong = env | {"REDIS_URL": redis.url.replace(login, ":mistyped@")}
        with in_process("fast-server", wrong) as fast:
            answer = fast.get("/ready")
        assert_problem(answer, 503, "redis_unavailable")
        console = capsys.readouterr().out
        assert 'cause="invalid username-password pair or user is disabled."' in console
        assert "mistyped" not in console


def test_a_redis_behind_a_unix_socket_is_used(tmp_path: Path) -> None:
    with TemporaryDirectory() as folder:  # tmp_path is too long for a socket's name on some systems
        socket = f"{folder}/redis.sock"
        with redis_server(tmp_path, "--unixsocket", socket) as redis:
            env = {"REDIS_URL": f"unix://{socket}", "UPLOAD_DIR": str(tmp_path / "up")}
            with in_process("fast-server", env | {"MIN_FREE_MB": "0"}) as fast:
                assert fast.post("/media", files=FILE).status_code == 202
            assert redis.client.zcard("arq:watermark") == 1


def test_host_and_port_are_used_where_there_is_no_url(
    env: dict[str, str], redis: RedisServer
) -> None:
    host, port = redis.url.removeprefix("redis://").split(":")
    address = {"REDIS_URL": "", "REDIS_HOST": host, "REDIS_PORT": port}
    with in_process("fast-server", env | address) as fast:
        assert fast.get("/ready").status_code == 200
    address_6 = jobs.RedisAddress(redis_host="::1", redis_port=1)
    assert address_6.redis_dsn == "redis://[::1]:1"


def test_a_gateway_starts_without_redis_and_is_ready_when_it_comes(tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        redis.stop()
        env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(tmp_path / "up"), "MIN_FREE_MB": "0"}
        with running("fast-server", tmp_path, env) as server, client(server.url) as http:
            assert_problem(http.get("/ready"), 503, "redis_unavailable")
            redis.start()
            assert http.get("/ready").json() == {"status": "ready"}
            answer: httpx.Response = http.post("/media", files=FILE)
            assert answer.status_code == 202
