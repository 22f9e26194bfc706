"""The page's list of images and the details of one, in a browser, against the whole stack."""

import re
from collections.abc import Iterator
from io import BytesIO
from zipfile import ZipFile

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from ulid import ULID

from local_stack.service import wait_until
from local_stack.stack import Stack
from support.browser import assert_accessible, screenshot, window
from support.images import heic, jpeg, png
from support.stack_client import described

DAMAGED = png()[:-3000]
HOSTILE = "<img src=x onerror=alert(1)>‮gpj.exe"


@pytest.fixture
def batch() -> str:
    return str(ULID())


@pytest.fixture
def page(browser: Browser, stack: Stack, batch: str) -> Iterator[Page]:
    """The page as it shows the batch."""
    with window(browser, f"{stack.url}/?batch={batch}") as page:
        yield page


def post(stack: Stack, batch: str, name: str, content: bytes, folder: str = "trip") -> str:
    """A media of the batch; returns its media_id."""
    form = {"batch": batch, "ref": f"{folder}/{name}"}
    with httpx.Client(trust_env=False, timeout=30) as http:
        sent = http.post(f"{stack.url}/media", data=form, files={"file": (name, content)})
    assert sent.status_code == 202, sent.text
    return str(sent.json()["media_id"])


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))


def names(page: Page) -> list[str]:
    """Of the rows, from the top."""
    rows = page.locator(".item").all()
    return [one.locator(".name a").inner_text() for one in sorted(rows, key=index)]


def index(one: Locator) -> int:
    return int(one.get_attribute("data-index") or -1)


def is_ordered(page: Page) -> bool:
    """Whether a screen reader has the rows of 29.jpg to 0.jpg in this order."""
    told = re.findall(r'row "Select (\d+).jpg', page.get_by_role("grid").aria_snapshot())
    return told == sorted(told, key=int, reverse=True)


def test_an_image_comes_into_the_list_and_gets_done_while_it_is_watched(
    page: Page, stack: Stack, batch: str
) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("No image is in this batch")
    post(stack, batch, "beach.jpg", jpeg())
    expect(row(page, "beach.jpg")).to_contain_text("done")
    expect(row(page, "beach.jpg")).to_contain_text("trip")
    expect(page.get_by_role("heading", level=1)).to_have_text("The image is done")
    picture = row(page, "beach.jpg").locator("img.thumb")
    assert wait_until(lambda: picture.evaluate("image => image.naturalWidth") > 0, 20)
    assert_accessible(page)
    screenshot(page, "images-one")


def test_names_that_are_markup_or_run_backwards_are_only_text(
    page: Page, stack: Stack, batch: str
) -> None:
    post(stack, batch, HOSTILE.replace("/", ""), jpeg())
    post(stack, batch, f"{'ü' * 125}.jpg", jpeg(1))  # 254 bytes
    expect(page.locator(".item")).to_have_count(2)
    assert any("<img src=x onerror=alert(1)>" in name for name in names(page))
    assert page.locator(".list").evaluate("list => list.scrollWidth <= list.clientWidth")


def test_filters_are_those_of_the_api_and_stand_in_the_address(
    page: Page, stack: Stack, batch: str
) -> None:
    post(stack, batch, "good.jpg", jpeg())
    post(stack, batch, "Goose.jpg", jpeg(1))
    post(stack, batch, "bad.png", DAMAGED)
    expect(page.get_by_role("heading", level=1)).to_have_text("2 watermarked, 1 not")
    page.get_by_role("button", name="Failed 1").click()
    expect(page.locator(".item")).to_have_count(1)
    assert "state=failed" in page.url
    page.get_by_role("button", name="All 3").click()
    page.get_by_label("Name begins with").fill("goo")
    expect(page.locator(".item")).to_have_count(2)
    page.reload()
    expect(page.locator(".item")).to_have_count(2)
    expect(page.get_by_label("Name begins with")).to_have_value("goo")
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator(".item")).to_have_count(3)
    page.get_by_text("More filters").click()
    page.get_by_label("Order").select_option("Oldest first")
    expect(page.locator(".item").first.locator(".name a")).to_have_text("good.jpg")
    assert_accessible(page)


def test_what_failed_says_why_and_can_be_tried_again(page: Page, stack: Stack, batch: str) -> None:
    media_id = post(stack, batch, "bad.png", DAMAGED)
    reasons = page.get_by_label("Why images failed")
    expect(reasons).to_contain_text("1 × The image is damaged")
    reasons.get_by_role("link", name="Show").click()
    assert "code=corrupt_image" in page.url
    row(page, "bad.png").locator("a").click()
    details = page.get_by_role("region", name="Details")
    expect(details).to_contain_text("The image is damaged (")
    expect(details).to_contain_text("Given up")
    assert_accessible(page)
    screenshot(page, "images-failed")
    details.get_by_role("button", name="Try again").click()
    expect(page.get_by_label("Notices")).to_contain_text("1 image is tried again")
    assert wait_until(lambda: described(stack, media_id)["run"] == 2, 20)
    reasons.get_by_role("button", name="Retry").click()
    assert wait_until(lambda: described(stack, media_id)["run"] == 3, 20)


def test_the_keyboard_reaches_all(page: Page, stack: Stack, batch: str) -> None:
    for number in range(4):
        post(stack, batch, f"{number}.jpg", jpeg(number))
    expect(page.get_by_role("heading", level=1)).to_have_text("All 4 are done")
    page.locator('.item[data-index="0"]').focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator('.item[data-index="1"]')).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    chosen = page.get_by_label("What is selected")
    expect(chosen).to_contain_text("3 images selected")
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(chosen).to_have_count(0)
    page.keyboard.press("Control+a")
    expect(chosen).to_contain_text("4 images selected")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Details")).to_contain_text("Stored and logged")
    page.get_by_role("button", name="Close the details").press("Escape")
    expect(page.locator('.item[data-index="0"]')).to_be_focused()


def test_the_slider_shows_before_and_after(page: Page, stack: Stack, batch: str) -> None:
    post(stack, batch, "phone.heic", heic())
    row(page, "phone.heic").locator("a").click()
    slider = page.get_by_role("slider")
    expect(slider).to_be_enabled()
    before = page.get_by_alt_text("Before")
    expect(before).to_have_attribute("style", re.compile("0px 50% 0px 0px|0 50% 0 0"))
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(before).to_have_attribute("style", re.compile("47%"))
    page.get_by_role("button", name="1:1").click()
    expect(page.get_by_role("button", name="1:1")).to_have_attribute("aria-pressed", "true")
    details = page.get_by_role("region", name="Details")
    expect(details).to_contain_text(re.compile("Received.*Watermarked by.*Stored and logged", re.S))
    expect(details).to_contain_text("watermarked_phone.heic")
    assert_accessible(page)
    screenshot(page, "images-details")


def test_a_choice_becomes_a_zip(page: Page, stack: Stack, batch: str) -> None:
    for number in range(3):
        post(stack, batch, f"{number}.jpg", jpeg(number))
    expect(page.get_by_role("heading", level=1)).to_have_text("All 3 are done")
    row(page, "2.jpg").get_by_role("checkbox").click(force=True)
    row(page, "1.jpg").get_by_role("checkbox").click(force=True)
    with page.expect_download() as saved:  # in a tab of its own
        page.get_by_role("button", name="Download ZIP of 2").click()
    packed = ZipFile(saved.value.path())
    assert packed.namelist() == ["trip/1.jpg", "trip/2.jpg"]


def test_the_zip_of_the_batch_has_the_size_that_its_button_says(
    page: Page, stack: Stack, batch: str
) -> None:
    ids = [post(stack, batch, f"{number}.jpg", jpeg(number)) for number in range(3)]
    button = page.get_by_role("link", name=re.compile(r"Download ZIP, \d"))
    with page.expect_download() as saved:
        button.click()
    packed = ZipFile(BytesIO(saved.value.path().read_bytes()))
    stored = [httpx.get(f"{stack.url}/media/{one}/image", trust_env=False).content for one in ids]
    assert [packed.read(name) for name in packed.namelist()] == stored
    size_kb = saved.value.path().stat().st_size / 1024
    assert abs(float(re.sub(r"[^\d.]", "", button.inner_text())) - size_kb) <= 0.5


def test_a_deletion_can_be_undone_for_a_while(page: Page, stack: Stack, batch: str) -> None:
    kept = post(stack, batch, "kept.jpg", jpeg())
    gone = post(stack, batch, "gone.jpg", jpeg(1))
    expect(page.get_by_role("heading", level=1)).to_have_text("All 2 are done")
    row(page, "kept.jpg").get_by_role("checkbox").click(force=True)
    page.get_by_role("button", name="Delete 1").click()
    expect(row(page, "kept.jpg")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(row(page, "kept.jpg")).to_be_visible()
    row(page, "kept.jpg").get_by_role("checkbox").click(force=True)
    page.get_by_role("button", name="Delete 1").click()
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "kept.jpg")).to_be_visible()
    row(page, "gone.jpg").get_by_role("checkbox").click(force=True)
    page.get_by_role("button", name="Delete 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The image is done")  # 8 s later
    answers = [httpx.get(f"{stack.url}/media/{one}", trust_env=False) for one in (kept, gone)]
    assert [answer.status_code for answer in answers] == [200, 404]


def test_whoever_closes_the_page_has_not_undone_a_deletion(
    page: Page, stack: Stack, batch: str
) -> None:
    media_id = post(stack, batch, "gone.jpg", jpeg())
    expect(page.get_by_role("heading", level=1)).to_have_text("The image is done")
    row(page, "gone.jpg").get_by_role("checkbox").click(force=True)
    page.get_by_role("button", name="Delete 1").click()
    page.goto("about:blank")
    url = f"{stack.url}/media/{media_id}"
    assert wait_until(lambda: httpx.get(url, trust_env=False).status_code == 404, 20)


def test_nothing_moves_under_a_reader_who_has_scrolled(
    page: Page, stack: Stack, batch: str
) -> None:
    for number in range(30):
        post(stack, batch, f"{number}.jpg", jpeg(number, size=(64, 48)))
    expect(page.get_by_role("heading", level=1)).to_have_text("All 30 are done")
    page.locator(".item").last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 3000)
    expect(row(page, "0.jpg")).to_be_in_viewport()
    assert wait_until(lambda: is_ordered(page), 20)
    top = row(page, "0.jpg").bounding_box()
    post(stack, batch, "new.jpg", jpeg(99))
    above = page.get_by_role("button", name="1 change above")
    expect(above).to_be_visible()
    assert row(page, "0.jpg").bounding_box() == top
    above.click()
    expect(row(page, "new.jpg")).to_be_in_viewport()
    expect(above).to_have_count(0)


def test_on_a_narrow_screen_the_details_take_the_lists_place(
    browser: Browser, stack: Stack, batch: str
) -> None:
    post(stack, batch, f"{'long name ' * 12}.jpg", jpeg())
    viewport = {"width": 360, "height": 740}
    with window(browser, f"{stack.url}/?batch={batch}", viewport=viewport) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("The image is done")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert_accessible(page)
        screenshot(page, "images-360")
        page.locator(".item a").click()
        expect(page.get_by_role("button", name="Close the details")).to_be_focused()
        expect(page.get_by_role("region", name="Details")).to_contain_text("Stored and logged")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert_accessible(page)
        screenshot(page, "details-360")
        page.go_back()
        expect(page.locator(".item")).to_be_visible()
