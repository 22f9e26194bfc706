"""A web server on the loopback that stands in for a logo's server or for central."""

import hashlib
import json
import ssl
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local_stack.host import free_ports


class Web:
    """A web server on the loopback; `answer` says what it does with each request.

    Over HTTPS where it has a certificate: a private CA's folder.
    """

    def __init__(
        self, answer: Callable[["Request"], None], certificate: Path | None = None
    ) -> None:
        self.answer = answer
        self._certificate = certificate
        self.requests: list[Request] = []
        self.over = threading.Event()  # ends answers that hang
        self._port = int(free_ports(1)[0])
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self._port}"

    def __enter__(self) -> "Web":
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), partial(Request, self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if self._certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self._certificate / "server.crt", self._certificate / "key")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class Request(BaseHTTPRequestHandler):
    """One request to a Web; `body` is what came with it."""

    def __init__(self, web: Web, *connection: Any) -> None:
        self.web = web
        super().__init__(*connection)

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.web.requests.append(self)
        self.web.answer(self)

    do_DELETE = do_POST  # noqa: N815

    def do_GET(self) -> None:
        if self.path.endswith(("/ready", "/receipt")):  # central is not ready: failed media stay
            self.respond(503)
        else:
            self.do_POST()

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, code: str, detail: str) -> None:
        """As central's own problem documents do."""
        problem = {"type": f"urn:problem:{code}", "status": status, "code": code, "detail": detail}
        body = json.dumps(problem).encode()
        self.respond(status, body, Content_Type="application/problem+json")

    def field(self, name: str) -> bytes:
        """A part of the multipart body."""
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        start = self.body.index(b'form-data; name="%b"' % name.encode())
        content = self.body.index(b"\r\n\r\n", start) + 4
        return self.body[content : self.body.index(b"\r\n--" + boundary, content)]

    def log_message(self, *_: object) -> None:
        pass


def private_ca(folder: Path) -> Path:
    """A folder with ca.pem, and with the certificate of this CA's that a Web needs."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    folder.mkdir()
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-days", "1")
    openssl(*new, "-x509", "-subj", "/CN=A private CA", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(*new, "-subj", "/CN=127.0.0.1", "-keyout", "key", "-out", "request")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1")
    openssl("x509", "-req", "-in", "request", *signed_by, "-extfile", "names", "-out", "server.crt")
    openssl("rehash", ".")  # as SSL_CERT_DIR needs it
    return folder


def as_central(request: Request) -> None:
    """The answer of a central-server that stored the image."""
    content = request.field("file")
    answer = {
        "name": "watermarked_photo.jpg",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    request.respond(200, json.dumps(answer).encode())
