"""What the worker sends is what the real central-server understands."""

import asyncio
import hashlib
import os
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from pipeline.delivery import DeliveryClient
from shared.contract import FileRecord
from support.services import app_of

MEDIA_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
CONTENT = os.urandom(300_000)
NAMES = {
    "watermarked_photo.jpg": "watermarked_photo.jpg",
    'watermarked_a "b".jpg': 'watermarked_a "b".jpg',  # httpx escapes the quotes, as browsers do
    "watermarked_50%.jpg": "watermarked_50%.jpg",
    "watermarked_%41;=&.jpg": "watermarked_%41;=&.jpg",
    "watermarked_صورة.jpg": "watermarked_صورة.jpg",
    "watermarked_👩‍👩‍👧.jpg": "watermarked_👩‍👩‍👧.jpg",
    "watermarked_'; a=b.jpg": "watermarked_'; a=b.jpg",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_real_central_understands_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    app = app_of("central-server")
    log = tmp_path / "worker_activity.log"
    env = {"STORAGE_DIR": str(tmp_path / "storage"), "ACTIVITY_LOG": str(log)}

    async def scenario() -> FileRecord:
        client = DeliveryClient("http://central/upload-final", "wörker 1", 20)
        client.http = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        async with app.router.lifespan_context(app):
            sha256 = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            stored = await client.deliver(tmp_path / name, MEDIA_ID, "image/jpeg", sha256)
            again = await client.deliver(tmp_path / name, MEDIA_ID, "image/jpeg", sha256)
        await client.close()
        assert again["name"] == stored["name"], "the media_id arrived"
        return stored

    with patch.dict(os.environ, env):
        stored = asyncio.run(scenario())
    assert stored["name"] == NAMES[name]
    assert stored["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "storage" / NAMES[name]).read_bytes() == CONTENT
    assert log.read_text().endswith(f"] WORKER: wörker 1 | IMAGE: {NAMES[name]}\n")
