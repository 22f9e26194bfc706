"""The page's view Operations, in a browser, while services are really killed and started again."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect
from redis import Redis

from local_stack.stack import ROOT, Stack
from support import images
from support.browser import assert_accessible, screenshot, window
from support.fast import gateway
from support.services import until
from support.stack_client import post
from support.worker import add_media, state_of

pytestmark = pytest.mark.slow

PHOTO = images.jpeg(size=(64, 48))
DAMAGED = images.png()[:-3000]
HOSTILE = "<img src=x onerror=alert(1)>"
WIDTHS = (1280, 390, 360)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose services tests end and start again."""
    logo = ROOT / "worker-server" / "bundled_logo.png"
    env = {"WORKERS": "2", "GOOGLE_LOGO": str(logo), "RETRY_BACKOFF_SECONDS": "1"}
    with Stack(tmp_path_factory.mktemp("faulty"), env) as running:
        yield running


@pytest.fixture
def page(browser: Browser, faulty: Stack) -> Iterator[Page]:
    with opened(browser, faulty.url) as shown:
        yield shown


@pytest.fixture(scope="module")
def done_and_failed(faulty: Stack) -> None:
    """Three images are done, and one has failed."""
    media = [post(faulty, PHOTO), post(faulty, PHOTO), post(faulty, PHOTO)]
    media.append(post(faulty, DAMAGED, "scan.png"))
    until(lambda: not any(state_of(faulty.upload_dir, one) == "pending" for one in media))


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """The view, in a time zone that is not UTC."""
    with window(browser, f"{url}/#operations", timezone_id="Asia/Tokyo", locale="en-GB") as page:
        yield page


@contextmanager
def killed(stack: Stack, *names: str) -> Iterator[None]:
    """Without these services; then with them again."""
    for name in names:
        stack[name].kill()
    try:
        yield
    finally:
        for name in names:
            stack[name].start()


def just_now() -> str:
    """A pattern: one of the minutes around now, as a clock in Tokyo has them."""
    now = datetime.now(timezone(timedelta(hours=9)))
    times = (f"{now - timedelta(minutes=ago):%H:%M}" for ago in range(-1, 3))
    return f"({'|'.join(times)})"


def sentence(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def part(page: Page, sign_and_name: str) -> Locator:
    """What the first card says of a part of the service."""
    return page.locator(".parts li").filter(has_text=sign_and_name)


def figure(page: Page, name: str) -> Locator:
    """A tile: its figure, and what stands below."""
    return page.locator(".tiles section").filter(has=page.get_by_role("heading", name=name))


def asked(page: Page, part: str) -> list[str]:
    """What the page asks for from now on, if its address has this part."""
    found: list[str] = []

    def note(request: Request) -> None:
        if part in request.url:
            found.append(f"{request.method} {request.url.split('/', 3)[3]}")

    page.on("request", note)
    return found


def append(stack: Stack, *lines: str) -> None:
    """Lines for central's log, as if it had written them."""
    with stack.activity_log.open("a", encoding="utf-8") as log:
        log.write("".join(f"{line}\n" for line in lines))


def fits(page: Page) -> bool:
    """Whether nothing reaches beyond the window's right edge."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def shots(page: Page, name: str) -> None:
    """In all widths, light and dark."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert fits(page), width
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            screenshot(page, f"operations-{name}-{width}-{scheme}")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="null")


def test_an_installation_in_which_nothing_has_happened(page: Page) -> None:
    expect(sentence(page)).to_have_text("Nothing waits")
    expect(page.get_by_text("0 stored in the last hour")).to_be_visible()
    expect(figure(page, "Waiting")).to_contain_text("0nothing waits")
    expect(card(page, "Failed, by reason")).to_contain_text("Nothing has failed.")
    expect(card(page, "worker_activity.log")).to_contain_text("No line yet")
    expect(card(page, "Workers")).to_contain_text("worker-1")
    expect(part(page, "✓ Redis")).to_contain_text("answers")
    assert_accessible(page)
    shots(page, "empty")


@pytest.mark.usefixtures("done_and_failed")
def test_what_is_done_and_what_failed_is_shown(page: Page) -> None:
    expect(figure(page, "Done in the last hour")).to_contain_text("33 in all, 1 failed")
    reason = card(page, "Failed, by reason").get_by_role("listitem")
    expect(reason).to_contain_text("The image is damaged")
    expect(reason).to_contain_text("Upload it again from the original.")
    card(page, "worker_activity.log").get_by_role("button", name="Read again").click()
    expect(card(page, "worker_activity.log")).to_contain_text("IMAGE: watermarked_photo.jpg")
    assert_accessible(page)
    shots(page, "failed")


@pytest.mark.usefixtures("done_and_failed")
def test_the_last_hour_is_a_picture_for_the_keyboard_and_a_table(page: Page) -> None:
    chart = card(page, "Images a minute, the last hour")
    expect(chart.get_by_role("img")).to_have_attribute("aria-label", re.compile("3 done, 1 failed"))
    minute = chart.get_by_role("slider")
    expect(minute).to_have_attribute("aria-valuetext", re.compile(r"^\d\d:\d\d so far: \d"))
    minute.focus()
    minute.press("Home")
    expect(minute).to_have_attribute("aria-valuetext", re.compile(": 0 received, 0 done, 0 fai"))
    expect(chart.locator("b")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    minute.blur()
    expect(chart.locator("b")).to_have_text("In all")
    chart.get_by_role("button", name="As a table").click()
    expect(chart.get_by_role("row")).to_have_count(61)
    expect(chart.get_by_role("row").nth(1)).to_contain_text("so far")
    sums = chart.get_by_role("cell").all_inner_texts()
    assert sum(map(int, sums)) == 4 + 3 + 1  # received, done, failed
    assert_accessible(page)
    chart.get_by_role("button", name="Without the table").click()
    expect(chart.get_by_role("table")).to_have_count(0)


@pytest.mark.usefixtures("done_and_failed")
def test_central_is_killed_and_comes_back(page: Page, faulty: Stack) -> None:
    log = card(page, "worker_activity.log")
    expect(log).to_contain_text("as of ")
    with killed(faulty, "central"):
        expect(sentence(page)).to_have_text(
            re.compile(f"^Central does not answer since {just_now()}$")
        )
        post(faulty, PHOTO, HOSTILE)
        expect(page.get_by_text("1 waits, none is lost; it goes on by itself.")).to_be_visible()
        expect(part(page, "✕ central-server")).to_contain_text("Central cannot be reached")
        expect(part(page, "✕ central-server")).to_contain_text(re.compile(r"since [\d:]+, for \d"))
        expect(figure(page, "Rate")).to_contain_text("nobody can tell when all is done")
        log.get_by_role("button", name="Read again").click()
        expect(log).to_contain_text("The log cannot be read: ")
        expect(log).to_contain_text("IMAGE: watermarked_photo.jpg")  # what was read stays
        assert_accessible(page)
        shots(page, "central")
    expect(part(page, "✓ central-server")).to_be_visible()
    expect(figure(page, "Waiting")).to_contain_text("nothing waits")
    expect(log).not_to_contain_text("cannot be read")
    log.get_by_role("button", name="Read again").click()
    expect(log).to_contain_text(f"IMAGE: watermarked_{HOSTILE}")


def test_redis_is_killed_and_comes_back(page: Page, faulty: Stack) -> None:
    expect(card(page, "Workers")).to_contain_text("worker-2")
    with killed(faulty, "redis"):
        expect(sentence(page)).to_have_text(re.compile("^Redis does not answer since .*no upload"))
        expect(card(page, "Workers")).to_contain_text("nobody can tell who works on what")
        expect(figure(page, "Rate")).to_contain_text("not known")
        expect(part(page, "? Workers")).to_contain_text("not known")
        assert_accessible(page)
        shots(page, "redis")
    expect(part(page, "✓ Redis")).to_be_visible()
    expect(card(page, "Workers")).to_contain_text("worker-2")


def test_a_redis_that_takes_no_job_is_told_with_what_to_do(page: Page, faulty: Stack) -> None:
    expect(page.locator(".health")).to_contain_text("2 workers")
    with Redis.from_url(faulty.redis_url) as redis:
        redis.config_set("maxmemory", 1)
        try:
            expect(sentence(page)).to_have_text(re.compile("^Redis takes no job since "))
            expect(part(page, "✕ Redis")).to_contain_text("raise its maxmemory")
            expect(page.locator(".health")).to_contain_text("something is wrong")
        finally:
            redis.config_set("maxmemory", 0)
    expect(page.locator(".health")).to_contain_text("2 workers")


def test_workers_are_killed_until_none_is_left(page: Page, faulty: Stack) -> None:
    workers = card(page, "Workers").get_by_role("listitem")
    expect(workers).to_have_count(2)
    with killed(faulty, "worker-2"):
        expect(workers).to_have_count(1)
        expect(workers).to_contain_text("worker-1")
        with killed(faulty, "worker-1"):
            expect(sentence(page)).to_have_text(re.compile("^No worker is alive since "))
            expect(card(page, "Workers")).to_contain_text(
                "What is uploaded waits until one starts."
            )
            shots(page, "no-worker")
    expect(workers).to_have_count(2)
    expect(sentence(page)).to_have_text("Nothing waits")


def test_who_works_on_what_and_for_how_long(page: Page, faulty: Stack) -> None:
    work = card(page, "Workers").get_by_role("listitem").filter(has_text="slow.jpg")
    os.kill(faulty["central"].pid, signal.SIGSTOP)
    try:
        media_id = post(faulty, PHOTO, "slow.jpg")
        expect(work.last).to_contain_text("delivers slow.jpg for ")
        work.last.get_by_role("link").click()
        expect(page).to_have_url(re.compile(f"media={media_id}"))
        page.go_back()
    finally:
        os.kill(faulty["central"].pid, signal.SIGCONT)
    expect(work).to_have_count(0)


def test_old_figures_are_never_shown_as_fresh(page: Page, faulty: Stack) -> None:
    expect(sentence(page)).to_have_text("Nothing waits")
    figures = page.locator(".figures")
    with killed(faulty, "gateway"):
        expect(sentence(page)).to_have_text("The server does not answer")
        expect(page.get_by_text(re.compile(r"^Nothing was heard since .* is \d+"))).to_be_visible()
        expect(figures).to_have_class(re.compile("old"))
        assert_accessible(page)
        shots(page, "gone")
        page.get_by_role("button", name="Pause the workers").click()
        expect(page.get_by_role("alert")).to_contain_text("the server does not answer")
    expect(sentence(page)).to_have_text("Nothing waits")
    expect(figures).not_to_have_class(re.compile("old"))


def test_minutes_that_nobody_knows_are_gaps(page: Page, faulty: Stack) -> None:
    minute = card(page, "Images a minute, the last hour").get_by_role("slider")
    page.clock.install()
    expect(minute).to_have_attribute("aria-valuetext", re.compile("so far"))
    with killed(faulty, "gateway"):
        page.clock.fast_forward("03:00")
        expect(minute).to_have_attribute("aria-valuetext", re.compile(r"^\d\d:\d\d: not known$"))
        expect(page.locator(".area .gap")).to_have_count(3)
        expect(page.get_by_text(re.compile("^Nothing was heard since .* is 3 min"))).to_be_visible()


def test_figures_that_grew_old_on_the_other_view_are_no_alarm(
    browser: Browser, faulty: Stack
) -> None:
    """The server tells what has changed, and the view Images asks for no more."""
    with window(browser, faulty.url) as page:
        expect(page.locator(".health")).to_contain_text("2 workers")
        page.clock.install()
        page.route("**/stats", lambda route: None)  # its answer is late
        page.clock.fast_forward(60_000)
        page.get_by_role("link", name="Operations").click()
        expect(sentence(page)).to_have_text("Asking what goes on now")
        page.clock.fast_forward(10_000)
        expect(sentence(page)).to_have_text("The server does not answer")
        page.unroute("**/stats")


def test_a_page_that_never_heard_anything_says_so(browser: Browser, faulty: Stack) -> None:
    """As behind a proxy that has the page's files alone."""
    answers = re.compile(r"/(stats|events|activity|media)(\?|$)")
    with browser.new_page(base_url=faulty.url) as page:
        page.route(answers, lambda route: route.abort())
        page.goto("/#operations")
        expect(sentence(page)).to_have_text("The server does not answer")
        expect(page.get_by_text("The page keeps asking.")).to_be_visible()
        expect(page.locator(".tiles")).to_have_count(0)
        page.unroute(answers)
        expect(sentence(page)).to_have_text("Nothing waits")


def test_a_pause_is_asked_for_once_and_ends_where_it_is_told(page: Page) -> None:
    requests = asked(page, "/pause"), asked(page, "/resume")
    page.get_by_role("button", name="Pause the workers").click()
    expect(sentence(page)).to_have_text(
        re.compile(f"^Paused since {just_now()}, uploads are taken")
    )
    page.mouse.down(click_count=2)  # of a double click, when the other button is there
    page.mouse.up(click_count=2)
    expect(page.get_by_text(re.compile(r"^Paused since \d\d:\d\d:\d\d\. Uploads"))).to_be_visible()
    expect(card(page, "Workers")).to_contain_text("pauses")
    assert requests == (["POST pause"], [])
    assert_accessible(page)
    shots(page, "paused")
    page.get_by_role("button", name="Let the workers go on").first.click()
    expect(sentence(page)).to_have_text("Nothing waits")
    expect(page.get_by_role("button", name="Pause the workers")).to_be_visible()


@pytest.mark.usefixtures("done_and_failed")
def test_a_retry_of_one_reason_leaves_the_others(page: Page, faulty: Stack) -> None:
    error = {"code": "worker_lost", "detail": "It died."}
    mended = add_media(faulty.upload_dir, PHOTO, state="failed", status="failed", error=error)
    faulty["gateway"].restart()  # it looks through the folders at its start
    reasons = card(page, "Failed, by reason")
    lost = reasons.get_by_role("listitem").filter(has_text="The worker died at it")
    requests = asked(page, "/media/retry")
    retry = lost.get_by_role("button", name="Retry 1 image: The worker died at it, ten times")
    expect(reasons.get_by_role("button", name="Retry all 2")).to_be_visible()
    retry.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="1 image is tried again")).to_be_visible()
    expect(lost).to_have_count(0)
    expect(reasons.get_by_role("heading")).to_be_focused()
    expect(reasons.get_by_role("listitem")).to_contain_text("The image is damaged")
    assert requests == ["POST media/retry?code=worker_lost"]
    until(lambda: state_of(faulty.upload_dir, mended) == "done")


@pytest.mark.usefixtures("done_and_failed")
def test_a_retry_that_cannot_be_says_why(page: Page, faulty: Stack) -> None:
    reasons = card(page, "Failed, by reason")
    failed, away = faulty.upload_dir / "failed", faulty.upload_dir / "failed-away"
    expect(reasons.get_by_role("listitem")).to_have_count(1)
    failed.rename(away)
    failed.touch()
    try:
        reasons.get_by_role("button", name="Retry 1 image: The image is damaged").click()
        told = page.get_by_role("status").filter(has_text="Not tried again: ")
        expect(told).to_contain_text("The disk cannot be used")
    finally:
        failed.unlink()
        away.rename(failed)
    expect(reasons.get_by_role("button", name="Retry 1 image")).to_be_enabled()


@pytest.mark.usefixtures("done_and_failed")
def test_show_leads_to_the_images_of_that_reason(page: Page) -> None:
    card(page, "Failed, by reason").get_by_role("link", name="Show 1 of: The image is dam").click()
    expect(page).to_have_url(re.compile(r"/\?state=failed&code=corrupt_image$"))
    expect(page.get_by_text("scan.png")).to_be_visible()
    page.go_back()
    expect(sentence(page)).to_have_text("Nothing waits")


def test_the_log_is_followed_while_it_is_seen(page: Page, faulty: Stack) -> None:
    log = card(page, "worker_activity.log")
    lines = log.get_by_role("log")
    follow = log.get_by_role("button", name="Follow")
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    expect(log).to_contain_text("following")
    post(faulty, PHOTO, "followed.jpg")
    expect(lines).to_contain_text("IMAGE: watermarked_followed.jpg")
    append(faulty, *(f"line {n} {HOSTILE} {'x' * 250}" for n in range(1500)))
    last = lines.locator("div").last
    expect(last).to_have_text(f"line 1499 {HOSTILE} {'x' * 250}")
    expect(lines.locator("div")).to_have_count(1000)
    lines.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()
    assert fits(page)
    assert_accessible(page)
    screenshot(page, "operations-log")
    stopped: list[str] = []
    page.on("requestfailed", lambda request: stopped.append(request.url))
    page.get_by_role("link", name="Images").click()
    until(lambda: page.evaluate("1") and any("follow=1" in url for url in stopped))


def test_a_reader_of_older_lines_is_left_there(page: Page, faulty: Stack) -> None:
    log = card(page, "worker_activity.log")
    lines = log.get_by_role("log")
    log.get_by_role("button", name="Follow").click()
    append(faulty, *(f"older {n}" for n in range(300)))
    expect(lines.locator("div").last).to_have_text("older 299")
    lines.evaluate("lines => { lines.scrollTop -= 1000; }")
    to_end = log.get_by_role("button", name="To the end")
    expect(to_end).to_be_visible()
    read = lines.get_by_text("older 240", exact=True)
    read.scroll_into_view_if_needed()
    append(faulty, *(f"newer {n}" for n in range(50)))
    expect(lines.locator("div").last).to_have_text("newer 49")
    expect(read).to_be_in_viewport()
    expect(lines.locator("div").last).not_to_be_in_viewport()
    to_end.click()
    expect(lines.locator("div").last).to_be_in_viewport()
    expect(to_end).to_have_count(0)


def test_a_filter_holds_while_lines_come(page: Page, faulty: Stack) -> None:
    log = card(page, "worker_activity.log")
    lines = log.get_by_role("log").locator("div")
    log.get_by_role("button", name="Follow").click()
    expect(log).to_contain_text("following")
    log.get_by_role("searchbox").fill("WANTED")
    expect(log).to_contain_text("No line has this text.")
    append(faulty, "a wanted line", "another", "one more wanted line")
    expect(lines).to_have_text(["a wanted line", "one more wanted line"])
    expect(log).to_contain_text("2 of ")
    append(faulty, *(f"other {n}" for n in range(1100)))
    expect(lines).to_have_count(0)  # the wanted ones were too long ago
    log.get_by_role("searchbox").fill("")
    expect(lines).to_have_count(1000)


def test_a_followed_log_goes_on_once_central_is_back(page: Page, faulty: Stack) -> None:
    log = card(page, "worker_activity.log")
    log.get_by_role("button", name="Follow").click()
    expect(log).to_contain_text("following")
    faulty["central"].restart()
    expect(log).to_contain_text("following")
    append(faulty, "after the restart")
    expect(log.get_by_role("log").locator("div").last).to_have_text("after the restart")


def test_the_log_can_be_downloaded(page: Page, faulty: Stack) -> None:
    with page.expect_download() as download:
        card(page, "worker_activity.log").get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "worker_activity.log"
    assert Path(download.value.path()).read_bytes() == faulty.activity_log.read_bytes()


def test_a_gateway_alone_on_a_full_disk(browser: Browser, tmp_path: Path) -> None:
    """No worker, no central, and no space: all of it is told, the worst first."""
    with (
        gateway(tmp_path, MIN_FREE_MB=str(10**9)) as fast,
        opened(browser, fast.server.url) as page,
    ):
        expect(sentence(page)).to_have_text(re.compile("^The disk of the uploads is nearly full"))
        expect(part(page, "✕")).to_have_count(3)
        expect(part(page, "✕ Disk")).to_contain_text("Make room")
        assert_accessible(page)
        shots(page, "disk")


def test_what_nobody_can_tell_is_not_shown_as_0(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "no_folder").touch()
    with (
        gateway(tmp_path, INDEX_DIR=str(tmp_path / "no_folder")) as fast,
        opened(browser, fast.server.url) as page,
    ):
        expect(figure(page, "Waiting")).to_contain_text("not knownnobody can count just now")
        expect(figure(page, "Done in the last hour")).to_contain_text("not known")
        expect(card(page, "Images a minute, the last hour")).to_contain_text(
            "Nobody can tell just now."
        )
        expect(card(page, "Failed, by reason")).to_contain_text("Nobody can tell just now.")
        expect(part(page, "! Index")).to_contain_text("nothing is counted")
        assert_accessible(page)
        shots(page, "unknown")


def test_forced_colours_keep_the_chart_legible(page: Page) -> None:
    page.emulate_media(forced_colors="active")
    expect(card(page, "Images a minute, the last hour").get_by_role("img")).to_be_visible()
    screenshot(page, "operations-forced-colours")
    page.emulate_media(forced_colors="none")
