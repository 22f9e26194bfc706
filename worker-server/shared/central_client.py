"""Asking central-server. Something else may stand at its address, so no answer is trusted."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx

from shared import tls

_MOST_BYTES = 64 * 1024  # central-server's answers have a few hundred


class NoAnswer(Exception):
    """Central gave no answer. The text continues a sentence that begins with Central."""


class TooLong(httpx.RequestError):
    """The answer is longer than any of central-server's."""


@dataclass(frozen=True)
class CentralAnswer:
    """An answer with its body. fields is the body's JSON object, empty if it is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    fields: dict[str, Any]

    @property
    def own_code(self) -> str:
        """The code of central-server's own problem (RFC 9457); empty for any other answer."""
        code = self._problem.get("code")
        own = isinstance(code, str) and self._problem.get("type") == f"urn:problem:{code}"
        return code if isinstance(code, str) and own else ""

    @property
    def reason(self) -> str:
        """The problem's sentence, else the beginning of the body."""
        detail = self._problem.get("detail")
        return str(detail)[:500] if detail else self.body.decode(errors="replace")[:200]

    @property
    def _problem(self) -> dict[str, Any]:
        kind = self.headers.get("Content-Type", "")
        return self.fields if kind.startswith("application/problem+json") else {}


class CentralClient:
    """Keep-alive connections to central-server, whose other addresses lie beside upload_url."""

    def __init__(self, upload_url: str) -> None:
        self.upload_url = upload_url
        # The caller limits the whole request. uvicorn closes a connection that is idle for 5 s;
        # httpx gives it up after 2 s, so none is used while it closes.
        self.http = httpx.AsyncClient(
            verify=tls.client_context(),
            timeout=None,  # noqa: S113
            limits=httpx.Limits(keepalive_expiry=2),
            trust_env=False,
        )

    def address(self, path: str) -> str:
        return urljoin(self.upload_url, path)

    async def ask(self, method: str, path: str, timeout_s: float) -> CentralAnswer:
        """Send a request without a body. Raises NoAnswer."""
        request = self.http.build_request(method, self.address(path))
        with raising_no_answer(timeout_s):
            async with asyncio.timeout(timeout_s):
                return await self.send(request)

    async def send(self, request: httpx.Request) -> CentralAnswer:
        """Send the request and read all of the answer. Raises httpx.RequestError."""
        return await self.read(await self.open(request))

    async def open(self, request: httpx.Request) -> httpx.Response:
        """Send the request. The answer's body is still to be read. Raises httpx.RequestError."""
        request.headers["Accept-Encoding"] = "identity"  # few bytes do not become many
        return await self.http.send(request, stream=True)

    async def read(self, response: httpx.Response) -> CentralAnswer:
        """Read all of the answer, and close it. Raises httpx.RequestError."""
        try:
            body = b""
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > _MOST_BYTES:
                    detail = "its answer is longer than central-server's are"
                    raise TooLong(detail, request=response.request)
        finally:
            await response.aclose()
        return CentralAnswer(response.status_code, response.headers, body, _object(body))

    async def close(self) -> None:
        await self.http.aclose()


@contextmanager
def raising_no_answer(timeout_s: float) -> Iterator[None]:
    """Turn a timeout, and a connection that fails, into NoAnswer."""
    try:
        yield
    except TimeoutError as error:
        raise NoAnswer(f"gave no answer within {timeout_s:g} s") from error
    except httpx.RequestError as error:
        raise NoAnswer(f"cannot be reached: {str(error) or type(error).__name__}") from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
