"""GET / of central-server."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from support.browser import assert_accessible, window
from support.fast import client
from support.services import running


def test_it_says_what_it_is_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    with running("central-server", tmp_path, {}) as central, client(central.url) as http:
        page = http.get("/")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        links = [rest.partition('"')[0] for rest in page.text.split('<a href="')[1:]]
        assert links == ["/activity", "/docs", "/ready"]
        assert [http.get(link).status_code for link in links] == [200, 200, 200]
        assert f"curl {central.url}/activity" in page.text


def test_a_browser_shows_it_and_loads_nothing_for_it(browser: Browser, tmp_path: Path) -> None:
    with running("central-server", tmp_path, {}) as central, window(browser, central.url) as page:
        expect(page.locator("h1")).to_have_text("Media processor: central storage")
        assert page.locator("h1").evaluate("e => getComputedStyle(e).fontFamily") == (
            "system-ui, sans-serif"
        )
        assert page.evaluate("performance.getEntriesByType('resource').length") == 0
        assert_accessible(page)
