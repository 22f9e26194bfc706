"""The page where answers of the API are late, wrong or missing."""

import json
import re
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect
from ulid import ULID

from faults.line import Line
from local_stack.service import wait_until
from local_stack.stack import Stack
from support.browser import window
from support.images import jpeg

MANY = 102  # more than the first page has
LIST = re.compile(r"/media\?")
NEXT_PAGE = re.compile(r"/media\?.*after=")
THIRTY_FRAMES = """new Promise(end => {
    let frames = 0;
    const next = () => { frames += 1; frames < 30 ? requestAnimationFrame(next) : end(); };
    next();
})"""
HIDE = """
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
"""
KEEP_THE_STREAM = """
    const Real = EventSource;
    EventSource = function (url) { return (window.stream = new Real(url)); };
    Object.assign(EventSource, { OPEN: Real.OPEN, CLOSED: Real.CLOSED });
"""


@pytest.fixture(scope="module")
def batch(stack: Stack) -> str:
    """Of many images, each of which is done or will be."""
    batch = str(ULID())
    content = jpeg(size=(32, 24))
    with httpx.Client(trust_env=False, timeout=30) as http:
        for number in range(MANY):
            file = (f"{number}.jpg", content)
            http.post(f"{stack.url}/media", data={"batch": batch}, files={"file": file})

        def are_done() -> bool:
            done: int = http.get(f"{stack.url}/batches/{batch}").json()["done"]
            return done == MANY

        assert wait_until(are_done, 120)
    return batch


@pytest.fixture
def page(browser: Browser, stack: Stack, batch: str) -> Iterator[Page]:
    """The page before it shows the batch, so that its answers can be held."""
    with window(browser, f"{stack.url}/page/0/icon.svg") as page:
        yield page


def show(page: Page, batch: str, more: str = "") -> None:
    page.goto(f"/?batch={batch}{more}")
    expect(page.locator(".item").first).to_be_visible()


def hold(page: Page, pattern: re.Pattern[str]) -> list[Route]:
    """No such question is answered; those that came."""
    held: list[Route] = []
    page.route(pattern, lambda route: held.append(route))
    return held


def wait_for(page: Page, held: list[Route]) -> None:
    def is_held() -> bool:
        page.wait_for_timeout(20)  # or else nothing comes from the browser
        return len(held) > 0

    assert wait_until(is_held, 20)


def to_the_end(page: Page) -> None:
    page.mouse.move(300, 300)
    page.mouse.wheel(0, 100_000)


def test_select_all_waits_for_a_page_that_is_late(page: Page, batch: str) -> None:
    held = hold(page, NEXT_PAGE)
    show(page, batch)
    to_the_end(page)
    wait_for(page, held)
    page.locator(".item .choice").last.click()
    page.get_by_role("button", name="Select all").click()
    held[0].continue_()
    expect(page.get_by_text(f"{MANY} images selected")).to_be_visible()


def test_a_page_that_cannot_be_had_is_asked_for_again_but_not_all_the_time(
    page: Page, batch: str
) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if LIST.search(request.url) else None)
    page.route(NEXT_PAGE, lambda route: route.abort())
    show(page, batch)
    to_the_end(page)
    expect(page.get_by_text("The list could not be read: The server cannot be")).to_be_visible()
    before = len(asked)
    page.evaluate(THIRTY_FRAMES)
    assert len(asked) <= before + 1
    page.unroute(NEXT_PAGE)
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(MANY))


def test_what_changes_while_its_page_is_under_way_is_in_the_list(
    page: Page, stack: Stack, batch: str
) -> None:
    """An event of an image that the list has not read yet must not keep it out."""
    held = hold(page, NEXT_PAGE)
    page.add_init_script(KEEP_THE_STREAM)
    show(page, batch)
    to_the_end(page)
    wait_for(page, held)
    query = {"batch": batch, "order": "oldest", "limit": "1"}
    [oldest] = httpx.get(f"{stack.url}/media", params=query, trust_env=False).json()["media"]
    page.evaluate(
        "data => stream.dispatchEvent(new MessageEvent('changed', { data }))", json.dumps([oldest])
    )
    held[0].continue_()
    expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(MANY))


def test_a_batch_that_cannot_be_counted_is_not_said_to_be_empty(page: Page, batch: str) -> None:
    page.route(re.compile("/batches/"), lambda route: route.fulfill(status=503), times=1)
    page.goto(f"/?batch={batch}")
    expect(page.locator(".item").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("No image of this batch")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"All {MANY} are done")


def test_after_a_cut_the_reader_is_where_they_were(
    browser: Browser, stack: Stack, batch: str
) -> None:
    """The stream goes on where it was, so the list need not be read again."""
    with Line(int(stack.url.rpartition(":")[2])) as line, window(browser, line.url) as page:
        show(page, batch)
        expect(page.locator(".health")).to_contain_text("worker")
        to_the_end(page)
        expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(MANY))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        line.cut()
        expect(page.locator(".health")).to_have_text("no connection to the server")
        line.mend()
        expect(page.locator(".health")).to_contain_text("worker")
        page.wait_for_timeout(200)
        assert not [url for url in asked if LIST.search(url)]


def test_previews_come_while_the_page_is_drawn_all_the_time(page: Page, batch: str) -> None:
    page.add_init_script("setInterval(() => dispatchEvent(new Event('resize')), 30)")
    show(page, batch)
    expect(page.locator("img.thumb").first).to_be_visible()


def test_a_tab_that_is_opened_in_the_background_has_no_stream_for_long(
    page: Page, batch: str
) -> None:
    page.add_init_script(KEEP_THE_STREAM)
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => true })")
    page.goto(f"/?batch={batch}")
    assert wait_until(lambda: page.evaluate("stream.readyState === EventSource.CLOSED"), 30)
    page.evaluate("window.old = stream; dispatchEvent(new Event('online'))")
    assert page.evaluate("stream === old")


def test_on_a_narrow_screen_the_details_begin_at_the_top_and_the_list_where_it_was(
    page: Page, batch: str
) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    show(page, batch)
    page.mouse.move(100, 300)
    page.mouse.wheel(0, 3000)
    row = page.locator(".item a", has_text="70.jpg")
    row.click()
    expect(page.get_by_role("button", name="Close the details")).to_be_in_viewport()
    page.get_by_role("button", name="Close the details").click()
    expect(row).to_be_in_viewport()


def test_a_search_without_a_match_says_so(page: Page, batch: str) -> None:
    show(page, batch)
    page.get_by_label("Name begins with").fill("nothing")
    expect(page.get_by_text("No image matches.")).to_be_visible()


def test_where_no_stream_comes_through_it_is_asked(page: Page, stack: Stack, batch: str) -> None:
    page.route("**/events?*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    show(page, batch)
    expect(page.get_by_text("a minute")).to_be_visible()  # the header's, and no lost connection
    with httpx.Client(trust_env=False) as http:
        file = ("late.jpg", jpeg(7, size=(32, 24)))
        http.post(f"{stack.url}/media", data={"batch": batch}, files={"file": file})
    expect(page.locator(".item").first).to_contain_text("late.jpg")
    expect(page.get_by_text("No connection")).to_have_count(0)


@pytest.mark.slow
def test_the_title_of_a_hidden_tab_goes_on(page: Page, stack: Stack) -> None:
    batch = str(ULID())
    page.goto(f"/?batch={batch}")
    expect(page.get_by_role("heading", level=1)).to_have_text("No image is in this batch")
    page.evaluate(HIDE)
    with httpx.Client(trust_env=False) as http:
        file = ("photo.jpg", jpeg(size=(32, 24)))
        http.post(f"{stack.url}/media", data={"batch": batch}, files={"file": file})
    expect(page).to_have_title("The image is done · Media processor", timeout=90_000)


def test_the_last_row_is_one_key_away_however_many_were_not_read(page: Page, batch: str) -> None:
    show(page, batch)
    page.locator(".item").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".item:focus")).to_have_attribute("data-index", re.compile("10[1-9]"))
    expect(page.locator(".item:focus")).to_be_in_viewport()


def test_delete_is_for_the_row_that_the_keyboard_is_at(page: Page, batch: str) -> None:
    show(page, batch)
    page.locator(".item").first.focus()
    page.keyboard.press("Delete")
    expect(page.get_by_label("Notices")).to_contain_text("1 image deleted")
    page.keyboard.press("Control+z")
    expect(page.get_by_label("Notices")).to_have_text("")


def test_times_are_those_of_the_server_where_the_clock_is_wrong(page: Page) -> None:
    page.clock.install(time=time.time() + 3600)
    page.goto("/#operations")
    about = page.get_by_role("region", name="Workers").get_by_text("up ").first
    expect(about).to_be_visible()
    assert not re.search(r"up (59|6\d|7\d) min|up 1(\.\d)? h", about.inner_text())
