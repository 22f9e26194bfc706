"""Who may speak to a service, by which name, and how it names itself."""

import itertools
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support import images
from support.central import MEDIA_ID, deliver
from support.fast import assert_problem, redis_server
from support.services import InProcess, in_process

PHOTO = {"file": ("photo.jpg", images.jpeg(size=(64, 48)))}
EVIL = "http://evil.example"
OWN_NAMES = [
    *("localhost", "localhost:8000", "LOCALHOST:9", "localhost.", "app.localhost", "fast-server"),
    *("127.0.0.1", "127.0.0.1:8000", "192.168.1.7", "[::1]", "[::1]:8000", "[fe80::1]:80"),
    *("host.docker.internal:8003", socket.gethostname(), ""),
]
FOREIGN_NAMES = [
    *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example"),
    *("localhost@evil.example", "1.2.3", "256.1.1.1", "evil.example.", "evil.example:80:80"),
    *("photos.example.evil.example", "xphotos.example"),
]


@contextmanager
def service(folder: str, path: Path, **settings: str) -> Iterator[InProcess]:
    with redis_server(path) as redis:
        env = {"REDIS_URL": redis.url, "UPLOAD_DIR": str(path / "uploads"), "MIN_FREE_MB": "0"}
        env |= {"STORAGE_DIR": str(path / "storage"), "ACTIVITY_LOG": str(path / "log")}
        with in_process(folder, {**env, **settings}) as running:
            yield running


@pytest.fixture(params=["fast-server", "central-server"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InProcess]:
    with service(request.param, tmp_path) as running:
        yield running


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[InProcess]:
    with service("fast-server", tmp_path) as running:
        yield running


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[InProcess]:
    settings = {
        "ALLOWED_HOSTS": "photos.example, *.cdn.example",
        "ALLOWED_ORIGINS": "https://shop.example, http://localhost:5173",
    }
    with service("fast-server", tmp_path, **settings) as running:
        yield running


@pytest.fixture
def behind_a_proxy(tmp_path: Path) -> Iterator[InProcess]:
    url = "https://photos.example/media-processor/"
    with service("fast-server", tmp_path, PUBLIC_URL=url) as running:
        yield running


def test_names_that_nobody_else_can_answer_for_need_no_setting(either: InProcess) -> None:
    for host in OWN_NAMES:
        assert either.get("/health", headers={"Host": host}).status_code == 200, host


def test_a_foreign_name_is_refused_whatever_is_asked(either: InProcess) -> None:
    for path, host in itertools.product(("/health", "/docs", "/nothing"), FOREIGN_NAMES):
        problem = assert_problem(either.get(path, headers={"Host": host}), 421, "wrong_host")
        assert "ALLOWED_HOSTS" in problem["detail"]


@pytest.mark.parametrize("host", ["photos.example", "photos.example:8000", "eu.cdn.example"])
def test_a_name_that_the_operator_gave_is_the_services(configured: InProcess, host: str) -> None:
    assert configured.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["cdn.example", "xcdn.example", "www.photos.example"])
def test_no_other_name_is(configured: InProcess, host: str) -> None:
    assert_problem(configured.get("/health", headers={"Host": host}), 421, "wrong_host")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "of-tomorrow"},
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:8001"},
        {"Origin": "http://localhost.evil.example:8000"},
        [("Origin", "http://evil.example"), ("Origin", "http://localhost:8000")],
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "none")],
    ],
)
def test_a_foreign_page_changes_nothing(
    either: InProcess, headers: dict[str, str] | list[tuple[str, str]]
) -> None:
    sent = httpx.Headers([("Host", "localhost:8000"), *httpx.Headers(headers).multi_items()])
    for path in ("/media", "/media/retry", f"/media/{MEDIA_ID}/retry", "/upload-final"):
        answer = either.post(path, files=PHOTO, headers=sent)
        assert "ALLOWED_ORIGINS" in assert_problem(answer, 403, "cross_site")["detail"]
        assert "Access-Control-Allow-Origin" not in answer.headers
    answer = either.delete(f"/media/{MEDIA_ID}", headers=sent)
    assert_problem(answer, 403, "cross_site")
    assert either.get("/health", headers=sent).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://anything.example"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "https://localhost:8000"},  # a proxy speaks TLS for it
    ],
)
def test_its_own_pages_and_programs_may(fast: InProcess, headers: dict[str, str]) -> None:
    answer = fast.post("/media", files=PHOTO, headers={"Host": "localhost:8000", **headers})
    assert answer.status_code == 202
    assert answer.headers["Location"].startswith("http://localhost:8000/media/")


@pytest.mark.parametrize("origin", ["https://shop.example", "http://localhost:5173"])
def test_a_page_that_the_operator_named_may_and_can_read_the_answer(
    configured: InProcess, origin: str
) -> None:
    headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    asked = {"Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "idempotency-key"
    preflight = configured.options("/media", headers={**headers, **asked})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == origin
    assert "Idempotency-Key" in preflight.headers["Access-Control-Allow-Headers"]
    answer = configured.post("/media", files=PHOTO, headers=headers)
    assert answer.status_code == 202
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert {"Location", "Retry-After"} <= {
        *answer.headers["Access-Control-Expose-Headers"].split(", ")
    }


@pytest.mark.parametrize("allowed", ["", "https://shop.example"])
def test_no_other_page_is_told_that_it_may(tmp_path: Path, allowed: str) -> None:
    asked = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    with service("fast-server", tmp_path, ALLOWED_ORIGINS=allowed) as running:
        answer = running.options("/media", headers=asked)
    assert_problem(answer, 403, "cross_site")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/media-processor"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "photos.example"])
def test_public_url_is_how_it_names_itself(
    behind_a_proxy: InProcess, prefix: str, host: str
) -> None:
    """Whether or not the proxy cuts the prefix, and whatever Host it sends."""
    headers = {"Host": host}
    answer = behind_a_proxy.post(f"{prefix}/media", files=PHOTO, headers=headers)
    url = f"https://photos.example/media-processor/media/{answer.json()['media_id']}"
    assert (answer.headers["Location"], answer.json()["status_url"]) == (url, url)
    path = url.removeprefix("https://photos.example/media-processor")
    assert behind_a_proxy.get(prefix + path, headers=headers).status_code == 200
    docs = behind_a_proxy.get(f"{prefix}/docs", headers=headers).text
    assert "/media-processor/docs/start.js" in docs
    for home in (prefix, f"{prefix}/"):
        page = behind_a_proxy.get(home, headers=headers).text
        assert ' action="/media-processor/media"' in page
        assert ' src="/media-processor/page/' in page
    document = behind_a_proxy.get(f"{prefix}/openapi.json", headers=headers).json()
    assert document["servers"] == [{"url": "/media-processor"}]


def test_a_page_of_public_url_is_its_own(behind_a_proxy: InProcess) -> None:
    headers = {"Host": "127.0.0.1:8000", "Origin": "https://photos.example"}
    assert behind_a_proxy.post("/media", files=PHOTO, headers=headers).status_code == 202


def test_central_names_a_stored_image_below_its_prefix(tmp_path: Path) -> None:
    url = "https://photos.example/archive"
    with service("central-server", tmp_path, PUBLIC_URL=url) as central:
        answer = deliver(central, media_id=MEDIA_ID)
        assert answer.headers["Content-Location"] == f"/archive/media/{MEDIA_ID}"
        assert central.get(f"/archive/media/{MEDIA_ID}").status_code == 200


@pytest.mark.parametrize("path", ["/media/", "/docs/", "/ready/"])
def test_a_trailing_slash_is_no_redirect(fast: InProcess, path: str) -> None:
    assert fast.get(path).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "photos.example"),
        ("PUBLIC_URL", "https://photos.example/media"),
        ("PUBLIC_URL", "https://photos.example/archive"),
        ("PUBLIC_URL", "https://photos.example/b%C3%BCro"),
        ("ALLOWED_HOSTS", "https://photos.example"),
        ("ALLOWED_HOSTS", "photos.*"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://shop.example/"),
        ("MAX_CONNECTIONS", "0"),
    ],
)
def test_a_setting_that_cannot_be_meant_ends_the_start(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(SystemExit, match=name), service("fast-server", tmp_path, **{name: value}):
        pass
