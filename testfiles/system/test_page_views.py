"""The page as it meets people: by keyboard, narrow, dark, in many tabs, by an IP address."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from local_stack.stack import ROOT, Stack
from support import images
from support.browser import assert_accessible, drop, screenshot, window
from support.services import until

pytestmark = pytest.mark.slow

LONG_MS = 60_000
NAMES = ("Meer.jpg", "Wald.png", "Berg.jpg", "kaputt.jpg", "Fluss.jpg")
STRANGE = (
    "<img src=x onerror=alert(1)>.jpg",
    "\u202egpj.exe \u05e9\u05dc\u05d5\u05dd.jpg",
    "日" * 83 + ".jpg",
    "'\"; --&amp; %2f$x`id`.jpg",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Reached from outside, too."""
    logo = str(ROOT / "worker-server" / "bundled_logo.png")
    env = {"GOOGLE_LOGO": logo, "WORKERS": "2", "BIND": "0.0.0.0"}
    with Stack(tmp_path_factory.mktemp("stack"), env) as running:
        yield running


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five, of which one is damaged."""
    folder = tmp_path / "Urlaub"
    folder.mkdir()
    for seed, name in enumerate(NAMES):
        make = images.png if name.endswith(".png") else images.jpeg
        content = make(seed, size=(1200, 800))
        if name == "kaputt.jpg":
            content = content[: len(content) // 2]
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def page(browser: Browser, stack: Stack, photos: Path) -> Iterator[Page]:
    """With the photos, each of which has ended."""
    with window(browser, stack.url) as page:
        send(page, photos)
        yield page


def send(page: Page, photos: Path) -> None:
    drop(page, photos)
    expect(page.locator("h1")).to_have_text("4 watermarked, 1 not", timeout=LONG_MS)


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def details(page: Page) -> Locator:
    return page.get_by_role("region", name="Details")


def open_details(page: Page, name: str) -> Locator:
    """Once both of its pictures are there."""
    row(page, name).get_by_role("link", name=name).click()
    expect(details(page).locator("img.before")).to_be_visible(timeout=LONG_MS)
    return details(page)


def test_the_slider_is_moved_by_keyboard(page: Page) -> None:
    shown = open_details(page, "Meer.jpg")
    slider, before = shown.get_by_role("slider"), shown.locator("img.before")
    for key, value in (("ArrowLeft", 49), ("Home", 0), ("ArrowRight", 1), ("End", 100)):
        slider.press(key)
        expect(slider).to_have_js_property("value", str(value))
        expect(slider).to_have_attribute("aria-valuetext", f"{value} % before")
        assert before.evaluate("e => e.style.clipPath") == f"inset(0px {100 - value}% 0px 0px)"
    assert differs_where_the_logo_is(page, shown)
    slider.press("Home")
    screenshot(page, "details")
    shown.get_by_role("button", name="1:1").press("Enter")
    whole = shown.get_by_role("img", name="After")
    expect(whole).to_have_attribute("src", re.compile(r"/media/\w+/image$"))
    expect(whole).to_have_js_property("naturalWidth", 1200)
    assert whole.evaluate("e => e.getBoundingClientRect().width") == 1200
    screenshot(page, "details-full-size")
    page.keyboard.press("Escape")
    expect(details(page)).to_be_hidden()
    expect(row(page, "Meer.jpg")).to_be_focused()


def differs_where_the_logo_is(page: Page, shown: Locator) -> bool:
    """With the slider at either end another picture is seen."""
    pair, slider = shown.locator(".pair"), shown.get_by_role("slider")
    slider.press("End")
    before = pair.screenshot()
    slider.press("Home")
    return pair.screenshot() != before


def test_a_failed_image_says_why_and_is_tried_again(page: Page) -> None:
    row(page, "kaputt.jpg").get_by_role("link", name="kaputt.jpg").click()
    expect(details(page)).to_contain_text("Upload it again from the original")
    screenshot(page, "details-failed")
    assert_accessible(page)
    address = page.url
    attempts = details(page).get_by_text("could not watermark it")
    expect(attempts).to_have_count(1)
    details(page).get_by_role("button", name="Try again").click()
    expect(page.get_by_text("1 image is tried again")).to_be_visible()
    expect(page.locator("h1")).to_have_text("4 watermarked, 1 not", timeout=LONG_MS)
    page.goto(address)  # a link to it shows the same to others
    expect(details(page)).to_contain_text("Upload it again from the original")


def test_all_of_it_by_keyboard_alone(page: Page, stack: Stack) -> None:
    tab_to(page, page.get_by_role("row").first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(details(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(details(page)).to_be_hidden()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    chosen = page.get_by_role("region", name="What is selected")
    expect(chosen).to_contain_text("2 images selected")
    screenshot(page, "selected")
    assert_accessible(page)
    rows = page.get_by_role("row")
    expect(rows).to_have_count(5)
    page.keyboard.press("Delete")
    expect(rows).to_have_count(3)
    tab_to(page, page.get_by_role("button", name="Undo"))
    screenshot(page, "undo")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(5)


def tab_to(page: Page, wanted: Locator) -> None:
    """Every stop on the way shows that it has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.locator("*:focus")
        assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
        if wanted.evaluate("e => e === document.activeElement"):
            return
    raise AssertionError(f"no way by Tab to {wanted}")


def test_what_is_deleted_is_gone_after_a_while(page: Page, stack: Stack) -> None:
    row(page, "Fluss.jpg").locator(".choice").click()
    [media_id] = row(page, "Fluss.jpg").evaluate_all("rows => rows.map(e => e.dataset.key)")
    page.get_by_role("button", name="Delete 1").click()
    expect(row(page, "Fluss.jpg")).to_be_hidden()
    url = f"{stack.url}/media/{media_id}"
    assert httpx.get(url, trust_env=False).status_code == 200  # it can be undone
    until(lambda: httpx.get(url, trust_env=False).status_code == 404)
    expect(page.locator("h1")).to_have_text("3 watermarked, 1 not")


def test_names_that_are_strange_are_only_text(
    browser: Browser, stack: Stack, tmp_path: Path
) -> None:
    folder = tmp_path / "strange"
    folder.mkdir()
    for seed, name in enumerate(STRANGE):
        (folder / name).write_bytes(images.jpeg(seed, size=(64, 48)))
    with window(browser, stack.url) as page:
        dialogs: list[Dialog] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog))
        drop(page, folder)
        expect(page.locator("h1")).to_have_text("All 4 are done", timeout=LONG_MS)
        screenshot(page, "strange-names")
        shown = page.get_by_role("grid").inner_text()
        assert STRANGE[0] in shown
        assert "gpj.exe" in shown
        assert "日" * 60 in shown
        assert STRANGE[3] in shown
        assert_no_sideways_scrolling(page)
        page.get_by_role("grid").get_by_role("link").first.click()
        expect(details(page)).to_contain_text("Stored and logged")
        assert_no_sideways_scrolling(page)
        assert page.locator("main img[src=x]").count() == 0
        assert dialogs == []


def assert_no_sideways_scrolling(page: Page) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_both_views_and_the_details_whatever_the_width(page: Page, width: int, scheme: Any) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    expect(page.locator("img.thumb").nth(3)).to_be_visible(timeout=LONG_MS)
    assert_no_sideways_scrolling(page)
    screenshot(page, f"images-{width}-{scheme}")
    open_details(page, "Wald.png")
    assert_no_sideways_scrolling(page)
    screenshot(page, f"details-{width}-{scheme}")
    page.get_by_role("link", name="Operations").click()
    expect(page.locator("h1")).to_be_visible()
    assert_no_sideways_scrolling(page)
    screenshot(page, f"operations-{width}-{scheme}")


@pytest.mark.parametrize("width", [360, 1280])
def test_nobody_is_kept_out(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert_accessible(page)
    open_details(page, "Wald.png")
    assert_accessible(page)
    page.get_by_role("link", name="Operations").click()
    expect(page.locator("h1")).to_be_visible()
    assert_accessible(page)


def test_with_forced_colours_all_is_still_told(
    browser: Browser, stack: Stack, photos: Path
) -> None:
    with window(browser, stack.url, forced_colors="active", color_scheme="dark") as page:
        send(page, photos)
        screenshot(page, "forced-colours")
        open_details(page, "Wald.png")
        screenshot(page, "forced-colours-details")
        page.get_by_role("link", name="Operations").click()
        expect(page.locator("h1")).to_be_visible()
        screenshot(page, "forced-colours-operations")


def own_address() -> str:
    """Of this machine, but not the loopback's: browsers trust that one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(("192.0.2.254", 9))  # of a network for examples
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        address: str = unsent.getsockname()[0]
        return address


def test_it_works_on_plain_http_by_an_ip_address(
    browser: Browser, stack: Stack, photos: Path
) -> None:
    url = f"http://{own_address()}:{urlsplit(stack.url).port}"
    with window(browser, url) as page:
        assert page.evaluate("[isSecureContext, typeof crypto.randomUUID]") == [False, "undefined"]
        assert page.evaluate("typeof navigator.clipboard") == "undefined"
        send(page, photos)
        page.get_by_role("button", name="Copy link").click()
        expect(page.get_by_text("The link is copied")).to_be_visible()
        pasted = page.get_by_role("searchbox", name="Name begins with")
        pasted.press("Control+v")
        expect(pasted).to_have_value(re.compile(rf"^{re.escape(url)}/\?batch="))
        open_details(page, "Meer.jpg")


def test_eight_tabs(browser: Browser, stack: Stack, photos: Path) -> None:
    """A browser has six connections to a server: a stream in each tab would leave none."""
    context = browser.new_context()
    # Playwright's pages are all in the foreground, whichever is shown.
    context.add_init_script(
        "Object.defineProperty(document, 'hidden', { get: () => window.isInBackground === true })"
    )
    tabs: list[Page] = []
    for _ in range(8):
        for tab in tabs:
            put_in_background(tab, is_hidden=True)
        tabs.append(context.new_page())
        tabs[-1].goto(stack.url, timeout=LONG_MS)
    first, last = tabs[0], tabs[-1]
    expect(last.locator(".health")).to_contain_text("2 workers", timeout=LONG_MS)
    send(last, photos)
    put_in_background(first, is_hidden=False)
    expect(row(first, "Meer.jpg").first).to_be_visible()
    context.close()


def put_in_background(tab: Page, *, is_hidden: bool) -> None:
    tab.evaluate("isHidden => { isInBackground = isHidden; }", is_hidden)
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
