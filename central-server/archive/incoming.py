"""Receiving an upload: its file is streamed to .incoming/ and hashed as it arrives."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ulid import ULID

from shared import durable
from shared.contract import (
    FILE_FIELD,
    MAX_NAME_BYTES,
    MEDIA_ID_FIELD,
    WORKER_NAME_FIELD,
    is_media_id,
    safe_filename,
    safe_line,
)
from shared.web.multipart import Chunk, FormStream
from shared.web.problems import Problem
from shared.web.refusals import FILE_EMPTY, FILE_MISSING, SECOND_FILE, text_as_file, too_large
from storage_api.media_type import image_type
from storage_api.refusals import BAD_MEDIA_ID, WORKER_MISSING

_BATCH_BYTES = 256 * 1024  # a thread writes and hashes this much at a time
_MAX_TEXT_BYTES = 32 * 1024
_MAX_WORKER_CHARS = 100
_MAX_FILENAME_BYTES = MAX_NAME_BYTES - len("-") - 26  # -<media_id> may be added


@dataclass(frozen=True)
class Upload:
    """A whole upload, its file on the disk."""

    media_id: str
    worker: str
    filename: str
    content_type: str
    path: Path
    sha256: str
    size: int


@asynccontextmanager
async def receive(form: FormStream, folder: Path, max_bytes: int) -> AsyncIterator[Upload]:
    """The form's upload. Its file is in folder, fsynced, and removed when the context ends.

    Storing it moves the file before that. Raises Problem and OSError.
    """
    file = _TemporaryFile(folder / str(ULID()), max_bytes)
    try:
        yield await _read(form, file)
    finally:
        if file.path.exists():  # not stored
            await asyncio.shield(asyncio.to_thread(file.path.unlink, missing_ok=True))


async def _read(form: FormStream, file: "_TemporaryFile") -> Upload:
    """Read the fields, in any order."""
    filename: str | None = None
    declared = ""
    texts: dict[str, str] = {}
    async for part in form:
        if part.name in (WORKER_NAME_FIELD, MEDIA_ID_FIELD):
            texts[part.name] = await form.text(_MAX_TEXT_BYTES)
        elif part.name == FILE_FIELD:
            if filename is not None:
                raise Problem(SECOND_FILE)
            if part.filename is None:
                raise text_as_file()
            filename, declared = part.filename, part.content_type
            async for chunk in form.data():
                await file.add(chunk)
    if filename is None:
        raise Problem(FILE_MISSING)
    filename = safe_filename(filename, _MAX_FILENAME_BYTES)
    if file.size == 0:
        raise Problem(FILE_EMPTY, filename=filename)
    worker, media_id = _worker(texts), _media_id(texts)
    sha256 = await asyncio.to_thread(file.finish)
    content_type = image_type(declared, filename)
    return Upload(media_id, worker, filename, content_type, file.path, sha256, file.size)


def _worker(texts: dict[str, str]) -> str:
    worker = safe_line(texts.get(WORKER_NAME_FIELD, ""))[:_MAX_WORKER_CHARS].strip()
    if not worker:
        raise Problem(WORKER_MISSING)
    return worker


def _media_id(texts: dict[str, str]) -> str:
    """The media id that was sent, or a new one, as for a plain curl."""
    media_id = texts.get(MEDIA_ID_FIELD, str(ULID()))
    if not is_media_id(media_id):
        raise Problem(BAD_MEDIA_ID, sent=media_id[:40])
    return media_id


class _TemporaryFile:
    """Written in batches, so that each of many uploads needs little memory."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.size = 0
        self._max_bytes = max_bytes
        self._flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._hash = hashlib.sha256()
        self._batch: list[Chunk] = []  # not joined, which would copy them
        self._unwritten = 0

    async def add(self, chunk: Chunk) -> None:
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise too_large(self._max_bytes, "MAX_STORE_MB")
        self._batch.append(chunk)
        self._unwritten += len(chunk)
        if self._unwritten >= _BATCH_BYTES:
            await asyncio.to_thread(self._write)

    def finish(self) -> str:
        """Write the rest and fsync the file. Returns its SHA-256."""
        self._write(fsync=True)
        return self._hash.hexdigest()

    def _write(self, *, fsync: bool = False) -> None:
        """Opens the file anew: a thread may go on writing after its request was cancelled."""
        self.path.parent.mkdir(exist_ok=True)  # an operator may have removed it
        fd = os.open(self.path, self._flags, 0o666)
        # Without O_CREAT: a file that was removed meanwhile must not be made again without its
        # beginning.
        self._flags = os.O_WRONLY | os.O_APPEND
        try:
            durable.write_all(fd, self._batch)
            if fsync:
                os.fsync(fd)
        finally:
            os.close(fd)
        for chunk in self._batch:
            self._hash.update(chunk)
        self._batch, self._unwritten = [], 0
