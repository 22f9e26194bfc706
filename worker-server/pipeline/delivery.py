"""One attempt to deliver a watermarked image to central-server, and what the answer means."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import cast

import httpx

from errors import CentralRefused, Unavailable
from pipeline.attempts import LONGEST_RETRY_AFTER_S
from runtime.deadlines import within
from shared import clock, durable
from shared.central_client import CentralAnswer, CentralClient, NoAnswer, raising_no_answer
from shared.contract import (
    CENTRAL_FULL,
    CENTRAL_UNREACHABLE,
    FILE_FIELD,
    MEDIA_ID_FIELD,
    WORKER_NAME_FIELD,
    FileRecord,
    is_file_name,
    timestamp,
)

_ABOUT_THE_IMAGE = (410, 413, 415, 422)  # central would answer the same again
_WITHOUT_HINT = (408, 429)  # and every 5xx: its address is right if central itself says so
_DISK_FULL, _GONE = "disk_full", ("media_not_found", "media_deleted")  # central's codes
NOT_STORED = "not_stored"
_PIECE_BYTES = 256 * 1024
_DISK_PIECE_BYTES = 1024 * 1024
_SHA256 = re.compile("[0-9a-f]{64}")
_HINT = "If that is no central-server, or a proxy before it, see CENTRAL_SERVER_URL."


class DeliveryClient(CentralClient):
    """central-server, as a worker asks it."""

    def __init__(self, url: str, worker_name: str, timeout_s: float) -> None:
        super().__init__(url)
        self._worker_name = worker_name
        self._timeout_s = timeout_s

    async def deliver(
        self, path: Path, media_id: str, content_type: str, sha256: str
    ) -> FileRecord:
        """Send the file. Returns what central has stored: this file, or what it had of this media.

        Raises Unavailable or CentralRefused, and OSError where the file cannot be read.
        """
        try:
            with raising_no_answer(self._timeout_s):
                answer = await within(self._timeout_s, self._post(path, media_id, content_type))
        except NoAnswer as error:
            raise self._unavailable(str(error)) from error
        if answer.status != httpx.codes.OK:
            raise self._refusal(answer)
        stored = self._file_record(answer)
        is_other = stored["sha256"] != sha256 and answer.fields.get("duplicate") is not True
        if is_other or media_id not in answer.headers.get("Content-Location", media_id):
            raise self._unavailable(f"answered for another image than it was sent. {_HINT}")
        return {**stored, "stored_at": timestamp(clock.now())}

    async def fetch(self, media_id: str, stored: FileRecord, target: Path) -> None:
        """Write the image that central has stored to target.

        Raises Unavailable or, where central has none, CentralRefused; OSError where it cannot be
        written.
        """
        try:
            with raising_no_answer(self._timeout_s):
                sent = await within(self._timeout_s, self._download(media_id, stored, target))
        except NoAnswer as error:
            raise self._unavailable(str(error)) from error
        if sent != stored["sha256"]:
            raise self._unavailable("sent another image than it has stored: its SHA-256 differs")

    async def receipt(self, media_id: str) -> FileRecord | None:
        """Central's receipt of a media; None where it has none. Raises Unavailable."""
        answer = await self._get(f"media/{media_id}/receipt")
        if answer.status == httpx.codes.OK:
            return self._file_record(answer)
        if answer.own_code in _GONE:
            return None
        raise self._unavailable(_answered(answer))

    async def receipts_kept_days(self) -> float | None:
        """How long central keeps receipts; None for ever. Raises Unavailable."""
        answer = await self._get("ready")
        days = answer.fields.get("keep_receipts_days", "unsaid")
        if days is None or isinstance(days, int | float):
            return days
        raise self._unavailable("does not say how long it keeps receipts")

    async def is_ready(self) -> bool:
        """Whether central's GET /ready says that it can store."""
        try:
            answer = await self._get("ready")
        except Unavailable:
            return False
        return answer.status == httpx.codes.OK

    async def _get(self, path: str) -> CentralAnswer:
        """Raises Unavailable."""
        try:
            return await self.ask("GET", path, self._timeout_s)
        except NoAnswer as error:
            raise self._unavailable(str(error)) from error

    async def _download(self, media_id: str, stored: FileRecord, target: Path) -> str:
        """Returns the SHA-256 of what came; no more is read than was stored. Raises as fetch."""
        request = self.http.build_request("GET", self.address(f"media/{media_id}"))
        response = await self.open(request)
        if response.status_code != httpx.codes.OK:
            answer = await self.read(response)
            if answer.own_code in _GONE:
                detail = f"Central ({self.upload_url}) {_answered(answer)}"
                raise CentralRefused(NOT_STORED, detail)
            raise self._unavailable(_answered(answer))
        digest, left = hashlib.sha256(), stored["size"]
        try:
            with target.open("xb") as file:
                async for piece in response.aiter_raw(_DISK_PIECE_BYTES):
                    digest.update(piece)
                    left -= len(piece)
                    if left < 0:
                        break
                    await asyncio.to_thread(file.write, piece)
        finally:
            await response.aclose()
        return digest.hexdigest()

    async def _post(self, path: Path, media_id: str, content_type: str) -> CentralAnswer:
        with durable.reading(path) as file:
            request = self.http.build_request(
                "POST",
                self.upload_url,
                # Central deletes nothing for its age where its clock disagrees with this.
                headers={"Date": format_datetime(clock.now(), usegmt=True)},
                data={WORKER_NAME_FIELD: self._worker_name, MEDIA_ID_FIELD: media_id},
                files={FILE_FIELD: (path.name, file, content_type)},
            )
            request.stream = _LargePieces(cast(httpx.SyncByteStream, request.stream))
            return await self.send(request)

    def _file_record(self, answer: CentralAnswer) -> FileRecord:
        """Raises Unavailable where the answer is not central's."""
        name, sha256, size = (answer.fields.get(field) for field in ("name", "sha256", "size"))
        if not isinstance(name, str) or not isinstance(sha256, str) or not isinstance(size, int):
            raise self._unavailable(f"answered 200, but not as central-server does. {_HINT}")
        if not is_file_name(name) or not _SHA256.fullmatch(sha256):
            detail = f"answered with {name!r} and {sha256!r}, no file's name and SHA-256. {_HINT}"
            raise self._unavailable(detail)
        return {"name": name, "sha256": sha256, "size": size}

    def _refusal(self, answer: CentralAnswer) -> Unavailable | CentralRefused:
        status, code = answer.status, answer.own_code
        said = _answered(answer)
        if code and status in _ABOUT_THE_IMAGE:
            return CentralRefused("central_refused", f"Central ({self.upload_url}) {said}")
        wait_s = _retry_after_s(answer.headers)
        if code == _DISK_FULL:
            return Unavailable(CENTRAL_FULL, f"Central ({self.upload_url}) {said}", wait_s)
        is_central = code and (status >= 500 or status in _WITHOUT_HINT)
        return self._unavailable(said if is_central else f"{said} {_HINT}", wait_s)

    def _unavailable(self, what: str, retry_after_s: float = 0) -> Unavailable:
        detail = f"Central ({self.upload_url}) {what.rstrip('.')}."
        return Unavailable(CENTRAL_UNREACHABLE, detail, retry_after_s)


def _answered(answer: CentralAnswer) -> str:
    reason = answer.reason.strip().rstrip(".")
    return f"answered {answer.status}: {reason}." if reason else f"answered {answer.status}."


class _LargePieces(httpx.AsyncByteStream):
    """A form in few pieces. httpx makes 14 of a small image's: each is a write here and a read in
    central, which cost a tenth of the small images a second (0.88, 14 alternating rounds)."""

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


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Retry-After as seconds: a number or an HTTP date (RFC 9110 section 10.2.3), at most an hour.

    A date is by the sender's clock, and so is the header Date.
    """
    value = headers.get("Retry-After", "")
    if value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    try:
        until, sent_at = parsedate_to_datetime(value), datetime.now(UTC)
        if "Date" in headers:
            sent_at = parsedate_to_datetime(headers["Date"])
        wait_s = (until - sent_at).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, wait_s), LONGEST_RETRY_AFTER_S)
