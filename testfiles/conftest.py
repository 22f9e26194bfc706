"""What every test can use."""

import os
from collections.abc import Generator, Iterator

import pytest
from playwright.sync_api import Browser, Page

from local_stack.stack import ROOT, Stack
from support.browser import chromium, window

for proxy in ("http_proxy", "https_proxy", "all_proxy"):  # all that is asked is on this machine
    os.environ.pop(proxy, None)
    os.environ.pop(proxy.upper(), None)
for name in ("MAKEFLAGS", "ARGS"):  # of the make that runs the tests, not of those that tests run
    os.environ.pop(name, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """REQUIRE_ALL=1, as in CI: a test that cannot run has failed."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE_ALL") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but REQUIRE_ALL is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack as real processes with two workers; for tests that leave it running."""
    logo = ROOT / "worker-server" / "bundled_logo.png"
    env = {"WORKERS": "2", "GOOGLE_LOGO": str(logo)}
    with Stack(tmp_path_factory.mktemp("stack"), env) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It ends with its module: until then asyncio.run would find Playwright's loop."""
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A window of its own at the page of the session's stack."""
    with window(browser, stack.url) as opened:
        yield opened
