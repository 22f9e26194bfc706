"""CENTRAL_SERVER_URL as people write it."""

import pytest

from settings import Settings as WorkerSettings
from shared.common_settings import CentralAddress
from upload_api.settings import Settings as FastSettings


@pytest.mark.parametrize("service", [FastSettings, WorkerSettings])
@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://host:8003/upload-final", "http://host:8003/upload-final"),
        ("http://host:8003/upload-final/", "http://host:8003/upload-final"),
        ("http://host:8003/upload-final//", "http://host:8003/upload-final"),
        ("http://host:8003", "http://host:8003/upload-final"),
        ("http://host:8003/", "http://host:8003/upload-final"),
        ("https://u:p%40ss@host/photos/upload-final/", "https://u:p%40ss@host/photos/upload-final"),
        ("https://[::1]:8003/", "https://[::1]:8003/upload-final"),
        ("", "http://host.docker.internal:8003/upload-final"),
    ],
)
def test_a_slash_at_its_end_is_a_slip_and_a_host_alone_is_central(
    monkeypatch: pytest.MonkeyPatch, service: type[CentralAddress], text: str, url: str
) -> None:
    monkeypatch.setenv("CENTRAL_SERVER_URL", text)
    assert str(service().central_server_url) == url
