"""Shipping a watermarked image to central-server: one attempt, and what its outcome means."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast
from urllib.parse import urljoin

import httpx

from errors import CentralRefused, Unavailable
from runtime.deadlines import within
from shared.contract import (
    CENTRAL_UNREACHABLE,
    FILE_FIELD,
    MEDIA_ID_FIELD,
    WORKER_NAME_FIELD,
    FileRecord,
    timestamp,
)

_WORTH_A_RETRY = (408, 429)  # and every 5xx
_PIECE_BYTES = 256 * 1024
LONGEST_RETRY_AFTER_S = 3600.0


class Central:
    """A keep-alive client for central's POST /upload-final."""

    def __init__(self, url: str, worker_name: str, timeout_s: float) -> None:
        self._url = url
        self._worker_name = worker_name
        self._timeout_s = timeout_s
        # httpx's timeout is for each phase; the attempt as a whole has the limit below.
        # uvicorn closes idle connections after 5 s, as httpx does: no request may meet that.
        limits = httpx.Limits(keepalive_expiry=2)
        self._client = httpx.AsyncClient(timeout=None, limits=limits, trust_env=False)  # noqa: S113

    async def deliver(self, path: Path, media_id: str, content_type: str) -> FileRecord:
        """Send the file; what central says it has stored is the answer.

        Raises Unavailable or CentralRefused, and OSError where the file cannot be read.
        """
        try:
            response = await within(self._timeout_s, self._post(path, media_id, content_type))
        except TimeoutError:
            raise self._unavailable(f"gave no answer within {self._timeout_s:g} s") from None
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise self._unavailable(f"cannot be reached: {reason}") from error
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response)
        try:
            answer = response.json()
            return {
                "name": answer["name"],
                "sha256": answer["sha256"],
                "size": answer["size"],
                "stored_at": timestamp(),
            }
        except (ValueError, KeyError, TypeError):
            raise self._unavailable("answered 200, but not as central-server does") from None

    async def is_ready(self) -> bool:
        """Whether central's GET /ready says that it can store."""
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.get(urljoin(self._url, "ready"))
        except (TimeoutError, httpx.RequestError):
            return False
        return response.status_code == httpx.codes.OK

    async def close(self) -> None:
        await self._client.aclose()

    async def _post(self, path: Path, media_id: str, content_type: str) -> httpx.Response:
        with path.open("rb") as file:
            request = self._client.build_request(
                "POST",
                self._url,
                data={WORKER_NAME_FIELD: self._worker_name, MEDIA_ID_FIELD: media_id},
                files={FILE_FIELD: (path.name, file, content_type)},
            )
            request.stream = _LargePieces(cast(httpx.SyncByteStream, request.stream))
            return await self._client.send(request)

    def _refusal(self, response: httpx.Response) -> Unavailable | CentralRefused:
        status = response.status_code
        said = f"answered {status}: {_reason(response)}"
        if status in _WORTH_A_RETRY or status >= 500:
            return self._unavailable(said, _retry_after_s(response))
        return CentralRefused("central_refused", f"Central ({self._url}) {said}")

    def _unavailable(self, what: str, retry_after_s: float = 0) -> Unavailable:
        return Unavailable(CENTRAL_UNREACHABLE, f"Central ({self._url}) {what}", retry_after_s)


class _LargePieces(httpx.AsyncByteStream):
    """A form in few writes: httpx makes 14 of a small image's, each at the cost of a round."""

    def __init__(self, form: httpx.SyncByteStream) -> None:
        self._form = form

    async def __aiter__(self) -> AsyncIterator[bytes]:
        gathered, size = [], 0
        for piece in self._form:
            gathered.append(piece)
            size += len(piece)
            if size >= _PIECE_BYTES:
                yield b"".join(gathered)
                gathered, size = [], 0
        yield b"".join(gathered)


def _reason(response: httpx.Response) -> str:
    """The problem document's sentence, or whatever came instead; not all of a long one."""
    try:
        return str(response.json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return response.text[:200] or response.reason_phrase


def _retry_after_s(response: httpx.Response) -> float:
    """Retry-After as seconds: a number or an HTTP date (RFC 9110 section 10.2.3), within reason."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    try:
        wait_s = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return 0.0
    return min(max(0.0, wait_s), LONGEST_RETRY_AFTER_S)
