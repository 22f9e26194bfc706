"""HTTPS with a CA of one's own: to central, which the gateway asks as well, and for the logo."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_stack.host import StackError, free_ports
from local_stack.stack import ROOT, Stack
from support import images
from support.services import until
from support.stack_client import described, post
from support.web_server import Request, Web, as_central, private_ca

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here"),
]
LOGO = (ROOT / "worker-server" / "bundled_logo.png").read_bytes()


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    return private_ca(tmp_path / "ca")


@pytest.fixture
def web(ca: Path) -> Iterator[Web]:
    """Central and the logo's server in one."""

    def answer(request: Request) -> None:
        if request.command == "POST":
            as_central(request)
        else:
            request.respond(*((204,) if request.command == "DELETE" else (200, LOGO)))

    with Web(answer, certificate=ca) as server:
        yield server


def settings(web: Web, **more: str) -> dict[str, str]:
    """A proxy for HTTP that is down is none of HTTPS'."""
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    where = {"CENTRAL_SERVER_URL": f"{web.url}/", "GOOGLE_LOGO": f"{web.url}/logo.png"}
    return {**where, "http_proxy": dead, "RETRY_BACKOFF_SECONDS": "0.05", **more}


def ended(stack: Stack) -> dict[str, Any]:
    media_id = post(stack, images.jpeg(size=(320, 240)))
    until(lambda: described(stack, media_id)["status"] in ("stored", "failed"))
    return described(stack, media_id)


@pytest.mark.parametrize(("variable", "file"), [("SSL_CERT_FILE", "ca.pem"), ("SSL_CERT_DIR", "")])
def test_a_private_ca_counts_for_central_the_logo_and_a_removal(
    tmp_path: Path, ca: Path, web: Web, variable: str, file: str
) -> None:
    with Stack(tmp_path / "run", settings(web, **{variable: str(ca / file)})) as stack:
        media = ended(stack)
        assert media["status"] == "stored", media
        url = f"{stack.url}/media/{media['media_id']}"
        assert httpx.delete(url, trust_env=False).status_code == 204
    asked = {(request.command, request.path) for request in web.requests}
    assert asked == {
        ("GET", "/logo.png"),
        ("POST", "/upload-final"),
        ("DELETE", f"/media/{media['media_id']}"),
    }


def test_without_it_no_certificate_of_such_a_ca_is_believed(tmp_path: Path, web: Web) -> None:
    with Stack(tmp_path / "run", settings(web, GOOGLE_LOGO="")) as stack:
        media = ended(stack)
    assert media["error"]["code"] == "central_unreachable"
    assert "certificate verify failed" in media["error"]["detail"]
    assert not web.requests


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("SSL_CERT_FILE", "{0}/no.pem", "No such file or directory"),
        ("SSL_CERT_FILE", "{0}/names", ".*no certificate"),
        ("SSL_CERT_DIR", "{0}:{0}/no", "there is no such folder"),
    ],
)
def test_a_ca_that_cannot_be_read_ends_the_start_with_a_sentence(
    tmp_path: Path, ca: Path, workers: str, variable: str, value: str, reason: str
) -> None:
    stack = Stack(tmp_path / "run", {"WORKERS": workers, variable: value.format(ca)})
    stack["gateway"].trouble = str if workers == "1" else stack["gateway"].trouble
    with pytest.raises(StackError, match=f"{variable}={ca}.*: {reason}") as told:
        stack.start()
    assert "Traceback" not in str(told.value)
    assert ("worker-1" if workers == "1" else "gateway") in str(told.value)
