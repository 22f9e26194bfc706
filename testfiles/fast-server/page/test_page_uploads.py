"""What the page does with the files that somebody drops, whatever happens meanwhile."""

import json
import os
import re
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from faults.line import Line
from local_stack.stack import Stack
from support.browser import assert_accessible, drop, screenshot, window
from support.fast import Gateway, gateway, tiny_disk
from support.images import jpeg
from support.services import until

Answer = Callable[[Route], None]
SMALL = jpeg(size=(64, 48))
DAY_MS = 86_400_000
TAKEN_S = 1_750_000_000
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast"), MAX_UPLOAD_MB="20") as running_gateway:
        yield running_gateway


@pytest.fixture
def line(fast: Gateway) -> Iterator[Line]:
    with Line(fast.server.port) as line:
        yield line


@pytest.fixture
def page(browser: Browser, line: Line) -> Iterator[Page]:
    with window(browser, line.url, viewport={"width": 1280, "height": 900}) as page:
        expect(page.get_by_text("up to 20 MB each")).to_be_visible()  # it knows the limits
        yield page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Summer").mkdir()
    return tmp_path / "Summer"


def fill(folder: Path, count: int, size_bytes: int = 0) -> None:
    """Images of which no two are the same, at least as large."""
    for number in range(count):
        padding = bytes(max(0, size_bytes - len(SMALL))) + number.to_bytes(4)
        image = folder / f"IMG_{number:04}.jpg"
        image.write_bytes(SMALL + padding)
        os.utime(image, (0, TAKEN_S))  # a browser notices a change by the second


def batch_of(page: Page) -> str:
    match = re.search("batch=([0-9A-Z]{26})", page.url)
    assert match, page.url
    return match[1]


def refs(url: str, page: Page) -> Counter[str]:
    """Of all that came with the batch that is shown."""
    found, after = Counter[str](), ""
    while True:
        asked = {"batch": batch_of(page), "limit": "500"} | ({"after": after} if after else {})
        answer = httpx.get(f"{url}/media", params=asked, trust_env=False).json()
        found.update(media["ref"] for media in answer["media"])
        if (after := answer["next"]) is None:
            return found


def once(folder: Path) -> Counter[str]:
    """The refs of all files in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return Counter(path.relative_to(folder.parent).as_posix() for path in files)


def sending(page: Page) -> Locator:
    """The card that is there while something is not sent."""
    return page.locator(".sending")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def wait_until_sent(page: Page) -> None:
    page.evaluate(TWO_FRAMES)  # what was just dropped is drawn
    expect(sending(page)).to_have_count(0, timeout=120_000)


def sent_some(page: Page) -> None:
    expect(sending(page)).to_contain_text(re.compile(r"[1-9]\d* of \d+ are sent"))


def refused(page: Page) -> Locator:
    return page.get_by_label("What was not taken")


def instead(answer: Answer, times: int, page: Page, name: str) -> list[Request]:
    """Answers the first posts of a file instead of the gateway. Returns all posts of it."""
    posts: list[Request] = []

    def handle(route: Route) -> None:
        if name.encode() not in (route.request.post_data_buffer or b"")[:4000]:
            route.continue_()
            return
        posts.append(route.request)
        if len(posts) <= times:
            answer(route)
        else:
            route.continue_()

    page.route("**/media", handle)
    return posts


def test_a_folder_is_walked_to_its_end_and_not_sent_twice(
    page: Page, line: Line, folder: Path
) -> None:
    (folder / "day 1" / "morning").mkdir(parents=True)
    (folder / "nothing here").mkdir()
    fill(folder, 130)  # a browser gives 100 at a time
    fill(folder / "day 1" / "morning", 10)
    images = once(folder)
    (folder / "around").symlink_to(folder)
    (folder / ".DS_Store").write_bytes(SMALL)
    (folder / "day 1" / "Thumbs.db").write_bytes(SMALL)
    drop(page, folder)
    said = page.get_by_label("What is sent")
    expect(said).to_have_text(re.compile("140 are sent. 2 hidden files were left out."))
    assert refs(line.url, page) == images
    drop(page, folder)
    expect(said).to_contain_text("140 were there already. 2 hidden files were left out.")
    assert refs(line.url, page) == images
    assert_accessible(page)
    said.get_by_role("button", name="Close").click()
    expect(said).to_have_count(0)


@pytest.mark.slow
def test_what_was_deleted_is_sent_again(browser: Browser, stack: Stack, folder: Path) -> None:
    fill(folder, 3)
    with window(browser, stack.url) as page:
        drop(page, folder)
        expect(page.get_by_role("heading", level=1)).to_have_text("All 3 are done")
        batch = {"batch": batch_of(page)}
        [gone, *_] = httpx.get(f"{stack.url}/media", params=batch, trust_env=False).json()["media"]
        httpx.delete(f"{stack.url}/media/{gone['media_id']}", trust_env=False).raise_for_status()
        drop(page, folder)
        said = page.get_by_label("What is sent")
        expect(said).to_have_text(re.compile("1 is sent. 2 were there already."))
        assert refs(stack.url, page) == once(folder)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("notes.txt", b"text", "It is text/plain. Taken are JPEG, PNG"),
        ("none.jpg", b"", "It is empty."),
        ("large.jpg", SMALL + bytes(21 * 1024 * 1024), "It has 21 MB. At most 20 MB are taken"),
    ],
)
def test_what_cannot_be_taken_is_not_even_sent(
    page: Page, folder: Path, name: str, content: bytes, why: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    (folder / name).write_bytes(content)
    drop(page, folder)
    expect(refused(page)).to_contain_text(f"1 × {why}")
    expect(page.locator(".item").filter(has_text=name)).to_contain_text(why)
    assert "POST" not in asked
    assert_accessible(page)
    refused(page).get_by_role("button", name="Leave out").click()
    expect(refused(page)).to_have_count(0)


def test_what_the_server_refuses_stays_with_its_reason(
    page: Page, line: Line, folder: Path
) -> None:
    fill(folder, 8)
    (folder / "IMG_0001.jpg").write_bytes(b"no image" * 100)
    (folder / "IMG_0005.jpg").write_bytes(b"no image" * 101)
    drop(page, folder)
    expect(refused(page)).to_contain_text("2 × They are of a format that is not taken.")
    expect(refused(page)).to_contain_text("IMG_0001.jpg, IMG_0005.jpg")
    wait_until_sent(page)
    button(page, "Refused 2").click()
    expect(page.locator(".item")).to_have_count(2)
    expect(page.locator(".item").first).to_contain_text("IMG_0001.jpg holds none of JPEG")
    screenshot(page, "uploads-refused")
    (folder / "IMG_0001.jpg").write_bytes(SMALL)  # mended
    drop(page, folder)
    expect(refused(page)).to_contain_text("1 ×")
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder) - Counter(["Summer/IMG_0005.jpg"])


def test_names_may_hold_anything(page: Page, line: Line, folder: Path) -> None:
    names = [
        f"{'ä' * 125}.jpg",  # 254 bytes
        f"{'x' * 251}.jpg",
        "<img src=x onerror=alert(1)>.jpg",
        "cod\u202egnp.jpg",
        "two\nlines.jpg",
        "q\"uo'te;%0A\\.jpg",
        "\u2028.jpg",
        "Zoe\u0308 😀.jpg",
        "Zo\u00eb 😀.jpg",
        " blank ",
    ]
    for number, name in enumerate(names):
        (folder / name).write_bytes(SMALL + bytes([number]))
    deep = folder.joinpath(*(f"{'long ' * 48}{level}" for level in range(6)))
    deep.mkdir(parents=True)
    (deep / "deep.jpg").write_bytes(SMALL)
    drop(page, folder)
    expect(page.locator(".item")).to_have_count(len(names) + 1)
    wait_until_sent(page)
    sent = refs(line.url, page)
    plain = {f"Summer/{name}".replace("\n", "_").replace("\u2028", "_") for name in names}
    assert plain < sent.keys()
    [cut] = sent.keys() - plain
    assert len(cut.encode()) <= 1024
    assert cut.endswith(" 5/deep.jpg")
    drop(page, folder)
    expect(page.get_by_label("What is sent")).to_contain_text("11 were there already.")


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_by_kills_and_a_cut_line(
    browser: Browser, tmp_path: Path, folder: Path
) -> None:
    fill(folder, 80, 200_000)
    with Stack(tmp_path / "stack", {"WORKERS": "0"}) as stack:
        port = int(stack.url.rpartition(":")[2])
        with Line(port) as line, window(browser, line.url) as page:
            line.bytes_a_second = 2_000_000
            drop(page, folder)
            for _ in range(2):
                sent_some(page)
                stack["gateway"].kill()
                expect(sending(page)).to_contain_text("The server cannot be reached.")
                stack["gateway"].start()
            sent_some(page)
            line.cut()
            expect(sending(page)).to_contain_text("The server cannot be reached.")
            screenshot(page, "uploads-cut")
            line.mend()
            wait_until_sent(page)
            assert refs(stack.url, page) == once(folder)
            expect(refused(page)).to_have_count(0)


def test_an_upload_whose_answer_was_lost_is_taken_once(
    page: Page, line: Line, folder: Path
) -> None:
    fill(folder, 4)
    line.loses_answers = True
    with page.expect_event("requestfailed"):
        drop(page, folder)
    until(lambda: refs(line.url, page) == once(folder))
    line.loses_answers = False
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)


def test_a_file_that_changes_while_it_is_sent_is_named(
    page: Page, line: Line, folder: Path
) -> None:
    fill(folder, 3, 15_000_000)
    line.bytes_a_second = 1_000_000
    drop(page, folder)
    expect(page.locator(".item").filter(has_text="%")).to_have_count(3)
    with (folder / "IMG_0000.jpg").open("r+b") as changed:
        changed.write(b"other")
    os.truncate(folder / "IMG_0001.jpg", 1_000_000)
    line.bytes_a_second = 0
    expect(refused(page)).to_contain_text("It was changed, or moved, while it was sent.")
    expect(refused(page)).to_contain_text("It was changed, or is gone, since it was dropped.")
    wait_until_sent(page)
    assert_accessible(page)
    drop(page, folder / "IMG_0001.jpg")
    wait_until_sent(page)
    assert refs(line.url, page)["Summer/IMG_0002.jpg"] == 1


@pytest.mark.slow
def test_a_file_that_changed_before_it_is_sent_is_not_sent(
    page: Page, line: Line, folder: Path
) -> None:
    fill(folder, 5)
    line.cut()
    drop(page, folder)
    expect(sending(page)).to_contain_text("The server cannot be reached.")
    (folder / "IMG_0004.jpg").write_bytes(SMALL * 2)
    line.mend()
    wait_until_sent(page)
    expect(refused(page)).to_contain_text("1 × It was changed, or is gone, since it was dropped.")
    drop(page, folder)  # as it says
    wait_until_sent(page)
    expect(refused(page)).to_have_count(0)
    assert refs(line.url, page) == once(folder)


@pytest.mark.slow
def test_a_full_disk_is_said_and_waited_for(browser: Browser, tmp_path: Path, folder: Path) -> None:
    fill(folder, 6, 50_000)
    with tiny_disk(tmp_path / "disk") as disk:
        uploads = str(disk / "uploads")
        with (
            gateway(tmp_path, UPLOAD_DIR=uploads) as fast,
            window(browser, fast.server.url) as page,
        ):
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(shutil.disk_usage(disk).free))
            drop(page, folder)
            expect(sending(page)).to_contain_text("6 of 6 wait to be sent")
            expect(sending(page)).to_contain_text(
                re.compile(r"The server's disk is full\..*Next try in \d+ sec")
            )
            assert_accessible(page)
            screenshot(page, "uploads-disk-full")
            ballast.unlink()
            button(page, "Try now").click()
            wait_until_sent(page)
            assert refs(fast.server.url, page) == once(folder)


def problem(status: int, code: str, retry_after_s: int = 0) -> Answer:
    """As the gateway says no."""
    body = json.dumps({"code": code, "detail": f"Because of {code}."})
    headers = {"Retry-After": str(retry_after_s)} if retry_after_s else {}
    return lambda route: route.fulfill(status=status, body=body, headers=headers)


def a_proxys(status: int) -> Answer:
    page = "<html>nginx</html>"
    return lambda route: route.fulfill(status=status, body=page, content_type="text/html")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (problem(503, "queue_full", 1), "So many images wait that the server takes no more."),
        (problem(507, "disk_full", 2), "The server's disk is full."),
        (a_proxys(503), "The server answered 503 without a reason."),
        (a_proxys(429), "The server answered 429 without a reason."),
    ],
)
def test_all_wait_while_the_server_takes_nothing(
    page: Page, line: Line, folder: Path, answer: Answer, said: str
) -> None:
    fill(folder, 9)
    posts = instead(answer, 1, page, "IMG_0002.jpg")
    drop(page, folder)
    expect(sending(page)).to_contain_text(said)
    expect(sending(page)).to_contain_text("wait to be sent")
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)
    assert len(posts) == 2
    assert len({post.headers["idempotency-key"] for post in posts}) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        problem(500, "internal_error"),
        problem(408, "upload_stalled"),
        a_proxys(502),
        a_proxys(200),  # it wants somebody to sign in, say
        lambda route: route.abort("connectionreset"),
    ],
)
def test_one_that_breaks_is_tried_again_and_holds_up_no_other(
    page: Page, line: Line, folder: Path, answer: Answer
) -> None:
    fill(folder, 9)
    posts = instead(answer, 2, page, "IMG_0000.jpg")
    drop(page, folder)
    expect(sending(page)).to_contain_text("8 of 9 are sent")
    expect(sending(page)).to_contain_text("1 is tried again: ")
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)
    assert len({post.headers["idempotency-key"] for post in posts}) == 1
    assert len(posts) == 3


@pytest.mark.slow
def test_one_that_always_breaks_is_given_up(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 2)
    page.clock.install()
    posts = instead(a_proxys(502), 6, page, "IMG_0000.jpg")
    drop(page, folder)

    def is_given_up() -> bool:
        page.clock.fast_forward(1000)
        return len(posts) == 6

    until(is_given_up)
    expect(refused(page)).to_contain_text("1 × It was tried 6 times. The server answered 502")
    refused(page).get_by_role("button", name="Try again").click()
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)


def test_a_line_that_breaks_again_and_again_costs_no_file(
    page: Page, line: Line, folder: Path
) -> None:
    fill(folder, 1, 300_000)
    line.bytes_a_second = 100_000
    drop(page, folder)
    for _ in range(7):
        expect(page.locator(".item").filter(has_text="%")).to_have_count(1)
        line.cut()
        expect(sending(page)).to_contain_text("The server cannot be reached.")
        line.mend()
        button(page, "Try now").click()
    line.bytes_a_second = 0
    wait_until_sent(page)
    expect(refused(page)).to_have_count(0)
    assert refs(line.url, page) == once(folder)


def test_a_proxy_may_take_less_than_the_server(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 3)
    instead(a_proxys(413), 1, page, "IMG_0001.jpg")
    drop(page, folder)
    expect(refused(page)).to_contain_text("something in front of the server takes none as large")
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder) - Counter(["Summer/IMG_0001.jpg"])


@pytest.mark.slow
def test_a_silent_line_is_given_up_after_a_minute(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 5, 12_000_000)  # more than the system takes at once
    page.clock.install()
    line.bytes_a_second = 200_000
    drop(page, folder)
    expect(page.locator(".item").filter(has_text="%")).to_have_count(4)
    line.freeze()
    with page.expect_event("requestfailed"):
        page.clock.fast_forward(61_000)
    page.clock.fast_forward(11_000)  # nor does it say whether it is ready
    expect(sending(page)).to_contain_text("The server cannot be reached.")
    line.bytes_a_second = 0
    line.thaw()
    button(page, "Try now").click()
    page.clock.fast_forward(30_000)
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)


@pytest.mark.slow
def test_a_key_that_the_server_forgot_doubles_nothing(
    page: Page, line: Line, fast: Gateway, folder: Path
) -> None:
    """A laptop may sleep for days while an answer is on its way."""
    fill(folder, 2)
    page.clock.install()
    line.loses_answers = True
    with page.expect_event("requestfailed"):
        drop(page, folder)
    until(lambda: refs(line.url, page) == once(folder))
    line.cut()
    expect(sending(page)).to_contain_text("The server cannot be reached.")
    for claim in (fast.uploads / ".idempotency").iterdir():
        claim.unlink()
    page.clock.fast_forward(2 * DAY_MS)
    line.loses_answers = False
    line.mend()
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)


def test_after_a_reload_the_rest_is_dropped_again(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 40, 300_000)
    line.bytes_a_second = 1_000_000
    drop(page, folder)
    sent_some(page)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".item").first).to_be_visible()
    expect(other.get_by_text("Drop the folder again")).to_have_count(0)  # this tab is at it
    page.bring_to_front()
    page.get_by_role("heading", level=1).click()  # a browser asks only those who did something
    with page.expect_event("dialog") as asked:
        page.once("dialog", lambda dialog: dialog.accept())
        page.reload()
    assert asked.value.type == "beforeunload"
    said = page.get_by_label("What is sent")
    expect(said).to_contain_text(re.compile(r"\d+ of 40 have arrived. Drop the folder again"))
    assert_accessible(page)
    screenshot(page, "uploads-interrupted")
    line.bytes_a_second = 0
    drop(page, folder)
    expect(said).to_contain_text(re.compile(r"\d+ are sent. \d+ were there already."))
    assert refs(line.url, page) == once(folder)
    page.reload()
    expect(page.locator(".item").first).to_be_visible()
    expect(said).to_have_count(0)


@pytest.mark.slow
def test_two_tabs_and_two_drops_send_it_once(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 60)
    drop(page, folder / "IMG_0000.jpg")  # the batch begins
    wait_until_sent(page)
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".item").first).to_be_visible()
    drop(page, folder)
    drop(other, folder)
    drop(page, folder)
    wait_until_sent(page)
    wait_until_sent(other)
    assert refs(line.url, page) == once(folder) + Counter(["IMG_0000.jpg"])


def test_offline_it_waits_and_online_it_goes_on(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 20, 200_000)
    line.bytes_a_second = 1_000_000
    drop(page, folder)
    sent_some(page)
    page.context.set_offline(True)
    expect(sending(page)).to_contain_text("This computer is offline.")
    screenshot(page, "uploads-offline")
    page.context.set_offline(False)
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)


def test_all_can_be_paused_and_resumed(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 20, 200_000)
    line.bytes_a_second = 500_000
    drop(page, folder)
    sent_some(page)
    button(page, "Pause").click()
    expect(sending(page)).to_contain_text(re.compile(r"Paused: \d+ of 20 are to be sent"))
    expect(page.locator(".item").filter(has_text="%")).to_have_count(0)
    (folder / "later.jpg").write_bytes(SMALL)
    drop(page, folder / "later.jpg")
    expect(sending(page)).to_contain_text(re.compile(r"Paused: \d+ of \d+ are to be sent"))
    assert "later.jpg" not in refs(line.url, page)
    assert_accessible(page)
    screenshot(page, "uploads-paused")
    line.bytes_a_second = 0
    button(page, "Resume").click()
    wait_until_sent(page)
    sent = refs(line.url, page)
    assert sent.pop("later.jpg") == 1
    (folder / "later.jpg").unlink()
    assert sent == once(folder)


@pytest.mark.slow
def test_all_can_be_cancelled_and_that_be_undone(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 20, 200_000)
    line.bytes_a_second = 500_000
    drop(page, folder)
    sent_some(page)
    button(page, "Cancel").click()
    expect(page.get_by_label("Notices")).to_contain_text("files are not sent")
    expect(sending(page)).to_have_count(0)
    line.bytes_a_second = 0
    button(page, "Undo").click()
    wait_until_sent(page)
    until(lambda: refs(line.url, page) == once(folder))


def test_one_can_be_paused_resumed_and_cancelled(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 4, 15_000_000)
    line.bytes_a_second = 1_000_000
    drop(page, folder)
    button(page, "Pause IMG_0001.jpg").click()
    button(page, "Cancel IMG_0002.jpg").click()
    screenshot(page, "uploads-rows")
    assert_accessible(page)
    line.bytes_a_second = 0
    expect(sending(page)).to_contain_text("Paused: 1 of 3 are to be sent")
    page.get_by_role("button", name="To send 1").click()
    expect(page.locator(".item")).to_have_count(1)  # those that were shown go with the next frame
    expect(page.locator(".item")).to_contain_text("paused")
    button(page, "Resume IMG_0001.jpg").click()
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder) - Counter(["Summer/IMG_0002.jpg"])


def test_an_empty_folder_is_said_and_begins_no_batch(page: Page, folder: Path) -> None:
    (folder / "inside").mkdir()
    drop(page, folder)
    expect(page.get_by_label("What is sent")).to_contain_text("There is no file in it.")
    (folder / "inside" / ".hidden.jpg").write_bytes(SMALL)
    drop(page, folder)
    expect(page.get_by_label("What is sent")).to_contain_text("1 hidden file was left out.")
    assert "batch" not in page.url


def test_files_and_folders_can_be_chosen(page: Page, line: Line, folder: Path) -> None:
    (folder / "day 1").mkdir()
    fill(folder / "day 1", 3)
    with page.expect_file_chooser() as chosen:
        button(page, "Choose folder").click()
    chosen.value.set_files(folder)
    expect(page.locator(".item")).to_have_count(3)
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)
    with page.expect_file_chooser() as chosen:
        button(page, "Choose files").click()
    assert chosen.value.is_multiple()
    chosen.value.set_files(sorted((folder / "day 1").iterdir())[:2])
    expect(page.locator(".item")).to_have_count(5)
    wait_until_sent(page)
    assert set(refs(line.url, page)) - set(once(folder)) == {"IMG_0000.jpg", "IMG_0001.jpg"}


def test_an_image_can_be_pasted_and_a_text_is_left_to_the_field(page: Page, line: Line) -> None:
    paste = """([name, bytes]) => {
        const clipboardData = new DataTransfer();
        if (bytes) clipboardData.items.add(new File([new Uint8Array(bytes)], name));
        else clipboardData.setData("text", name);
        const options = {clipboardData, bubbles: true, cancelable: true};
        const event = new ClipboardEvent("paste", options);
        document.activeElement.dispatchEvent(event);
        return event.defaultPrevented;
    }"""
    page.get_by_label("Name begins with").focus()
    assert not page.evaluate(paste, ["IMG", None])
    assert "batch" not in page.url
    assert page.evaluate(paste, ["image.jpg", list(SMALL)])
    wait_until_sent(page)
    assert refs(line.url, page) == Counter(["image.jpg"])


def test_what_is_dropped_on_the_operations_leads_to_the_images(
    page: Page, line: Line, folder: Path
) -> None:
    fill(folder, 1)
    page.get_by_role("link", name="Operations").click()
    drop(page, folder)
    expect(page.locator(".item").filter(has_text="IMG_0000.jpg")).to_have_count(1)
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)


def test_it_works_on_plain_http_by_an_address(
    browser: Browser, fast: Gateway, folder: Path
) -> None:
    """Where a browser has neither crypto.subtle nor crypto.randomUUID."""
    fill(folder, 3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(("10.255.255.255", 9))  # sends nothing
        own = asked.getsockname()[0]
    with Line(fast.server.port, own) as line, window(browser, line.url) as page:
        assert page.evaluate("[isSecureContext, typeof crypto.subtle]") == [False, "undefined"]
        drop(page, folder)
        expect(page.locator(".item")).to_have_count(3)
        wait_until_sent(page)
        assert refs(line.url, page) == once(folder)


def test_a_list_that_never_comes_is_not_waited_for_for_ever(
    page: Page, line: Line, folder: Path
) -> None:
    fill(folder, 3)
    drop(page, folder / "IMG_0000.jpg")
    wait_until_sent(page)
    page.evaluate(
        "const real = AbortSignal.timeout.bind(AbortSignal);"
        "AbortSignal.timeout = (ms) => real(ms / 20);"  # a faster clock
    )
    asked: list[Route] = []
    page.route(
        "**/media?batch=*&limit=500", lambda route: asked.append(route)
    )  # before anything is sent
    drop(page, folder)
    expect(sending(page)).to_contain_text("The server cannot be reached.")
    assert asked
    page.unroute("**/media?batch=*&limit=500")
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder) + Counter(["IMG_0000.jpg"])


def test_uploads_go_on_without_an_index(browser: Browser, tmp_path: Path, folder: Path) -> None:
    """The server cannot tell what a batch has. The keys see to it that all comes once."""
    fill(folder, 3)
    (tmp_path / "no_folder").touch()
    with (
        gateway(tmp_path, INDEX_DIR=str(tmp_path / "no_folder")) as fast,
        window(browser, fast.server.url) as page,
    ):
        drop(page, folder / "IMG_0000.jpg")
        wait_until_sent(page)
        for _ in range(2):
            drop(page, folder)
            wait_until_sent(page)
        assert len(fast.folders("pending")) == 1 + 3


def test_the_keyboard_stays_at_the_button_that_pauses(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 3, 1_000_000)
    line.bytes_a_second = 100_000
    drop(page, folder)
    button(page, "Pause").focus()
    page.keyboard.press("Enter")
    expect(button(page, "Resume")).to_be_focused()
    page.keyboard.press("Enter")
    expect(button(page, "Pause")).to_be_focused()


def test_what_is_pressed_twice_is_sent_once(page: Page, line: Line, folder: Path) -> None:
    fill(folder, 1)
    posts = instead(problem(422, "bad_ref"), 1, page, "IMG_0000.jpg")
    drop(page, folder)
    again = button(page, "Try IMG_0000.jpg again")
    expect(again).to_be_visible()
    again.evaluate("button => { button.click(); button.click(); }")  # before it is drawn again
    wait_until_sent(page)
    assert refs(line.url, page) == once(folder)
    assert len(posts) == 2


@pytest.mark.slow
def test_5000_files_in_nested_folders(page: Page, line: Line, folder: Path) -> None:
    for month in range(10):
        inner = folder / f"month {month}" / "day"
        inner.mkdir(parents=True)
        fill(inner, 500)
    drop(page, folder)
    expect(sending(page)).to_contain_text("of 5,000", timeout=60_000)
    screenshot(page, "uploads-5000")
    expect(sending(page)).to_have_count(0, timeout=400_000)
    assert refs(line.url, page) == once(folder)
    drop(page, folder)
    expect(page.get_by_label("What is sent")).to_contain_text("5,000 were there already.")
