"""The page in Debian's Chromium: windows, files that a person drops, screenshots, axe."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from local_stack.stack import ROOT

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = ROOT / ".screenshots"
expect.set_options(timeout=30_000)  # a worker is gone 15 s after its last report
_OPTIONS = ["--no-sandbox", "--disable-background-networking"]
_FROM_THE_NETWORK = "Failed to load resource: "  # a service that is down, or says no
_IN_THE_PAGE = {"x": 300, "y": 300}
_OF_WCAG_2_2 = {"rules": {"target-size": {"enabled": True}}}  # which axe leaves out else


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """A window with a profile of its own, open at url; options: see Browser.new_context.

    At its end AssertionError for what no page of ours does: see Watched.
    """
    context = browser.new_context(base_url=url, **options)
    watched = Watched(context, url)
    try:
        page = context.new_page()
        page.goto(url)
        yield page
    finally:
        context.close()
    assert not watched.faults, watched.faults


class Watched:
    """All tabs of a window, and in faults: errors of scripts, violations of the policy, requests
    to other hosts, and files of the page that are not there."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.faults: list[str] = []
        self._host = urlsplit(url).netloc
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("console", self._look_at_console)
        context.on("request", self._look_at_request)
        context.on("response", self._look_at_response)

    def _look_at_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_FROM_THE_NETWORK):
            self.faults.append(message.text)

    def _look_at_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https") and address.netloc != self._host:
            self.faults.append(f"asks {request.url}")

    def _look_at_response(self, response: Response) -> None:
        if "/page/" in response.url and not response.ok:
            self.faults.append(f"{response.status} of {response.url}")


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders onto the page, as from the desktop."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    desktop = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, **_IN_THE_PAGE, "data": data}
        desktop.send("Input.dispatchDragEvent", event)
    desktop.detach()


def screenshot(page: Page, name: str) -> None:
    """To look at: what is in view, as .screenshots/<name>.png."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def assert_accessible(page: Page) -> None:
    """axe finds nothing in the page as it is, in light and in dark."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    page.evaluate(axe)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = page.evaluate("options => axe.run(options)", _OF_WCAG_2_2)
        told = [_told(violation) for violation in found["violations"]]
        assert not told, (scheme, *told)
    page.emulate_media(color_scheme="null", reduced_motion="null")


def _told(violation: dict[str, Any]) -> str:
    places = [f"{node['html'][:200]} {node['failureSummary']}" for node in violation["nodes"]]
    return f"{violation['id']}: {violation['help']}: {'; '.join(places)}"
