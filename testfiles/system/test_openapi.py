"""The OpenAPI documents hold: a client made of one works, and the services do as they say."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from local_stack.stack import ROOT, Stack
from support import images
from support.services import until

pytestmark = pytest.mark.slow

TOOLS = Path(sys.executable).parent
PARTS = ("api", "models")
PHOTO = images.jpeg(size=(320, 240))


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Not the one of other tests: what is tried here deletes and retries at random."""
    logo = str(ROOT / "worker-server" / "bundled_logo.png")
    with Stack(tmp_path_factory.mktemp("stack"), {"GOOGLE_LOGO": logo}) as stack:
        yield stack


@pytest.fixture(scope="module")
def clients(own_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the packages gateway_client and central_client, as a user makes them."""
    folder = tmp_path_factory.mktemp("clients")
    for name, url in (("gateway", own_stack.url), ("central", own_stack.central_url)):
        document = folder / f"{name}.json"
        document.write_bytes(httpx.get(f"{url}/openapi.json", trust_env=False).content)
        command = [f"{TOOLS}/openapi-python-client", "generate", "--path", f"{name}.json"]
        options = ["--meta", "none", "--fail-on-warning", "--output-path", f"{name}_client"]
        env = {**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}"}  # it formats with ruff
        made = run(*command, *options, cwd=folder, env=env)
        assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


def test_mypy_accepts_the_clients(clients: Path) -> None:
    """All that is made of a document: client.py is not, and has errors of its maker's own."""
    parts = [f"{name}_client.{part}" for name in ("gateway", "central") for part in PARTS]
    made = [argument for part in parts for argument in ("-p", part)]
    options = ["--strict", "--follow-imports", "silent"]
    checked = run(sys.executable, "-m", "mypy", *options, *made, cwd=clients)
    assert checked.returncode == 0, checked.stdout


@pytest.fixture
def gateway(clients: Path, own_stack: Stack) -> Iterator["Operations"]:
    with closing(Operations("gateway", own_stack.url)) as operations:
        yield operations


@pytest.fixture
def central(clients: Path, own_stack: Stack) -> Iterator["Operations"]:
    with closing(Operations("central", own_stack.central_url)) as operations:
        yield operations


def test_the_clients_upload_ask_and_fetch(gateway: "Operations", central: "Operations") -> None:
    file = gateway.file(payload=BytesIO(PHOTO), file_name="日本.jpg", mime_type="image/jpeg")
    body = gateway.models.PostMediaBody(file=file, ref="album/日本.jpg")
    accepted = gateway.call("media.post_media", body=body)
    assert (accepted.filename, accepted.status, accepted.ref) == (
        "日本.jpg",
        gateway.models.Status.QUEUED,
        "album/日本.jpg",
    )
    media_id = accepted.media_id

    def is_stored() -> bool:
        status: str = gateway.call("media.get_media", media_id=media_id).status
        return status == "stored"

    until(is_stored)
    media = gateway.call("media.get_media", media_id=media_id)
    assert (media.ref, media.size, media.width) == ("album/日本.jpg", len(PHOTO), 320)
    assert media.received_at.utcoffset().total_seconds() == 0
    order, since = gateway.models.ListMediaOrder.OLDEST, media.received_at - timedelta(hours=1)
    page = gateway.call("media.list_media", order=order, since=since, name="日")
    assert [listed.media_id for listed in page.media] == [media_id]
    assert (page.media[0].ref, page.next_) == ("album/日本.jpg", None)
    receipt = central.call("media.get_receipt", media_id=media_id)
    assert (receipt.name, receipt.sha256) == (media.stored.name, media.stored.sha256)
    image = central.call("media.get_media", media_id=media_id).payload.read()
    assert len(image) == media.stored.size
    assert gateway.call("media.get_image", media_id=media_id).payload.read() == image
    small = gateway.models.Size.VALUE_320
    preview = gateway.call("media.get_preview", media_id=media_id, size=small)
    assert preview.payload.read().startswith(b"RIFF")
    chosen = gateway.models.PostArchiveBody(media_id=[media_id])
    with ZipFile(gateway.call("batches.post_archive", body=chosen).payload) as archive:
        assert archive.read("album/日本.jpg") == image
    assert "日本.jpg" in central.call("log.get_activity")
    assert (
        gateway.call("media.post_retry", code=gateway.models.PostRetryCode.TIME_LIMIT).retried == 0
    )
    assert gateway.call("service.get_ready").status == "ready"
    unknown = gateway.call("media.get_media", media_id="01KAP3V8Z4J5N6Q7R8S9T0VWXY")
    assert (unknown.code, unknown.status) == ("media_not_found", 404)


class Operations:
    """A generated client, its modules imported by name: they are made only now."""

    def __init__(self, name: str, url: str) -> None:
        self._package = f"{name}_client"
        made = importlib.import_module(self._package)
        self._client = made.Client(base_url=url, httpx_args={"trust_env": False})
        self.models = importlib.import_module(f"{self._package}.models")
        self.file = importlib.import_module(f"{self._package}.types").File

    def close(self) -> None:
        self._client.get_httpx_client().close()

    def call(self, operation: str, **arguments: Any) -> Any:
        module = importlib.import_module(f"{self._package}.api.{operation}")
        return module.sync(client=self._client, **arguments)


@pytest.mark.parametrize("service", ["gateway", "central"])
def test_whatever_is_sent_the_answer_is_what_the_document_says(
    own_stack: Stack, tmp_path: Path, service: str
) -> None:
    """Every check but that what fits the schema is taken: no schema says what an image is."""
    url = own_stack.url if service == "gateway" else own_stack.central_url
    command = [f"{TOOLS}/schemathesis", "run", f"{url}/openapi.json", "--max-examples", "50"]
    options = ["--exclude-checks", "positive_data_acceptance", "--seed", "1", "--no-color"]
    # The first two need not end. In forms it takes a link's value for the one that it has spoilt.
    options += ["--exclude-path-regex", "/events|/activity|/archive$"]
    done = run(*command, *options, cwd=tmp_path)
    if service == "gateway":
        httpx.post(f"{url}/resume", trust_env=False).raise_for_status()
    assert done.returncode == 0, done.stdout
    operations = "16 selected / 19 total" if service == "gateway" else "6 selected / 7 total"
    assert f"Operations:       {operations}" in done.stdout


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, **options)
