"""What happens to media, as a capped stream in Redis that gateway and workers add to.

Whoever queues, takes or ends a job adds its event in the same script. The stream may be lost at any
time: the folders stay the truth. A script that cannot add to it deletes it, so that its readers see
that they have missed something.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NotRequired, TypedDict, get_args, get_type_hints

from shared import clock, durable
from shared.contract import (
    DONE,
    FAILED,
    PENDING,
    MediaRecord,
    ProgressRecord,
    Stage,
    Status,
    is_code,
    is_media_id,
    media_id_of,
    timestamp,
)
from shared.records import new_progress
from shared.spool import HeldMedia

# Its tag {arq:watermark} puts it where Redis Cluster puts the key arq:watermark.
EVENTS_KEY = "media-processor:{arq:watermark}:events"
# 7 MB with names as cameras give them, 50 MB at most: of 255 bytes, with refs of 1,024.
MOST_EVENTS = 20_000


class Event(StrEnum):
    RECEIVED = "received"
    WATERMARKING = "watermarking"
    WATERMARKED = "watermarked"
    UPLOADING = "uploading"
    STORED = "stored"
    FAILED = "failed"
    RETRY = "retry"
    REMOVED = "removed"


_OF_STATUS: dict[str, Event] = {
    Status.QUEUED: Event.RECEIVED,
    **{status: Event(status) for status in Status if status is not Status.QUEUED},
}


class Item(TypedDict):
    """A media as lists have it. state is its folder, code its error's, changed_at in RFC 3339."""

    media_id: str
    state: str
    status: str
    code: str | None
    filename: str
    ref: str | None
    batch: str | None
    size: int
    changed_at: str


class Change(TypedDict):
    """An event out of the stream. One without a filename has only the first four fields.

    The status of a media that was removed is "removed".
    """

    event: Event
    media_id: str
    status: str
    changed_at: str
    state: NotRequired[str]
    code: NotRequired[str | None]
    filename: NotRequired[str]
    ref: NotRequired[str | None]
    batch: NotRequired[str | None]
    size: NotRequired[int]


_FIELDS = {name: get_args(hint) or hint for name, hint in get_type_hints(Item).items()}
_MOST_SIZE = 2**63 - 1  # of SQLite's integers


def item(record: MediaRecord, progress: ProgressRecord, state: str, changed_at: str) -> Item:
    """A media as lists have it, out of its records."""
    error = progress["error"]
    return {
        "media_id": record["media_id"],
        "state": state,
        "status": progress["status"],
        "code": error["code"] if error else None,
        "filename": record["filename"],
        "ref": record.get("ref"),
        "batch": record.get("batch"),
        "size": max(0, min(record["size"], _MOST_SIZE)),
        "changed_at": changed_at,
    }


def received(record: MediaRecord) -> Item:
    """A media that has just been accepted."""
    return item(record, new_progress(), PENDING, record["received_at"])


def now(media: HeldMedia) -> Item:
    """A media that its holder has just changed."""
    return item(media.record, media.progress, media.state, timestamp(clock.now()))


def encoded(item: Item, event: Event | None = None) -> bytes:
    """The event that led to this item: by its status, unless it is said."""
    event = event or _OF_STATUS[item["status"]]
    return durable.as_json({"event": event, **item})


def removal(media_id: str) -> Change:
    """A media that has just been removed."""
    return {
        "event": Event.REMOVED,
        "media_id": media_id,
        "status": Event.REMOVED,
        "changed_at": timestamp(clock.now()),
    }


def removed(media_id: str) -> bytes:
    return durable.as_json(removal(media_id))


def decoded(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Change | None:
    """The change in an entry of the stream; None for an entry of another program.

    take_jobs.lua adds only the id of the job that was taken.
    """
    if b"taken" in fields:
        return _taken(entry_id, fields[b"taken"])
    try:
        read: Any = json.loads(fields[b"item"])
        if b"\\u" in fields[b"item"]:
            durable.as_json(read)  # raises for half a character
        is_removal = Event(read["event"]) is Event.REMOVED
        if not _is_of_a_media(read) or not (is_removal or _is_item(read)):
            return None
    except (LookupError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    change: Change = read
    return change


def _is_of_a_media(read: Any) -> bool:
    """It may be anything: raises LookupError, TypeError, ValueError and OverflowError."""
    at = datetime.fromisoformat(read["changed_at"])
    at.astimezone(UTC)  # raises where UTC has no such time
    return (
        at.tzinfo is not None and isinstance(read["status"], str) and is_media_id(read["media_id"])
    )


def _is_item(read: Any) -> bool:
    """Raises LookupError and TypeError."""
    code = read["code"]
    return (
        all(isinstance(read[name], kind) for name, kind in _FIELDS.items())
        and read["state"] in (PENDING, FAILED, DONE)
        and read["status"] in _OF_STATUS
        and (code is None or is_code(code))
        and 0 <= read["size"] <= _MOST_SIZE
    )


def _taken(entry_id: bytes, job: bytes) -> Change | None:
    media_id, stage = media_id_of(job), job.split(b":")[1:2]
    if media_id is None:
        return None
    event = Event.UPLOADING if stage == [Stage.UPLOAD.encode()] else Event.WATERMARKING
    seconds = int(entry_id.split(b"-")[0]) / 1000
    changed_at = timestamp(datetime.fromtimestamp(seconds, UTC))
    return {"event": event, "media_id": media_id, "status": event, "changed_at": changed_at}
