"""The page's files over HTTP: kept for ever, compressed, under a strict policy, nothing else."""

import gzip
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect
from pydantic import AnyHttpUrl

from local_stack.stack import ROOT
from page.assets import Page
from support import images
from support.browser import window
from support.fast import Gateway, assert_problem, gateway
from upload_api.settings import Settings

FOLDER = ROOT / "fast-server" / "page"
MOST_BYTES = 60 * 1024  # of a first visit
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types lit-html"
)
# The names of what came over the network, and not out of the browser's cache.
TRANSFERRED = """performance.getEntriesByType("resource")
    .filter((entry) => entry.name.includes("/page/") && entry.transferSize > 0)
    .map((entry) => entry.name.split("/").at(-1))"""
# In a file's text: no browser asks for these.
NAMES_OF_HOSTS = {"www.w3.org"}
HOST = re.compile(rb"""(?:https?:|["'(=])//([a-z0-9][a-z0-9.-]+)""", re.IGNORECASE)


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as running:
        yield running


@pytest.fixture(scope="module")
def paths(fast: Gateway) -> list[str]:
    """All that the first document names, each once, and itself."""
    document = fast.http.get("/").text
    found = re.findall(r'(?:href|src)="(/page/[^"]+)"', document)
    return ["/", *dict.fromkeys(found)]


def test_the_document_names_three_files(fast: Gateway, paths: list[str]) -> None:
    names = [path.removeprefix(f"/page/{paths[1].split('/')[2]}/") for path in paths[1:]]
    assert sorted(names) == ["icon.svg", "main.js", "style.css"]
    assert "{" not in fast.http.get("/").text


def test_a_first_visit_is_small(fast: Gateway, paths: list[str]) -> None:
    total = 0
    for path in paths:
        with fast.http.stream("GET", path) as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Encoding"] == "gzip"
            total += sum(map(len, answer.iter_raw()))
            total += sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
    assert total <= MOST_BYTES


def test_a_browser_loads_each_file_once_and_keeps_it(fast: Gateway, browser: Browser) -> None:
    with window(browser, fast.server.url) as page:
        expect(page.locator("h1")).to_be_visible()
        assert sorted(page.evaluate(TRANSFERRED)) == ["icon.svg", "main.js", "style.css"]
        page.goto(fast.server.url)
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate(TRANSFERRED) == []


def test_every_file_is_sent_plain_too(fast: Gateway, paths: list[str]) -> None:
    for path in paths:
        compressed = fast.http.get(path)
        for asked in ("identity", "gzip;q=0", "gzip; q=0.000, br", "deflate", "xgzip", ""):
            plain = fast.http.get(path, headers={"Accept-Encoding": asked})
            assert "Content-Encoding" not in plain.headers, asked
            assert plain.content == compressed.content
            assert int(plain.headers["Content-Length"]) == len(plain.content)
            assert plain.headers["ETag"] != compressed.headers["ETag"]
            assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("asked", ["gzip", "br, GZIP;q=0.1", "*", "identity;q=0.5, gzip ; q=1"])
def test_it_is_compressed_for_whoever_takes_that(fast: Gateway, asked: str) -> None:
    with fast.http.stream("GET", "/", headers={"Accept-Encoding": asked}) as answer:
        assert gzip.decompress(b"".join(answer.iter_raw())).startswith(b"<!doctype html>")


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_what_a_browser_has_is_not_sent_again(
    fast: Gateway, paths: list[str], encoding: str
) -> None:
    for path in paths:
        first = fast.http.get(path, headers={"Accept-Encoding": encoding})
        has = {"Accept-Encoding": encoding, "If-None-Match": first.headers["ETag"]}
        again = fast.http.get(path, headers=has)
        assert (again.status_code, again.content) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary"):
            assert again.headers[name] == first.headers[name]
        other = fast.http.get(path, headers={**has, "If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)


def test_head_has_the_headers_of_get(fast: Gateway, paths: list[str]) -> None:
    for path in paths:
        head, whole = fast.http.head(path), fast.http.get(path)
        assert head.content == b""
        assert {**head.headers, "date": ""} == {**whole.headers, "date": ""}


def test_files_of_this_version_are_kept_for_ever_and_the_document_is_not(
    fast: Gateway, paths: list[str]
) -> None:
    document, *assets = (fast.http.get(path).headers["Cache-Control"] for path in paths)
    assert document == "no-cache"
    assert {*assets} == {"public, max-age=31536000, immutable"}
    version = paths[1].split("/")[2]
    for path in paths[1:]:
        of_another = fast.http.get(path.replace(version, "0123456789abcdef"))
        assert of_another.status_code == 200
        assert of_another.headers["Cache-Control"] == "no-cache"


def test_the_version_is_another_where_a_file_differs(tmp_path: Path) -> None:
    for name in ("index.html", "style.css", "icon.svg", "main.js"):
        (tmp_path / name).write_text("1;")
    versions = [Page("", tmp_path).version, Page("", tmp_path).version]
    for name in ("index.html", "style.css", "icon.svg", "main.js"):
        (tmp_path / name).write_text("2;")
        versions.append(Page("", tmp_path).version)
    assert versions[0] == versions[1]
    assert len({*versions}) == 5


def test_all_have_the_policy_and_their_kind(fast: Gateway, paths: list[str]) -> None:
    kinds = {
        "/": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
    for path in paths:
        headers = fast.http.get(path).headers
        assert headers["Content-Type"] == kinds[Path(path).suffix or path]
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "assets.py", "__init__.py", "vendor/README.md", "vendor/lit-html.js"),
        *("", "vendor", "vendor/", "main.js/", "Main.js", "main.js%00", "main.js.map"),
        *("../main.py", "../../etc/passwd", "..%2fmain.py", "%2e%2e/main.py", "vendor/../main.js"),
        *("..\\main.py", "/etc/passwd", "%2fetc%2fpasswd", ".", "..", "x" * 5000),
    ],
)
def test_whatever_else_is_asked_for_is_not_there(
    fast: Gateway, paths: list[str], name: str
) -> None:
    """Byte for byte as it stands here: httpx would take out the dots."""
    connection = HTTPConnection("127.0.0.1", fast.server.port, timeout=30)
    connection.request("GET", f"/page/{paths[1].split('/')[2]}/{name}")
    answer = connection.getresponse()
    headers = list(answer.getheaders())
    assert_problem(
        httpx.Response(answer.status, headers=headers, content=answer.read()), 404, "not_found"
    )
    connection.close()


def test_no_file_names_a_foreign_host(fast: Gateway, paths: list[str]) -> None:
    for path in paths:
        hosts = {host.decode() for host in HOST.findall(fast.http.get(path).content)}
        assert hosts <= NAMES_OF_HOSTS, path


def test_no_style_or_script_stands_in_the_markup(fast: Gateway, paths: list[str]) -> None:
    """The policy would block it; of a template nobody would notice but who looks closely."""
    for path in paths:
        if path == "/" or path.endswith(".js"):
            text = fast.http.get(path).text
            assert not re.search(r'<style|\sstyle="|\son[a-z]+="', text), path


def test_below_a_prefix_all_is_asked_for_below_it(tmp_path: Path, browser: Browser) -> None:
    with gateway(tmp_path, PUBLIC_URL="http://127.0.0.1/photos") as fast:
        found = re.findall(r'(?:href|src|action)="([^"]+)"', fast.http.get("/photos/").text)
        assert found
        assert all(path.startswith("/photos/") for path in found)
        assert fast.http.get("/photos").text == fast.http.get("/photos/").text
        with window(browser, f"{fast.server.url}/photos") as page:
            expect(page.locator("h1")).not_to_be_empty()
            asked = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
        assert asked
        assert all(name.startswith(f"{fast.server.url}/photos/") for name in asked)


def test_its_path_is_no_prefix() -> None:
    with pytest.raises(ValueError, match="must not begin as a path of the service"):
        Settings(public_url=AnyHttpUrl("http://photos.example/page"))


def test_without_scripts_a_form_posts_one_file(
    fast: Gateway, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(images.jpeg(size=(64, 48)))
    with window(browser, fast.server.url, java_script_enabled=False) as page:
        page.locator("input[type=file]").set_input_files(tmp_path / "photo.jpg")
        with page.expect_navigation() as posted:
            page.locator("button").click()
        assert posted.value.status == 202
        media_id = posted.value.json()["media_id"]
    assert fast.http.get(f"/media/{media_id}").json()["filename"] == "photo.jpg"


def test_what_the_page_needs_reaches_the_image() -> None:
    """.dockerignore leaves out what it does not name."""
    told = (ROOT / "fast-server" / ".dockerignore").read_text().splitlines()
    assert {"!page/*.html", "!page/*.css", "!page/*.svg", "!page/**/*.js"} <= {*told}
    kinds = {path.suffix for path in FOLDER.rglob("*") if "__pycache__" not in path.parts}
    assert kinds - {"", ".py", ".md"} == {".html", ".css", ".svg", ".js"}
