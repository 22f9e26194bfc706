"""Receiving an upload. A crash may come after any of these steps:

    receive the file to incoming/<media_id>/ and check it
    write media.json beside it, fsync both
    write the claim of its Idempotency-Key, fsync               (idempotency_store.py)
    fsync the folder, move it to pending/, fsync pending/, then answer

An upload counts from the move on. The reconciler sweeps what is left in incoming/.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import BinaryIO

from ulid import ULID

from ingest import image_header, reference
from ingest.idempotency_store import Claims
from shared import clock, durable
from shared.background import in_thread
from shared.contract import (
    BATCH_FIELD,
    FILE_FIELD,
    INCOMING,
    MEDIA_RECORD,
    REF_FIELD,
    MediaRecord,
    safe_filename,
    timestamp,
)
from shared.spool import Spool
from shared.web.multipart import Chunk, FormStream
from shared.web.problems import Problem
from shared.web.refusals import FILE_EMPTY, FILE_MISSING, SECOND_FILE, text_as_file, too_large
from upload_api import signatures, unsupported
from upload_api.refusals import (
    TOO_MANY_PIXELS,
    UNREADABLE_HEADER,
    UNSUPPORTED_FORMAT,
    checked_batch,
)
from upload_api.settings import Settings

_WRITE_BYTES = 256 * 1024  # a thread writes and hashes this much at a time
_SMALL_CHUNK_BYTES = 4096
_MAX_TEXT_BYTES = 32 * 1024


@dataclass(frozen=True)
class Received:
    """An accepted upload's record. That of a repeat has the media id of the first upload."""

    record: MediaRecord
    is_repeat: bool


async def receive(
    form: FormStream,
    spool: Spool,
    settings: Settings,
    claims: Claims,
    key: str | None = None,
    refs: Iterable[str] = (),
    batch: str | None = None,
) -> Received:
    """Store the form's one file in pending/: the upload is accepted.

    A file that has come with this key before is not stored again. refs and batch are those in the
    query.

    Raises Problem and OSError; then nothing of the upload stays.
    """
    upload: _Upload | None = None
    refs = list(refs)
    try:
        ref = reference.checked(*refs)
        async for part in form:
            if part.name == REF_FIELD:
                refs.append(await form.text(_MAX_TEXT_BYTES))
                ref = reference.checked(*refs)
            if part.name == BATCH_FIELD and (text := await form.text(_MAX_TEXT_BYTES)):
                batch = checked_batch([text] if batch in (None, text) else [batch, text])
            if part.name != FILE_FIELD:
                continue
            if upload is not None:
                raise Problem(SECOND_FILE)
            upload = _Upload(spool, settings, part.filename, key)
            async for chunk in form.data():
                await upload.add(chunk)
        if upload is None:
            raise Problem(FILE_MISSING)
        return await in_thread(partial(upload.commit, claims, ref, batch))
    except BaseException:
        if upload is not None:
            await in_thread(upload.discard)
        raise


class _Upload:
    """One file in incoming/<media_id>/ until it is committed or discarded."""

    def __init__(
        self, spool: Spool, settings: Settings, client_name: str | None, key: str | None
    ) -> None:
        self._spool = spool
        self._settings = settings
        self._key = key
        self._media_id = str(ULID.from_timestamp(clock.now_s()))
        # Some clients leave out an empty file name: the file then looks like a text field.
        self._looks_like_text = client_name is None
        self._filename = safe_filename(client_name or "")
        self._folder = spool.folder(INCOMING, self._media_id)
        self._path = self._folder / self._filename
        self._hash = hashlib.sha256()
        self._size = 0
        self._chunks: list[Chunk] = []  # large chunks are not joined, which would copy them
        self._unwritten = 0
        self._fd: int | None = None
        self._content_type = ""
        self._pixel_size: tuple[int, int] | None = None

    async def add(self, chunk: Chunk) -> None:
        self._size += len(chunk)
        if self._size > self._settings.max_upload_bytes:
            raise too_large(self._settings.max_upload_bytes, "MAX_UPLOAD_MB")
        if self._chunks and len(self._chunks[-1]) < _SMALL_CHUNK_BYTES:
            self._chunks[-1] = b"".join((self._chunks[-1], chunk))
        else:
            self._chunks.append(chunk)
        self._unwritten += len(chunk)
        if not self._content_type and self._unwritten >= signatures.HEAD_BYTES:
            self._check_format()
        if self._unwritten >= _WRITE_BYTES:
            chunks, self._chunks, self._unwritten = self._chunks, [], 0
            await in_thread(partial(self._write, chunks))

    def commit(self, claims: Claims, ref: str | None, batch: str | None) -> Received:
        """Check the file, fsync it and move it to pending/, unless it is a repeat."""
        if self._size == 0 and self._looks_like_text:
            raise text_as_file()
        if self._size == 0:
            raise Problem(FILE_EMPTY, filename=self._filename)
        if not self._content_type:
            self._check_format()
        fd = self._write(self._chunks)
        if self._pixel_size is None:
            with self._path.open("rb") as whole:
                self._check_pixels(whole, last_look=True)
        record = self._record(ref, batch)
        # Created before the image's fsync: one journal commit then writes both names.
        record_fd = os.open(self._folder / MEDIA_RECORD, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            durable.write_all(record_fd, [durable.as_json(record)])
            os.fsync(fd)
            os.fsync(record_fd)
        finally:
            os.close(record_fd)
        self._close()
        claiming: AbstractContextManager[str | None] = nullcontext()
        if self._key:
            claiming = claims.claiming(record)
        with claiming as first:
            if first is not None:
                self.discard()
                return Received({**record, "media_id": first}, is_repeat=True)
            self._spool.commit(self._media_id)
        return Received(record, is_repeat=False)

    def discard(self) -> None:
        with suppress(OSError):  # on a full disk close may fail, too
            self._close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, chunks: list[Chunk]) -> int:
        if self._fd is None:
            self._check_pixels(BytesIO(b"".join(chunks)), last_look=False)
            self._make_folder()
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            # Held until it is closed: it keeps the reconciler's sweep of incoming/ away.
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        durable.write_all(self._fd, chunks)
        for chunk in chunks:
            self._hash.update(chunk)
        return self._fd

    def _make_folder(self) -> None:
        try:
            durable.require_folder(self._spool.root / INCOMING)
            self._folder.mkdir()
        except FileNotFoundError:  # an operator removed incoming/
            self._spool.prepare()
            self._folder.mkdir()

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _check_format(self) -> None:
        head = b"".join(self._chunks)[: signatures.HEAD_BYTES]
        content_type = signatures.sniff(head)
        if content_type is None and self._looks_like_text:
            raise text_as_file()
        if content_type is None:
            raise Problem(UNSUPPORTED_FORMAT, unsupported.why_unsupported(head, self._filename))
        self._content_type = content_type

    def _check_pixels(self, file: BinaryIO, *, last_look: bool) -> None:
        """Check the pixel size. At an early look the header may still be incomplete."""
        try:
            self._pixel_size = image_header.read_size(file)
        except image_header.UnreadableHeader as error:
            if last_look:
                raise Problem(UNREADABLE_HEADER, filename=self._filename, fault=error) from error
        if self._pixel_size is not None:
            width, height = self._pixel_size
            if width * height > self._settings.max_pixels:
                most = self._settings.max_megapixels
                raise Problem(TOO_MANY_PIXELS, width=width, height=height, most_megapixels=most)

    def _record(self, ref: str | None, batch: str | None) -> MediaRecord:
        width, height = self._pixel_size or (None, None)
        record: MediaRecord = {
            "media_id": self._media_id,
            "filename": self._filename,
            "content_type": self._content_type,
            "size": self._size,
            "sha256": self._hash.hexdigest(),
            "width": width,
            "height": height,
            "received_at": timestamp(clock.now()),
            "format_version": 1,
        }
        if ref is not None:
            record["ref"] = ref
        if batch is not None:
            record["batch"] = batch
        if self._key:
            record["idempotency_key"] = self._key
        return record
