"""The gateway behind Debian's nginx: TLS, and a prefix that is cut off or is not."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local_stack.host import free_ports
from local_stack.service import wait_until
from local_stack.stack import ROOT, Stack
from support import images

TOOLS = [tool for tool in ("nginx", "openssl") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(TOOLS), reason=f"there is no {' and no '.join(TOOLS)} here"),
]
README = (ROOT / ".deploy" / "README.md").read_text()
AROUND = """
daemon off; pid nginx.pid; user root; error_log stderr;
events {}
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
"""
LOGIN = ("me", "secret")


@pytest.fixture(params=["cut off", "kept"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Its PUBLIC_URL."""
    [port] = free_ports(1)
    url = f"https://127.0.0.1:{port}/media-processor"
    subject = ["-subj", "/CN=127.0.0.1", "-days", "1", "-newkey", "rsa:2048", "-nodes"]
    files = ["-keyout", str(tmp_path / "photos.key"), "-out", str(tmp_path / "photos.pem")]
    made = ["openssl", "req", "-x509", *subject, *files]
    subprocess.run(made, check=True, capture_output=True)
    env = {"GOOGLE_LOGO": f"{ROOT}/worker-server/bundled_logo.png", "PUBLIC_URL": url}
    with Stack(tmp_path / "stack", env) as stack:
        target = stack.url + ("/" if request.param == "cut off" else "")
        (tmp_path / "nginx.conf").write_text(AROUND + server(port, target) + "}")
        (tmp_path / "photos.htpasswd").write_text(":{PLAIN}".join(LOGIN))
        nginx = subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", "nginx.conf"])
        try:
            assert wait_until(lambda: answers(url), 20)
            yield url
        finally:
            nginx.terminate()
            nginx.wait(20)


def server(port: str, target: str) -> str:
    """That of .deploy/README.md, with the addresses and the folder of this test."""
    told = README.split("```nginx\n")[1].split("```")[0]
    for its, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("server_name photos.example;", ""),
        ("/etc/nginx/", ""),
        ("http://127.0.0.1:8000", target),
    ):
        assert its in told
        told = told.replace(its, here)
    return told


def answers(url: str) -> bool:
    try:
        with client() as http:
            return http.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


def client() -> httpx.Client:
    return httpx.Client(verify=False, trust_env=False, auth=LOGIN)  # noqa: S501 - a certificate of today


def test_every_address_it_names_leads_back_through_the_proxy(gateway: str) -> None:
    with client() as http:
        files = {"file": ("photo.jpg", images.jpeg(size=(64, 48)))}
        own_page = {"Origin": gateway.removesuffix("/media-processor")}
        answer = http.post(f"{gateway}/media", files=files, headers=own_page)
        assert answer.status_code == 202
        location = answer.headers["Location"]
        assert location == answer.json()["status_url"]
        assert location.startswith(f"{gateway}/media/")
        assert wait_until(lambda: http.get(location).json()["status"] == "stored", 20)
        assert 'src="/media-processor/docs/start.js"' in http.get(f"{gateway}/docs").text
        page = http.get(f"{gateway}/").text
        [script] = re.findall(r'<script type="module" src="([^"]+)"', page)
        assert script.startswith("/media-processor/page/")
        assert http.get(f"{gateway}{script.removeprefix('/media-processor')}").is_success
        document = http.get(f"{gateway}/openapi.json").json()
        assert document["servers"] == [{"url": "/media-processor"}]
        evil = {"Origin": "https://evil.example"}
        assert http.post(f"{gateway}/media", files=files, headers=evil).status_code == 403


def test_events_come_through_as_they_happen(gateway: str) -> None:
    with client() as http, http.stream("GET", f"{gateway}/events") as events:
        lines = events.iter_lines()
        assert next(lines) == ": open"
        files = {"file": ("photo.jpg", images.jpeg(size=(64, 48)))}
        media_id = http.post(f"{gateway}/media", files=files).json()["media_id"]
        assert any(media_id in line for line in lines)


def test_nobody_comes_in_without_the_password(gateway: str) -> None:
    with client() as http:
        assert http.get(f"{gateway}/ready", auth=("me", "wrong")).status_code == 401
