"""User, password and signed query of the settings' URLs show nowhere."""

from pathlib import Path

import httpx
import pytest

from local_stack.host import free_ports
from local_stack.service import wait_until
from local_stack.stack import ROOT, Stack
from shared import environment, secrets
from support import images
from support.fast import redis_server
from upload_api.settings import Settings

SECRETS = ("hunter22", "bob-the-user", "5ig%2Bnature", "5ig+nature")
LOGO = str(ROOT / "worker-server" / "bundled_logo.png")


URLS = ("CENTRAL_SERVER_URL", "REDIS_URL", "PUBLIC_URL")


def url_to_nobody(path: str) -> str:
    host = f"127.0.0.1:{free_ports(1)[0]}"
    return f"http://{SECRETS[1]}:{SECRETS[0]}@{host}/{path}?X-Signature={SECRETS[2]}&expires=1"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "path", "code"),
    [
        ("CENTRAL_SERVER_URL", "upload-final", "central_unreachable"),
        ("GOOGLE_LOGO", "logo.png", "logo_unavailable"),
    ],
)
def test_what_cannot_be_reached_is_named_without_its_secrets(
    tmp_path: Path, setting: str, path: str, code: str
) -> None:
    said: list[str] = []
    env = {"GOOGLE_LOGO": LOGO, "RETRY_BACKOFF_SECONDS": "0.1", setting: url_to_nobody(path)}
    with (
        redis_server(tmp_path, "--requirepass", SECRETS[0], login=f":{SECRETS[0]}@") as redis,
        Stack(tmp_path, {**env, "REDIS_URL": redis.url}, lambda *line: said.extend(line)) as stack,
    ):
        answer = httpx.post(f"{stack.url}/media", files={"file": images.jpeg(size=(64, 48))})
        url = f"{stack.url}/media/{answer.json()['media_id']}"
        assert wait_until(lambda: httpx.get(url).json()["status"] == "failed", 30)
        [record] = stack.upload_dir.glob("failed/*/progress.json")
        shown = [httpx.get(url).text, record.read_text(), httpx.delete(url).text, "\n".join(said)]
    assert code in shown[0]
    assert "127.0.0.1" in shown[0]  # it is named all the same
    for text in shown:
        assert not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, f"ftp://bob:hunter22@host/x?sig={SECRETS[2]}") for name in URLS),
        *((name, "bob:hunter22@host") for name in URLS),
        ("REDIS_URL", "redis://bob:hunter22/6@host/0"),
        ("REDIS_URL", "ftp://bob:hun\nhunter22@host/0"),
        ("ALLOWED_ORIGINS", "https://bob:hunter22@host"),
    ],
)
def test_a_setting_that_is_wrong_is_named_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as told:
        environment.load(Settings)
    assert name in str(told.value)
    assert not any(secret in str(told.value) for secret in ("bob", *SECRETS))


@pytest.mark.parametrize(
    ("url", "said", "masked"),
    [
        ("http://u:p@host/a?s=1", "GET http://u:p@host/a?s=1: no", "GET http://***@host/a?*** no"),
        ("redis://:p%40ss word@h", "wrong: p@ss word", "wrong: ***"),
        (
            'http://photo:pä ss"wörd@host/l.png?sig=ñ 99&work=worker',
            "for url 'http://photo:p%C3%A4%20ss%22w%C3%B6rd@host/l.png?sig=%C3%B1%2099&work=worker'",
            "for url 'http://***@host/l.png?***'",
        ),
        ("http://photo:pw@host/?v=image", "worker photo.jpg image pw", "worker photo.jpg image pw"),
        ("http://host/plain", "http://host/plain", "http://host/plain"),
    ],
)
def test_a_secret_is_masked_wherever_a_library_says_it(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str, masked: str
) -> None:
    monkeypatch.setattr(secrets, "_words", [])
    monkeypatch.setattr(secrets, "_patterns", [])
    secrets.learn(url)
    assert secrets.masked(said) == masked
