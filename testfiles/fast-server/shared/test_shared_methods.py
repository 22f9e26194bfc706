"""Methods that a path has, and those that it has not, in both services."""

from collections.abc import Iterator

import httpx
import pytest

from support import images
from support.central import MEDIA_ID
from support.fast import Gateway, assert_problem, client, gateway
from support.services import running

PATHS = [
    ("/", "GET, HEAD, OPTIONS"),
    ("/health", "GET, HEAD, OPTIONS"),
    ("/ready", "GET, HEAD, OPTIONS"),
    ("/docs", "GET, HEAD, OPTIONS"),
    ("/docs/start.js", "GET, HEAD, OPTIONS"),
    ("/openapi.json", "GET, HEAD, OPTIONS"),
    (f"/media/{MEDIA_ID}", "DELETE, GET, HEAD, OPTIONS"),
]
OF_THE_GATEWAY = [
    *PATHS,
    ("/media", "GET, HEAD, OPTIONS, POST"),
    ("/media/retry", "OPTIONS, POST"),
    ("/pause", "OPTIONS, POST"),
    ("/resume", "OPTIONS, POST"),
    ("/stats", "GET, HEAD, OPTIONS"),
    ("/activity", "GET, HEAD, OPTIONS"),
    (f"/media/{MEDIA_ID}/retry", "OPTIONS, POST"),
]
OF_CENTRAL = [
    *PATHS,
    ("/upload-final", "OPTIONS, POST"),
    ("/activity", "GET, HEAD, OPTIONS"),
    (f"/media/{MEDIA_ID}/receipt", "GET, HEAD, OPTIONS"),
]


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("fast")) as service:
        yield service


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("central")
    with running("central-server", folder, {"MIN_FREE_MB": "0"}) as server, client(server.url) as c:
        yield c


@pytest.fixture(params=["gateway", "central"])
def service(
    request: pytest.FixtureRequest, fast: Gateway, central: httpx.Client
) -> tuple[httpx.Client, list[tuple[str, str]]]:
    if request.param == "gateway":
        return fast.http, OF_THE_GATEWAY
    return central, OF_CENTRAL


Service = tuple[httpx.Client, list[tuple[str, str]]]


def test_options_and_405_list_every_method_of_a_path(service: Service) -> None:
    http, paths = service
    for path, allow in paths:
        answer = http.options(path)
        assert (answer.status_code, answer.headers["Allow"], answer.content) == (204, allow, b"")
        refused = http.patch(path)
        assert_problem(refused, 405, "method_not_allowed")
        assert refused.headers["Allow"] == allow


def test_head_is_get_without_its_body(service: Service) -> None:
    http, paths = service
    for path, allow in paths:
        answer = http.head(path)
        if "GET" not in allow:
            assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
            continue
        whole = http.get(path)
        assert answer.status_code == whole.status_code
        assert answer.content == b""
        for header in ("Content-Type", "Content-Length"):
            assert answer.headers.get(header) == whole.headers.get(header)


def test_a_connection_goes_on_after_a_head(service: Service) -> None:
    http, _ = service
    assert [http.head("/health").status_code for _ in range(3)] == [200, 200, 200]
    assert http.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET", "DELETE"])
def test_what_is_not_there_is_404_to_every_method(service: Service, method: str) -> None:
    http, _ = service
    assert http.request(method, "/nothing").status_code == 404


def test_head_of_a_stored_image_tells_its_size_and_type(central: httpx.Client) -> None:
    photo = images.png(size=(64, 64))
    stored = central.post(
        "/upload-final", files={"file": ("a.png", photo)}, data={"worker_name": "me"}
    )
    answer = central.head(stored.headers["Content-Location"])
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(len(photo))
    assert answer.content == b""
