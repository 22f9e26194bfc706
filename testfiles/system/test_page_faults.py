"""Services that die while the page sends: it says so, goes on by itself, and nothing is lost."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from local_stack.stack import ROOT, Stack
from support import images
from support.browser import assert_accessible, drop, screenshot, window
from support.services import until

pytestmark = pytest.mark.slow

PHOTOS = 60
LONG_MS = 90_000
DONE = f"All {PHOTOS} are done"


@contextmanager
def running_stack(folder: Path, **settings: str) -> Iterator[Stack]:
    logo = str(ROOT / "worker-server" / "bundled_logo.png")
    with Stack(folder / "stack", {"GOOGLE_LOGO": logo, "WORKERS": "2", **settings}) as stack:
        yield stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """It tries again often, and by itself what has failed for want of central."""
    with running_stack(tmp_path, RETRY_BACKOFF_SECONDS="0.05", RECONCILE_SECONDS="1") as stack:
        yield stack


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dropped") / "photos"
    folder.mkdir()
    content = images.jpeg(quality=99)
    for number in range(PHOTOS):
        (folder / f"{number:03}.jpg").write_bytes(content + bytes([number]))
    return folder


def assert_each_is_stored_once(stack: Stack, page: Page, photos: Path) -> None:
    """One media for each file, and one file and one line for each media."""
    [batch] = parse_qs(urlsplit(page.url).query)["batch"]
    query = {"batch": batch, "limit": "500"}
    media = httpx.get(f"{stack.url}/media", params=query, trust_env=False).json()["media"]
    sent = [path.relative_to(photos.parent).as_posix() for path in photos.iterdir()]
    assert Counter(item["ref"] for item in media) == dict.fromkeys(sent, 1)
    assert {item["status"] for item in media} == {"stored"}
    lines = [line.rpartition("IMAGE: ")[2] for line in stack.activity_log.read_text().splitlines()]
    files = [path.name for path in stack.storage_dir.iterdir() if path.name[0] != "."]
    assert len(lines) == len(media)
    assert sorted(lines) == sorted(files)


def test_redis_is_killed_and_comes_back(browser: Browser, stack: Stack, photos: Path) -> None:
    with window(browser, stack.url) as page:
        drop(page, photos)
        expect(page.get_by_text(re.compile(rf"\d+ of {PHOTOS} are sent"))).to_be_visible()
        stack["redis"].kill()
        expect(held(page, "Redis")).to_be_visible(timeout=LONG_MS)
        expect(health(page)).to_have_text("Redis does not answer", timeout=LONG_MS)
        expect(page.get_by_text("wait to be sent")).to_be_visible()
        expect(page.get_by_text(re.compile(r"Next try in \d"))).to_be_visible()
        screenshot(page, "redis-gone")
        assert_accessible(page)
        stack["redis"].start()
        expect(page.locator("h1")).to_have_text(DONE, timeout=LONG_MS)
        expect(health(page)).to_contain_text("2 workers", timeout=LONG_MS)
        assert_each_is_stored_once(stack, page, photos)


def test_the_gateway_is_killed_twice_and_the_line_is_cut(
    browser: Browser, stack: Stack, photos: Path
) -> None:
    with window(browser, stack.url) as page:
        drop(page, photos)
        for at_least in (5, 20):
            until(lambda at_least=at_least: sent(page) >= at_least)  # type: ignore[misc]
            stack["gateway"].kill()
            expect(held(page, "The server cannot be reached")).to_be_visible(timeout=LONG_MS)
            screenshot(page, f"gateway-gone-{at_least}")
            stack["gateway"].start()
        until(lambda: sent(page) >= 35)
        page.context.set_offline(True)
        expect(held(page, "This computer is offline")).to_be_visible(timeout=LONG_MS)
        expect(page.locator("h1")).to_have_text(re.compile(rf"\d+ of {PHOTOS} are done"))
        screenshot(page, "offline")
        page.context.set_offline(False)
        expect(page.locator("h1")).to_have_text(DONE, timeout=LONG_MS)
        assert_each_is_stored_once(stack, page, photos)


def held(page: Page, why: str) -> Locator:
    """The sentence on why nothing is sent now."""
    sending = page.get_by_role("region", name="What is sent")
    return sending.get_by_role("status").filter(has_text=why)


def health(page: Page) -> Locator:
    return page.locator(".health")


def sent(page: Page) -> int:
    """How many, by the page's own words."""
    page.wait_for_timeout(20)
    words = page.get_by_role("region", name="What is sent").inner_text()
    found = re.search(r"(\d+) of \d+ are sent", words)
    return int(found[1]) if found else 0


def test_central_is_down_until_all_have_failed_and_is_asked_again(
    browser: Browser, tmp_path: Path, photos: Path
) -> None:
    """By hand: the workers look for it once an hour only."""
    patience = {"RETRY_BACKOFF_SECONDS": "0.05", "RECONCILE_SECONDS": "3600"}
    with running_stack(tmp_path, **patience) as stack, window(browser, stack.url) as page:
        stack["central"].stop()
        drop(page, photos)
        expect(page.locator("h1")).to_have_text(f"0 watermarked, {PHOTOS} not", timeout=LONG_MS)
        expect(health(page)).to_have_text("central-server does not answer", timeout=LONG_MS)
        groups = page.get_by_role("region", name="Why images failed")
        expect(groups).to_contain_text(f"{PHOTOS} ×")
        screenshot(page, "central-down")
        assert_accessible(page)
        stack["central"].start()
        groups.get_by_role("button", name=f"Retry all {PHOTOS}").click()
        expect(page.locator("h1")).to_have_text(DONE, timeout=LONG_MS)
        expect(groups).to_be_hidden()
        assert_each_is_stored_once(stack, page, photos)


def test_workers_are_killed(browser: Browser, stack: Stack, photos: Path) -> None:
    with window(browser, stack.url) as page:
        drop(page, photos)
        expect(page.get_by_text(re.compile(rf"\d+ of {PHOTOS} are sent"))).to_be_visible()
        for name in ("worker-1", "worker-2"):
            stack[name].kill()
        expect(health(page)).to_have_text("no worker runs", timeout=LONG_MS)
        expect(page.locator("h1")).to_contain_text(f"of {PHOTOS} are done")
        screenshot(page, "no-worker")
        stack["worker-1"].start()
        expect(page.locator("h1")).to_have_text(DONE, timeout=LONG_MS)
        expect(health(page)).to_contain_text("1 worker")
        assert_each_is_stored_once(stack, page, photos)


def test_the_disk_is_full_until_somebody_makes_room(
    browser: Browser, tmp_path: Path, photos: Path
) -> None:
    with running_stack(tmp_path, MIN_FREE_MB="0") as stack, window(browser, stack.url) as page:
        usual = stack["gateway"].env
        stack["gateway"].env = {**usual, "MIN_FREE_MB": str(10**9)}
        stack["gateway"].stop()
        stack["gateway"].spawn()  # it is not ready: there is no room
        drop(page, photos)
        expect(held(page, "The server's disk is full")).to_be_visible(timeout=LONG_MS)
        expect(page.get_by_text(re.compile(r"Next try in \d"))).to_be_visible()
        screenshot(page, "disk-full")
        stack["gateway"].env = usual
        stack["gateway"].restart()
        page.get_by_role("button", name="Try now").click()
        expect(page.locator("h1")).to_have_text(DONE, timeout=LONG_MS)
        assert_each_is_stored_once(stack, page, photos)
