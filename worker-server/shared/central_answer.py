"""What central-server answers, or whatever stands where it should: nothing of it is believed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

_MOST_BYTES = 64 * 1024  # its own have a few hundred


class TooLong(httpx.RequestError):
    """It goes on for longer than any answer of central's."""


@dataclass(frozen=True)
class CentralAnswer:
    """An answer with its body. fields is its JSON object, empty where it is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    fields: dict[str, Any]

    @property
    def own_code(self) -> str:
        """The code of a problem (RFC 9457) that central itself has; empty where anybody else
        answers."""
        code = self._problem.get("code")
        own = isinstance(code, str) and self._problem.get("type") == f"urn:problem:{code}"
        return code if isinstance(code, str) and own else ""

    @property
    def reason(self) -> str:
        """The problem's sentence, or whatever came instead; not all of a long one."""
        detail = self._problem.get("detail")
        return str(detail)[:500] if detail else self.body.decode(errors="replace")[:200]

    @property
    def _problem(self) -> dict[str, Any]:
        kind = self.headers.get("Content-Type", "")
        return self.fields if kind.startswith("application/problem+json") else {}


async def answer_to(client: httpx.AsyncClient, request: httpx.Request) -> CentralAnswer:
    """Send it, and read the answer. Raises httpx.RequestError."""
    request.headers["Accept-Encoding"] = "identity"  # few bytes do not become many
    response = await client.send(request, stream=True)
    try:
        body = b""
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > _MOST_BYTES:
                raise TooLong("it answers with more than central-server ever does", request=request)
    finally:
        await response.aclose()
    return CentralAnswer(response.status_code, response.headers, body, _object(body))


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
