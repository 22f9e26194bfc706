"""What the tests of central-server share: deliveries, and what is there afterwards."""

import socket
from pathlib import Path

import httpx

from support.services import InProcess, Server

JPEG = b"\xff\xd8\xff\xe0 a photo"
MEDIA_ID = "01KAP3V8Z4J5N6Q7R8S9T0VWXY"
FORM_HEAD = (
    b'--x\r\nContent-Disposition: form-data; name="worker_name"\r\n\r\nme\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
)


def deliver(
    central: InProcess,
    content: bytes = JPEG,
    name: str = "watermarked_photo.jpg",
    content_type: str = "image/jpeg",
    **fields: str,
) -> httpx.Response:
    data = {"worker_name": "worker-1", **fields}
    files = {"file": (name, content, content_type)}
    return central.post("/upload-final", files=files, data=data)


def stored_names(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "storage").iterdir() if path.name[0] != "."}


def log_lines(tmp_path: Path) -> list[str]:
    return (tmp_path / "worker_activity.log").read_text(encoding="utf-8").splitlines()


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port))


def request_head(length: str) -> bytes:
    return (
        "POST /upload-final HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
        f"boundary=x\r\n{length}\r\n\r\n"
    ).encode()
