"""Keeps the previews within their space: the oldest go. What is none of them stays."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pipeline.previews import MAKING
from shared import durable
from shared.contract import MIB, PREVIEWS, is_media_id
from shared.redis.previews import Kind, Preview, Size
from shared.spool import MediaGone, Spool, remove_previews

_MOST_BYTES = 512 * MIB
_SWEEP_S = 300  # all workers together: a full cache has 50,000 files and more
_UNFINISHED_KEPT_S = 3600
_SWEPT = ".swept"


class _File(NamedTuple):
    made_at: float
    size: int
    path: Path


def sweep(spool: Spool) -> None:
    """Remove the oldest previews beyond the space, and what is of no use. Raises OSError.

    Links are not followed.
    """
    folder = spool.root / PREVIEWS
    if not durable.is_folder(folder) or not _is_due(folder / _SWEPT):
        return
    files = sorted(_files(spool, folder))
    beyond = sum(file.size for file in files) - _MOST_BYTES
    for file in files:
        if beyond <= 0:
            break
        file.path.unlink(missing_ok=True)
        beyond -= file.size
        with suppress(OSError):  # it has others
            file.path.parent.rmdir()


def _is_due(swept: Path) -> bool:
    """Whether no worker has swept lately; if so, it is noted that this one does now."""
    with suppress(FileNotFoundError):
        if 0 <= time.time() - swept.lstat().st_mtime < _SWEEP_S:
            return False
    fd = durable.open_own(swept)
    os.utime(fd)
    os.close(fd)
    return True


def _files(spool: Spool, folder: Path) -> Iterator[_File]:
    """The previews of all media. Those of media that are gone are removed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and is_media_id(entry.name):
                yield from _of_media(spool, entry.name)


def _of_media(spool: Spool, media_id: str) -> Iterator[_File]:
    try:
        spool.find(media_id)
    except MediaGone:  # its worker died after it was made
        remove_previews(spool.root, media_id)
        return
    for unfinished in (spool.root / PREVIEWS / media_id).glob(f"{MAKING}*"):
        _remove_if_old(unfinished)
    for of in Kind:
        for size in Size:
            path = Preview(media_id, of, size).path(spool.root)
            if durable.is_file(path):
                with suppress(FileNotFoundError):
                    status = path.lstat()
                    yield _File(status.st_mtime, status.st_size, path)


def _remove_if_old(folder: Path) -> None:
    """The folder of a preview whose worker died."""
    with suppress(FileNotFoundError):
        if time.time() - folder.lstat().st_mtime > _UNFINISHED_KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)  # which a link is not
            with suppress(OSError):  # there are previews beside it
                folder.parent.rmdir()
