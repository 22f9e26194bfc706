"""GET /media/{id}/preview without a worker: the cache, the waiting, what workers said, Redis."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from ulid import ULID

from shared.redis.previews import WANTED_KEYS, Kind, Preview, Size
from support import images
from support.fast import Gateway, assert_problem, gateway
from support.services import until
from support.worker import add_media

WANTED_KEY = WANTED_KEYS[Kind.WATERMARKED]
WEBP = images.webp(size=(32, 24))
STORED = {"name": "a.jpg", "sha256": "0" * 64, "size": 1}


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def fast(shared_gateway: Gateway) -> Gateway:
    shared_gateway.redis.client.flushall()
    return shared_gateway


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Gateway]:
    """For tests that break it."""
    with gateway(tmp_path) as running:
        yield running


def stored(fast: Gateway) -> str:
    return add_media(fast.uploads, state="done", status="stored", stored=STORED)


def preview_of(media_id: str, of: Kind = Kind.WATERMARKED, size: Size = Size.SMALL) -> Preview:
    return Preview(media_id, of, size)


def cache(fast: Gateway, preview: Preview) -> None:
    path = preview.path(fast.uploads)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(WEBP)


def say(fast: Gateway, preview: Preview, state: str) -> None:
    """As a worker does."""
    fast.redis.client.set(f"media-processor:preview:{preview.key}", state)


def failure(code: str, detail: str, *, is_final: bool) -> str:
    return json.dumps({"code": code, "detail": detail, "is_final": is_final})


def ask(
    fast: Gateway, media_id: str, query: str = "", headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return fast.http.get(f"/media/{media_id}/preview{query}", headers=headers)


def wanted(fast: Gateway) -> list[str]:
    """The newest first."""
    keys = WANTED_KEYS.values()
    return [one.decode() for key in keys for one in fast.redis.client.zrevrange(key, 0, -1)]


@pytest.mark.parametrize(
    ("query", "of", "size"),
    [
        ("", "watermarked", 320),
        ("?of=watermarked&size=320", "watermarked", 320),
        ("?size=1600", "watermarked", 1600),
        ("?of=original", "original", 320),
        ("?size=1600&of=original", "original", 1600),
    ],
)
def test_one_in_the_cache_is_sent(fast: Gateway, query: str, of: str, size: int) -> None:
    media_id = stored(fast)
    cache(fast, preview_of(media_id, Kind(of), Size(size)))
    answer = ask(fast, media_id, query)
    assert (answer.status_code, answer.content) == (200, WEBP)
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Cache-Control"] == "private, max-age=3600"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = ask(fast, media_id, query, {"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert wanted(fast) == []


def test_one_in_the_cache_is_sent_without_redis(alone: Gateway) -> None:
    media_id = stored(alone)
    cache(alone, preview_of(media_id))
    alone.redis.stop()
    assert ask(alone, media_id).content == WEBP
    problem = assert_problem(ask(alone, media_id, "?of=original"), 503, "redis_unavailable")
    assert "Redis does not answer" in problem["detail"]
    alone.redis.start()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?of=both", "of"),
        ("?of=", "of"),
        ("?size=321", "size"),
        ("?size=large", "size"),
        ("?size=320&size=1600", "size"),
        ("?of=original&of=original", "of"),
        ("?page=2", "page"),
    ],
)
def test_a_wrong_parameter_is_named(fast: Gateway, query: str, named: str) -> None:
    answer = ask(fast, stored(fast), query)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(named)


@pytest.mark.parametrize("media_id", [str(ULID()), "x", "..", "a" * 26])
def test_an_unknown_media_is_a_404(fast: Gateway, media_id: str) -> None:
    answer = fast.http.get(f"/media/{media_id}/preview".replace("..", "%2e%2e"))
    assert answer.status_code == 404


def test_that_of_a_media_that_is_gone_is_not_sent(fast: Gateway) -> None:
    preview = preview_of(str(ULID()))
    cache(fast, preview)
    assert_problem(ask(fast, preview.media_id), 404, "media_not_found")


def test_what_is_not_stored_says_what_comes_next(fast: Gateway) -> None:
    waiting = add_media(fast.uploads)
    problem = assert_problem(ask(fast, waiting), 404, "not_stored")
    assert "It waits for a worker to watermark it." in problem["detail"]
    error = {"code": "corrupt_image", "detail": "It is damaged."}
    failed = add_media(fast.uploads, state="failed", status="failed", error=error)
    problem = assert_problem(ask(fast, failed), 404, "not_stored")
    assert "It is damaged." in problem["detail"]
    cache(fast, preview_of(failed, Kind.ORIGINAL))
    assert ask(fast, failed, "?of=original").content == WEBP


def test_after_two_seconds_it_is_pending_and_asked_for_again_it_is_the_newest(
    fast: Gateway,
) -> None:
    first, second = stored(fast), stored(fast)
    for media_id in (first, second, first):
        answer = ask(fast, media_id)
        assert_problem(answer, 503, "preview_pending")
        assert answer.headers["Retry-After"] == "1"
    assert wanted(fast) == [f"{first}:watermarked:320", f"{second}:watermarked:320"]


def while_asking(fast: Gateway, media_id: str, *steps: Callable[[], None]) -> httpx.Response:
    """The answer of a request; once that is in Redis, a worker does these things."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, fast, media_id)
        for step in steps:
            until(lambda: fast.redis.client.zpopmax(WANTED_KEY) or answer.done())
            step()
        return answer.result()


def test_it_is_sent_as_soon_as_a_worker_has_made_it(fast: Gateway) -> None:
    preview = preview_of(stored(fast))

    def make() -> None:
        say(fast, preview, "making")
        cache(fast, preview)
        say(fast, preview, "made")

    assert while_asking(fast, preview.media_id, make).content == WEBP


def test_one_that_was_made_and_is_gone_is_asked_for_again(fast: Gateway) -> None:
    preview = preview_of(stored(fast))

    def make_nothing() -> None:
        say(fast, preview, "made")

    def make() -> None:
        cache(fast, preview)
        say(fast, preview, "made")

    assert while_asking(fast, preview.media_id, make_nothing, make).content == WEBP


def test_one_that_is_being_made_is_not_asked_for(fast: Gateway) -> None:
    preview = preview_of(stored(fast))
    say(fast, preview, "making")
    assert_problem(ask(fast, preview.media_id), 503, "preview_pending")
    assert wanted(fast) == []


@pytest.mark.parametrize(
    ("code", "is_final", "status", "refusal"),
    [
        ("corrupt_image", True, 422, "preview_impossible"),
        ("time_limit", True, 422, "preview_impossible"),
        ("central_unreachable", False, 503, "central_unreachable"),
        ("not_stored", False, 404, "not_stored"),
        ("storage_unavailable", False, 503, "preview_pending"),
        ("decoder_killed", False, 503, "preview_pending"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_why_there_is_none_is_said(
    fast: Gateway, is_known: bool, code: str, is_final: bool, status: int, refusal: str
) -> None:
    preview = preview_of(stored(fast))
    state = failure(code, "It is the third moon.", is_final=is_final)
    if is_known:
        say(fast, preview, state)
        answer = ask(fast, preview.media_id)
    else:
        answer = while_asking(fast, preview.media_id, lambda: say(fast, preview, state))
    problem = assert_problem(answer, status, refusal)
    assert problem["detail"].startswith("It is the third moon.")
    assert wanted(fast) == []


def test_a_foreign_state_counts_as_none(fast: Gateway) -> None:
    states = ["{}", "[", "[1,2,3]", '{"code":1}', "null", "\x00", "5"]
    media_ids = [stored(fast) for _ in states]
    for media_id, state in zip(media_ids, states, strict=True):
        say(fast, preview_of(media_id), state)
    with ThreadPoolExecutor(len(states)) as pool:
        for answer in pool.map(partial(ask, fast), media_ids):
            assert_problem(answer, 503, "preview_pending")


def test_a_media_that_is_deleted_meanwhile_is_a_404(fast: Gateway) -> None:
    media_id = stored(fast)

    def delete() -> None:
        (fast.uploads / "done" / media_id).rename(fast.uploads / "incoming" / media_id)

    assert_problem(while_asking(fast, media_id, delete), 404, "media_not_found")


def test_two_hundred_may_wait_at_once(fast: Gateway) -> None:
    media_ids = [stored(fast) for _ in range(200)]

    def get(media_id: str) -> int:
        with closing(HTTPConnection("127.0.0.1", fast.server.port)) as connection:
            connection.request("GET", f"/media/{media_id}/preview")
            return connection.getresponse().status

    with ThreadPoolExecutor(200) as pool:
        answers = pool.map(get, media_ids)
        until(lambda: fast.redis.client.zcard(WANTED_KEY) == 200)
        for media_id in media_ids:
            cache(fast, preview_of(media_id))
            say(fast, preview_of(media_id), "made")
        statuses = {*answers}
    # One that waited for 2 s is pending.
    assert statuses <= {200, 503}
    assert [ask(fast, media_id).content for media_id in media_ids] == [WEBP] * 200


def test_the_waiting_of_a_client_that_went_away_ends(fast: Gateway) -> None:
    def looks() -> int:
        statistics = fast.redis.client.info("commandstats")
        return int(statistics.get("cmdstat_mget", {"calls": 0})["calls"])

    with fast.connect() as connection:
        path = f"/media/{stored(fast)}/preview"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: wanted(fast))
    before, last = looks(), [-1]

    def are_over() -> bool:
        earlier, last[0] = last[0], looks()
        return earlier == last[0]

    until(are_over, every_s=0.3)
    assert last[0] - before < 20  # in 2 s it would be 40


@pytest.mark.parametrize("what", ["file", "folder", "cache"])
def test_links_are_not_followed(fast: Gateway, tmp_path: Path, what: str) -> None:
    preview = preview_of(stored(fast))
    path = preview.path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"somebody's")
    own = preview.path(fast.uploads)
    link, target = {
        "file": (own, path),
        "folder": (own.parent, path.parent),
        "cache": (own.parent.parent, path.parent.parent),
    }[what]
    cached = own.parent.parent
    if what == "cache" and cached.exists():
        cached.rename(cached.with_name("aside"))
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)
    try:
        assert_problem(ask(fast, preview.media_id), 503, "preview_pending")
    finally:
        link.unlink()
        if (aside := cached.with_name("aside")).exists():
            aside.rename(cached)


def test_a_redis_that_is_full_says_so(alone: Gateway) -> None:
    media_id = stored(alone)
    alone.redis.client.config_set("maxmemory", "1")
    problem = assert_problem(ask(alone, media_id), 503, "redis_unavailable")
    assert "maxmemory" in problem["detail"]


def test_a_redis_that_hangs_is_noticed(alone: Gateway) -> None:
    media_id = stored(alone)
    alone.redis.freeze()
    try:
        assert_problem(ask(alone, media_id), 503, "redis_unavailable")
    finally:
        alone.redis.thaw()


def test_a_foreign_key_is_put_aside(fast: Gateway) -> None:
    fast.redis.client.set(WANTED_KEY, "none of ours")
    media_id = stored(fast)
    assert_problem(ask(fast, media_id), 503, "redis_unavailable")
    assert_problem(ask(fast, media_id), 503, "preview_pending")
    assert wanted(fast) == [f"{media_id}:watermarked:320"]
