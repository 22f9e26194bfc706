"""A folder of photos in the page, as a person sends it and fetches what has become of it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

import test as smoke
from local_stack.stack import ROOT, Stack
from support import images
from support.browser import assert_accessible, drop, screenshot, window

pytestmark = pytest.mark.slow

PHOTOS = 240  # good ones
BROKEN = 3  # taken, and found to be damaged by a worker
REFUSED = {
    "empty.jpg": "It is empty.",
    "letter.pdf": "It is application/pdf.",
    "large.png": "At most 1 MB are taken",
    "Kamera/raw.jpg": "not",  # by its bytes: what the gateway says
}
HIDDEN = (".DS_Store", "Thumbs.db", "day 2/.hidden.jpg")
EXPECTED = PHOTOS + BROKEN
MOST_SENT = EXPECTED + 1  # raw.jpg looks good until the gateway has seen it
ENDED = f"{PHOTOS} watermarked, {BROKEN} not"
LONG_MS = 120_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    logo = str(ROOT / "worker-server" / "bundled_logo.png")
    env = {"GOOGLE_LOGO": logo, "WORKERS": "2", "MAX_UPLOAD_MB": "1"}
    with Stack(tmp_path_factory.mktemp("stack"), env) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """250 files: photos in folders of their own, what is refused, what is hidden."""
    summer = tmp_path_factory.mktemp("photos") / "Summer 2026"
    some = [images.jpeg(seed, size=(320, 240)) for seed in range(8)]
    for number in range(PHOTOS):
        name = f"day {1 + number // 80}/IMG_{number:04}.JPG"
        write(summer / name, some[number % len(some)] + number.to_bytes(4, "big"))
    for number in range(BROKEN):
        write(summer / f"scans/scan {number}.jpg", some[number][: len(some[number]) // 2])
    write(summer / "empty.jpg", b"")
    write(summer / "letter.pdf", b"%PDF-1.7")
    write(summer / "large.png", bytes(1024 * 1024 + 1))
    write(summer / "Kamera/raw.jpg", b"II*\0CR" + bytes(500))
    for name in HIDDEN:
        write(summer / name, b"nothing to see")
    assert sum(path.is_file() for path in summer.rglob("*")) == 250
    return summer


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def limit_uploads(line: CDPSession, bytes_a_second: int) -> None:
    """-1: no limit."""
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1}
    limits["uploadThroughput"] = bytes_a_second
    line.send("Network.emulateNetworkConditions", limits)


def batch_of(page: Page) -> str:
    [batch] = parse_qs(urlsplit(page.url).query)["batch"]
    return batch


def media_of(stack: Stack, batch: str) -> list[dict[str, Any]]:
    """All of the batch, whatever has become of them."""
    found: list[dict[str, Any]] = []
    query: dict[str, str] = {"batch": batch, "limit": "500"}
    answer = httpx.get(f"{stack.url}/media", params=query, trust_env=False).json()
    found += answer["media"]
    assert answer["next"] is None
    return found


def assert_all_there_once(stack: Stack, folder: Path, batch: str) -> None:
    sent = [*folder.rglob("IMG_*.JPG"), *folder.rglob("scan *.jpg")]
    names = [path.relative_to(folder.parent).as_posix() for path in sent]
    assert Counter(item["ref"] for item in media_of(stack, batch)) == dict.fromkeys(names, 1)


def test_a_folder_with_all_that_can_be_wrong(
    browser: Browser, stack: Stack, folder: Path, tmp_path: Path
) -> None:
    with window(browser, stack.url, accept_downloads=True) as page:
        drop(page, folder)
        expect(page.locator("h1")).to_have_text(ENDED, timeout=LONG_MS)
        expect(page.locator("img.thumb").nth(5)).to_be_visible()
        screenshot(page, "folder")
        refused = page.get_by_role("region", name="What was not taken")
        expect(refused).to_be_visible()
        for sentence in REFUSED.values():
            expect(refused).to_contain_text(sentence)
        expect(page.get_by_text("3 hidden files were left out")).to_be_visible()
        assert_all_there_once(stack, folder, batch_of(page))
        assert_accessible(page)
        fetch_and_compare(page, stack, folder, tmp_path / "all.zip")


def fetch_and_compare(page: Page, stack: Stack, folder: Path, file: Path) -> None:
    button = page.get_by_role("link", name=re.compile("Download ZIP, "))
    with page.expect_download() as begun:
        button.click()
    begun.value.save_as(file)
    with ZipFile(file) as archive:
        assert archive.testzip() is None
        contents = {name: archive.read(name) for name in archive.namelist()}
    left_out = contents.pop("left out.txt").decode()
    assert left_out.count("scan ") == BROKEN
    assert len(contents) == PHOTOS
    media_ids = {item["ref"]: item["media_id"] for item in media_of(stack, batch_of(page))}
    with httpx.Client(base_url=stack.url, trust_env=False) as http:
        for name, content in contents.items():
            assert http.get(f"/media/{media_ids[name]}/image").content == content
    name = f"{folder.name}/day 1/IMG_0007.JPG"
    original = (folder.parent / name).read_bytes()
    answer = httpx.Response(200, content=contents[name], headers={"Content-Type": "image/jpeg"})
    assert smoke.watermark_complaint(smoke.Trial("photo", "", 0, original), answer) == ""


def test_a_reload_in_the_middle_and_the_folder_dropped_again(
    browser: Browser, stack: Stack, folder: Path
) -> None:
    with window(browser, stack.url) as page:
        page.on("dialog", lambda dialog: dialog.accept())  # that not all was sent
        expect(page.get_by_text("up to 1 MB each")).to_be_visible()
        line = page.context.new_cdp_session(page)
        limit_uploads(line, 300_000)
        drop(page, folder)
        all_read = re.compile(rf"[3-9]\d of ({EXPECTED}|{MOST_SENT}) are sent")
        expect(page.get_by_text(all_read)).to_be_visible(timeout=LONG_MS)
        batch = batch_of(page)
        page.reload()
        limit_uploads(line, -1)
        again = re.compile(rf"\d+ of ({EXPECTED}|{MOST_SENT}) have arrived\. Drop the folder again")
        expect(page.get_by_text(again)).to_be_visible()
        screenshot(page, "folder-interrupted")
        arrived = len(media_of(stack, batch))
        assert 0 < arrived < EXPECTED
        drop(page, folder)
        expect(page.locator("h1")).to_have_text(ENDED, timeout=LONG_MS)
        assert batch_of(page) == batch
        assert_all_there_once(stack, folder, batch)
        expect(page.get_by_text(re.compile(r"\d+ were there already\."))).to_be_visible()


def test_dropped_a_second_time_nothing_of_it_is_sent(
    browser: Browser, stack: Stack, folder: Path
) -> None:
    """At any later time, from the link alone: nothing of it is kept in this browser."""
    with window(browser, stack.url) as page:
        drop(page, folder / "day 1")
        expect(page.locator("h1")).to_have_text("All 80 are done", timeout=LONG_MS)
        link = page.url
    posted: list[str] = []
    with window(browser, link) as page:
        page.on("request", lambda request: posted.append(request.method))
        expect(page.locator("h1")).to_have_text("All 80 are done")
        drop(page, folder / "day 1")
        expect(page.get_by_text("80 were there already.")).to_be_visible()
        expect(page.locator("h1")).to_have_text("All 80 are done")
    assert "POST" not in posted
