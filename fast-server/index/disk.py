"""A media as its folder says it is, which is the truth."""

import json
import os
from contextlib import suppress
from typing import Any

from index.rows import in_rfc3339, ms_of, ms_of_id
from shared import durable
from shared.contract import (
    DONE,
    FAILED,
    MAX_FILENAME_BYTES,
    MEDIA_RECORD,
    PENDING,
    PROGRESS_RECORD,
    MediaRecord,
    ProgressRecord,
    Status,
    is_code,
    is_file_name,
)
from shared.records import new_progress, read_progress, read_record
from shared.redis import events
from shared.redis.events import Item
from shared.spool import MediaGone, Spool

_MOST_BYTES = 32 * 1024  # of a record that is read the quick way
_USUAL = {
    PENDING: {*Status} - {Status.FAILED, Status.STORED},
    FAILED: {Status.FAILED},
    DONE: {Status.STORED},
}


def read(spool: Spool, media_id: str) -> Item | None:
    """The media, whichever state it is in; None where it is in none. Raises OSError."""
    with suppress(MediaGone):
        while True:
            path = spool.find(media_id)
            item = _item(str(path), path.parent.name, read_record(path), read_progress(path))
            if durable.is_folder(path):  # else it moved between the two looks
                return item
    return None


def read_listed(spool: Spool, state: str, media_id: str) -> Item | None:
    """The same for one that a look into this state's folder has found. Raises OSError.

    It looks at what it needs only, in a quarter of the time. Where that is odd, read decides.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        path = f"{spool.root}/{state}/{media_id}"
        record: MediaRecord = _read_json(f"{path}/{MEDIA_RECORD}")
        progress = _read_progress(path, state)
        if _is_usual(record, media_id) and _is_usual_in(state, progress):
            return _item(path, state, record, progress)
    return read(spool, media_id)


def _read_progress(path: str, state: str) -> ProgressRecord:
    try:
        progress: ProgressRecord = _read_json(f"{path}/{PROGRESS_RECORD}")
    except FileNotFoundError:
        if state != PENDING or not durable.is_folder(path):
            raise
        return new_progress()  # no worker has had it yet
    return progress


def _read_json(path: str) -> Any:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        content = os.read(fd, _MOST_BYTES)
    finally:
        os.close(fd)
    if b"\\u" in content:  # perhaps half a character
        raise ValueError(content)
    return json.loads(content.decode())


def _is_usual(record: MediaRecord, media_id: str) -> bool:
    texts = (record["filename"], record.get("ref", ""), record.get("batch", ""))
    return (
        record["media_id"] == media_id
        and all(isinstance(text, str) for text in texts)
        and is_file_name(record["filename"], MAX_FILENAME_BYTES)
        and type(record["size"]) is int
    )


def _is_usual_in(state: str, progress: ProgressRecord) -> bool:
    error = progress["error"]
    is_error_right = error is None
    if state == FAILED:
        is_error_right = error is not None and is_code(error["code"])
    return progress["status"] in _USUAL[state] and is_error_right


def _item(path: str, state: str, record: MediaRecord, progress: ProgressRecord) -> Item:
    return events.item(record, progress, state, _changed_at(path, record, progress))


def _changed_at(path: str, record: MediaRecord, progress: ProgressRecord) -> str:
    # There was none, or nobody knows when.
    with suppress(LookupError, ValueError, TypeError, OverflowError):
        last = progress["attempts"][-1]
        return in_rfc3339(ms_of(last["ended_at"] or last["started_at"]))
    with suppress(OSError, OverflowError):
        return in_rfc3339(int(os.lstat(f"{path}/{PROGRESS_RECORD}").st_mtime * 1000))
    with suppress(ValueError, TypeError, OverflowError):
        return in_rfc3339(ms_of(record["received_at"]))
    return in_rfc3339(ms_of_id(record["media_id"]))
