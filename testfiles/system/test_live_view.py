"""What is listed, counted and told live is what the folders have, whatever happens meanwhile."""

import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from local_stack.stack import ROOT, Stack
from shared.spool import Spool
from support import images
from support.services import running, until
from support.stack_client import TIMEOUT_S, post

pytestmark = pytest.mark.slow

SMALL = images.jpeg(size=(64, 48))
BROKEN = images.jpeg()[:4000]
STATES = ("pending", "failed", "done")
Row = tuple[str, str, str | None]  # state, status, code


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    settings = {
        "GOOGLE_LOGO": str(ROOT / "worker-server" / "bundled_logo.png"),
        "RECONCILE_SECONDS": "1",
        "RETRY_BACKOFF_SECONDS": "0.05",
        "WORKERS": "2",
    }
    with Stack(tmp_path, settings) as running_stack:
        yield running_stack


def in_folders(uploads: Path) -> dict[str, Row]:
    spool = Spool(uploads)
    found: dict[str, Row] = {}
    for state in STATES:
        for path in (uploads / state).iterdir():
            known = spool.describe(path.name)
            error = known["error"]
            found[path.name] = (state, known["status"], error and error["code"])
    return found


def row(item: dict[str, Any]) -> Row:
    return item["state"], item["status"], item["code"]


def listed(url: str) -> dict[str, Row] | None:
    """All pages; None where they are not complete."""
    found: dict[str, Row] = {}
    after = None
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
        while True:
            parameters = {"limit": "100"} | ({"after": after} if after else {})
            answer = http.get(f"{url}/media", params=parameters)
            page = answer.json()
            if not answer.is_success or not page["complete"]:
                return None
            found |= {item["media_id"]: row(item) for item in page["media"]}
            if (after := page["next"]) is None:
                return found


def counted(url: str) -> dict[str, int]:
    stats = httpx.get(f"{url}/stats", timeout=TIMEOUT_S, trust_env=False).json()
    return {state: stats[state] for state in STATES}


def assert_agree(stack: Stack, *urls: str) -> None:
    """Once nothing is pending: folders, lists and counters."""
    until(lambda: not any((stack.upload_dir / "pending").iterdir()))
    truth = in_folders(stack.upload_dir)
    numbers = dict.fromkeys(STATES, 0) | Counter(state for state, _, _ in truth.values())
    for url in urls or [stack.url]:
        until(lambda url=url: listed(url) == truth)  # type: ignore[misc]
        until(lambda url=url: counted(url) == numbers)  # type: ignore[misc]


class Follower:
    """A page: it lists once, follows the events, and lists again where it is told to."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.rows: dict[str, Row] = {}
        self.heard: Counter[str] = Counter()
        self._last_id = ""
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            with suppress(httpx.HTTPError, ValueError):
                self._follow()
            self.over.wait(0.1)

    def _follow(self) -> None:
        parameters = {"last_event_id": self._last_id} if self._last_id else {}
        with httpx.stream(
            "GET", f"{self._url}/events", params=parameters, timeout=20, trust_env=False
        ) as answer:
            answer.raise_for_status()
            if not self._last_id:
                self._list()
            event, data = "", ""
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    data = value
                elif name == "id":
                    self._last_id = value
                elif not line and event:
                    self._take(event, json.loads(data))
                    event = ""
                if self.over.is_set():
                    return

    def _list(self) -> None:
        """Wait until the list is complete."""
        while (rows := listed(self._url)) is None and not self.over.wait(0.05):
            pass
        self.rows = rows or {}

    def _take(self, event: str, data: Any) -> None:
        self.heard[event] += 1
        if event == "resync":
            self._list()
        for item in data if event == "changed" else ():
            if item["event"] == "removed":
                self.rows.pop(item["media_id"], None)
            else:
                self.rows[item["media_id"]] = row(item)


@contextmanager
def following(url: str) -> Iterator[Follower]:
    follower = Follower(url)
    thread = threading.Thread(target=follower.run)
    thread.start()
    try:
        yield follower
    finally:
        follower.over.set()
        thread.join()


def post_all(stack: Stack, count: int) -> list[str]:
    contents = [BROKEN if number % 10 == 0 else SMALL for number in range(count)]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda content: post(stack, content), contents))


def test_a_follower_knows_what_became_of_each(stack: Stack) -> None:
    with following(stack.url) as follower:
        media_ids = post_all(stack, 100)
        assert_agree(stack)
        until(lambda: follower.rows == in_folders(stack.upload_dir))
        removed, failed = media_ids[1], media_ids[0]
        assert httpx.delete(f"{stack.url}/media/{removed}", trust_env=False).status_code == 204
        until(lambda: removed not in follower.rows)
        answer = httpx.post(f"{stack.url}/media/{failed}/retry", trust_env=False)
        assert answer.status_code == 202
        assert_agree(stack)
        until(lambda: follower.rows == in_folders(stack.upload_dir))


@pytest.mark.parametrize("fault", ["worker", "central", "flushed", "full", "redis", "gateway"])
def test_after_a_fault_all_agree(stack: Stack, fault: str) -> None:
    redis = Redis.from_url(stack.redis_url)
    with following(stack.url) as follower, ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post_all, stack, 150)
        until(lambda: any((stack.upload_dir / "done").iterdir()))
        if fault == "flushed":
            redis.flushall()
        elif fault == "full":
            redis.config_set("maxmemory", 1)
            until(lambda: post_answers(stack.url) == 503)
            redis.config_set("maxmemory", 0)
        elif fault == "redis":
            stack["redis"].kill()
            until(lambda: follower.heard["degraded"])
            stack["redis"].start()
        elif fault == "gateway":
            assert len(posting.result()) == 150
            stack["gateway"].kill()
            stack["gateway"].start()
        else:
            name = "worker-1" if fault == "worker" else fault
            stack[name].kill()
            stack[name].start()
        assert len(posting.result()) == 150
        assert_agree(stack)
        until(lambda: follower.rows == in_folders(stack.upload_dir))


def post_answers(url: str) -> int:
    files = {"file": ("photo.jpg", SMALL)}
    return httpx.post(f"{url}/media", files=files, trust_env=False, timeout=60).status_code


def test_an_index_that_is_removed_under_load_comes_back(stack: Stack) -> None:
    with ThreadPoolExecutor(1) as pool:
        posting = pool.submit(post_all, stack, 150)
        until(lambda: any((stack.upload_dir / "done").iterdir()))
        shutil.rmtree(stack.upload_dir / ".index")
        posting.result()
    assert_agree(stack)
    until(lambda: any((stack.upload_dir / ".index").iterdir()))


def test_two_gateways_on_one_folder_agree(stack: Stack, tmp_path: Path) -> None:
    env = {
        "UPLOAD_DIR": str(stack.upload_dir),
        "REDIS_URL": stack.redis_url,
        "CENTRAL_SERVER_URL": f"{stack.central_url}/upload-final",
    }
    with running("fast-server", tmp_path, env) as other, following(other.url) as follower:
        media_ids = post_all(stack, 60)
        assert_agree(stack, stack.url, other.url)
        assert httpx.delete(f"{other.url}/media/{media_ids[1]}", trust_env=False).is_success
        assert_agree(stack, stack.url, other.url)
        until(lambda: follower.rows == in_folders(stack.upload_dir))


def test_a_pause_holds_all_workers_and_outlives_redis(stack: Stack) -> None:
    assert httpx.post(f"{stack.url}/pause", trust_env=False).json()["paused"] is True
    for number in (1, 2):
        console = stack[f"worker-{number}"]
        assert console.running
    Redis.from_url(stack.redis_url).flushall()
    media_ids = post_all(stack, 5)
    assert counted(stack.url)["pending"] == len(media_ids)
    stats = httpx.get(f"{stack.url}/stats", trust_env=False).json()
    assert "paused" in stats["summary"].lower()
    assert httpx.get(f"{stack.url}/ready", trust_env=False).status_code == 200
    assert httpx.post(f"{stack.url}/resume", trust_env=False).json()["paused"] is False
    assert_agree(stack)
