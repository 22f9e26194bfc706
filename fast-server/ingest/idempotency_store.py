"""Claims: which upload has used an Idempotency-Key in the last 24 hours.

A claim is uploads/.idempotency/<sha256 of the key>, locked with flock while an upload with that
key is committed. Its first line names the upload and is fsynced before the commit. Its second,
"accepted", follows the commit. Without the second line the claim holds only if the media exists:
else the service died before the commit, and the key is free.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import NotRequired, TypedDict

from ulid import ULID

from shared import clock, durable
from shared.contract import MediaRecord, is_media_id
from shared.spool import MediaGone, Spool
from shared.web.problems import Problem
from upload_api.refusals import IDEMPOTENCY_KEY_REUSED

KEPT_FOR = timedelta(hours=24)
SWEEP_S = 3600.0
_ACCEPTED = b"accepted"
_MOST_BYTES = 8192  # a claim has 5,000 at most


class _Claim(TypedDict):
    media_id: str
    filename: str
    sha256: str
    ref: NotRequired[str]
    batch: NotRequired[str]


class Claims:
    """The keys of the last 24 hours. Every method blocks, and may raise OSError."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._folder = spool.root / ".idempotency"

    def prepare(self) -> None:
        """Create the folder, also after an operator has removed it."""
        durable.make_folder(self._folder)
        durable.fsync_dir(self._spool.root)

    def probe(self) -> None:
        """Try what a key needs. Raises OSError."""
        durable.make_folder(self._folder)
        durable.probe(self._folder)

    @contextmanager
    def claiming(self, record: MediaRecord) -> Iterator[str | None]:
        """Encloses the commit of an upload with a key. Gives the media that it repeats, or None.

        If it gives None, the upload owns the key once the block ends without an exception. Raises
        Problem where another upload owns it.
        """
        durable.make_folder(self._folder)
        with self._locked(record["idempotency_key"], os.O_CREAT) as fd:
            claim, own = self._valid(fd), _claim_of(record)
            if claim is None:
                _write(fd, own)
                durable.fsync_dir(self._folder)
                yield None
                _accept(fd)
            elif {**claim, "media_id": own["media_id"]} == own:
                yield claim["media_id"]
            else:
                filename, media_id = claim["filename"], claim["media_id"]
                raise Problem(IDEMPOTENCY_KEY_REUSED, filename=filename, media_id=media_id)

    def free(self, key: str, media_id: str) -> None:
        """Free the key of a media that is being removed."""
        with suppress(FileNotFoundError, IsADirectoryError), self._locked(key) as fd:
            claim, _ = _read(fd)
            if claim is not None and claim["media_id"] == media_id:
                self._path(key).unlink()

    def free_key_of(self, media_id: str) -> None:
        """Free the key of a media whose record is lost: look through all claims."""
        if clock.now() - ULID.from_str(media_id).datetime < KEPT_FOR:
            self.prepare()
            for path in self._folder.iterdir():
                self.free(path.name, media_id)

    def sweep(self) -> None:
        """Remove expired claims, and complete those that a kill has left with one line."""
        self.prepare()
        may_delete = clock.may_delete()
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError, IsADirectoryError), self._locked(path.name) as fd:
                claim, _ = _read(fd)
                if may_delete and _is_expired(fd, claim):
                    path.unlink()
                else:
                    self._valid(fd)

    def _path(self, key: str) -> Path:
        return self._folder / key

    @contextmanager
    def _locked(self, key: str, create: int = 0) -> Iterator[int]:
        """The claim's file, locked. Waits for the lock, which is held during a commit only."""
        while True:
            fd = durable.open_file(self._path(key), os.O_RDWR | create, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                if self._is_at(key, fd):
                    yield fd
                    return
            finally:
                os.close(fd)

    def _is_at(self, key: str, fd: int) -> bool:
        """False where the file was removed between the open and the flock."""
        try:
            return os.path.samestat(os.fstat(fd), self._path(key).stat())
        except FileNotFoundError:
            return False

    def _valid(self, fd: int) -> _Claim | None:
        """The claim, if it has not expired and its upload was accepted."""
        claim, is_accepted = _read(fd)
        if claim is None or _is_expired(fd, claim):
            return None
        if not is_accepted:
            try:
                self._spool.find(claim["media_id"])
            except MediaGone:
                return None
            _accept(fd)
        return claim


def _read(fd: int) -> tuple[_Claim | None, bool]:
    """The claim, None where it is missing or torn by a crash, and whether it was accepted."""
    first, *others = os.pread(fd, _MOST_BYTES, 0).split(b"\n")
    with suppress(ValueError, KeyError, TypeError):
        claim: _Claim = json.loads(first)
        if is_media_id(claim["media_id"]) and claim["filename"] and claim["sha256"]:
            return claim, _ACCEPTED in others
    return None, False


def _claim_of(record: MediaRecord) -> _Claim:
    claim: _Claim = {
        "media_id": record["media_id"],
        "filename": record["filename"],
        "sha256": record["sha256"],
    }
    if "ref" in record:
        claim["ref"] = record["ref"]
    if "batch" in record:
        claim["batch"] = record["batch"]
    return claim


def _write(fd: int, claim: _Claim) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(claim).encode() + b"\n", 0)
    os.fsync(fd)


def _accept(fd: int) -> None:
    """Neither fsynced nor required: the line matters only after the media has left uploads/."""
    with suppress(OSError):
        os.lseek(fd, 0, os.SEEK_END)
        os.write(fd, _ACCEPTED + b"\n")


def _is_expired(fd: int, claim: _Claim | None) -> bool:
    """Whether both its file's time and its media id's are old: one clock may have been wrong."""
    written_s = os.fstat(fd).st_mtime
    if claim is not None:
        written_s = max(written_s, ULID.from_str(claim["media_id"]).timestamp)
    return clock.now_s() - written_s > KEPT_FOR.total_seconds()
