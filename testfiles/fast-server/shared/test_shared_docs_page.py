"""GET /docs of both services: whole from the service, and shown by a real browser."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.fast import client, gateway
from support.services import running

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
needs_browser = pytest.mark.skipif(
    not CHROMIUM, reason="there is no Chromium here; on Debian: apt install chromium"
)


def rendered(url: str, profile: Path) -> tuple[str, str]:
    """The page at url as its scripts have made it, and what it wrote to its console."""
    command = [CHROMIUM, "--headless", "--no-sandbox", f"--user-data-dir={profile}"]
    command += ["--disable-background-networking", "--enable-logging=stderr", "--v=0"]
    command += ["--virtual-time-budget=20000", "--dump-dom", url]
    run = subprocess.run(command, capture_output=True, timeout=120, check=True)
    console = [line for line in run.stderr.decode().splitlines() if ":CONSOLE" in line]
    return run.stdout.decode(), "\n".join(console)


@pytest.fixture(scope="module", params=["fast-server", "central-server"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, httpx.Client]]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "fast-server":
        with gateway(folder) as fast:
            yield request.param, fast.http
    else:
        with running("central-server", folder, {}) as central, client(central.url) as http:
            yield request.param, http


def test_it_may_load_nothing_from_elsewhere(service: tuple[str, httpx.Client]) -> None:
    policy = service[1].get("/docs").headers["Content-Security-Policy"]
    directives = dict(entry.split(" ", 1) for entry in policy.split("; "))
    assert directives["default-src"] == directives["form-action"] == "'none'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    sources = " ".join(directives.values()).split()
    assert {*sources} == {"'none'", "'self'", "data:"}


def test_an_asset_is_sent_once(service: tuple[str, httpx.Client]) -> None:
    _, http = service
    for name, kind in (("swagger-ui-bundle.js", "text/javascript"), ("swagger-ui.css", "text/css")):
        first = http.get(f"/docs/{name}")
        assert first.headers["Content-Type"].startswith(kind)
        assert first.headers["X-Content-Type-Options"] == "nosniff"
        again = http.get(f"/docs/{name}", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_an_asset_that_is_none_is_not_found(service: tuple[str, httpx.Client]) -> None:
    _, http = service
    for name in ("redoc.standalone.js", "..%2f__init__.py", "x"):
        assert http.get(f"/docs/{name}").status_code == 404


@needs_browser
def test_the_documentation_is_shown_without_internet(
    service: tuple[str, httpx.Client], tmp_path: Path
) -> None:
    """The browser reaches nothing but the service: whatever else it asked for would be blocked."""
    name, http = service
    dom, console = rendered(str(http.base_url.join("/docs")), tmp_path)
    operations = ["post_media", "get_media", "delete_media", "post_retry"]
    if name == "central-server":
        operations = ["post_upload_final", "get_media", "get_receipt", "get_activity"]
    for operation in operations:
        assert f'-{operation}"' in dom
    assert console == ""
