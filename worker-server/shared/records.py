"""Reading a media's two records, which a power cut or a person may have damaged.

Nothing in them is used unchecked: each name is that of a file in the media's own folder, and each
value has the type that the contract gives it.
"""

import json
import math
import os
import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from ulid import ULID

from shared import clock, durable
from shared.contract import (
    DONE,
    FAILED,
    MAX_FILENAME_BYTES,
    MEDIA_RECORD,
    PROGRESS_RECORD,
    RECORD_LOST,
    RERUN_FOR,
    RERUN_WHEN,
    WATERMARKED_PREFIX,
    ErrorRecord,
    FileRecord,
    MediaRecord,
    ProgressRecord,
    Stage,
    Status,
    is_code,
    is_file_name,
    timestamp,
)

_CONTENT_TYPE = re.compile(r"image/[a-z0-9.+-]+")
_LOST = "Its record was lost, as in a power cut. Whether it was stored, central can tell."


def read_record(path: Path) -> MediaRecord:
    """media.json of the media in path; one of format version 0 where it is damaged."""
    record: MediaRecord = _read_json(path / MEDIA_RECORD)
    if (
        fits(record, MediaRecord)
        and record["media_id"] == path.name
        and is_file_name(record["filename"], MAX_FILENAME_BYTES)
        and _CONTENT_TYPE.fullmatch(record["content_type"])
    ):
        return record
    return {
        "media_id": path.name,
        "filename": "",
        "content_type": "",
        "size": 0,
        "sha256": "",
        "width": None,
        "height": None,
        "received_at": "",
        "format_version": 0,
    }


def read_progress(path: Path) -> ProgressRecord:
    """progress.json of the media in path; that of a new media where it is missing or torn.

    The media's folder is the proof: in done/ it is stored, in failed/ it has failed.
    """
    progress, state = _whole(path) or new_progress(), path.parent.name
    if not _is_true_in(state, progress):
        if state == DONE:
            progress["status"] = Status.STORED
        elif state == FAILED:
            progress["status"] = Status.FAILED
            progress["error"] = {"code": RECORD_LOST, "detail": _LOST}
        else:
            progress["status"] = Status.WATERMARKED if progress["watermarked"] else Status.QUEUED
    return progress


def received_at(path: Path) -> datetime:
    """When the media in path was received: by its id or its media.json, whichever is later.

    Both were made then, by two clocks, and one may have been behind.
    """
    by_id = ULID.from_str(path.name).datetime
    try:
        return max(by_id, datetime.fromtimestamp(os.lstat(path / MEDIA_RECORD).st_mtime, UTC))
    except OSError:
        return by_id


def is_in_order(path: Path) -> bool:
    """Whether progress.json is whole and agrees with the media's folder."""
    progress = _whole(path)
    return progress is not None and _is_true_in(path.parent.name, progress)


def new_progress() -> ProgressRecord:
    return {
        "run": 1,
        "status": Status.QUEUED,
        "attempts": [],
        "next_attempt_at": None,
        "error": None,
        "watermarked": None,
        "stored": None,
    }


def next_stage(progress: ProgressRecord) -> Stage:
    """Where a pending media goes on."""
    return Stage.UPLOAD if progress["watermarked"] else Stage.WATERMARK


def rerun_until(path: Path) -> datetime:
    """Until when a failed media is queued again by itself (RERUN_WHEN)."""
    return received_at(path) + RERUN_FOR


def after_failure(path: Path, error: ErrorRecord | None) -> str:
    """What comes next for the media in path, which failed with this error, in a sentence."""
    retry, until = f"POST /media/{path.name}/retry", rerun_until(path)
    if error and error["code"] in RERUN_WHEN and clock.now() < until:
        once = f"once {RERUN_WHEN[error['code']]}, until {timestamp(until)}"
        return f"It is queued again by itself {once}; {retry} does it now."
    return f"Nothing by itself: {retry} tries again, DELETE /media/{path.name} removes it."


def _is_true_in(state: str, progress: ProgressRecord) -> bool:
    if state == DONE:
        return progress["status"] == Status.STORED
    if state == FAILED:
        return progress["status"] == Status.FAILED and progress["error"] is not None
    if progress["status"] == Status.STORED:
        return progress["stored"] is not None
    return progress["status"] != Status.FAILED or progress["error"] is not None


def _whole(path: Path) -> ProgressRecord | None:
    read = _read_json(path / PROGRESS_RECORD)
    if not read:
        return None
    progress = new_progress()
    progress.update(read)
    whole = (
        fits(progress, ProgressRecord)
        and progress["run"] > 0
        and _is_time(progress["next_attempt_at"])
        and (progress["error"] is None or is_code(progress["error"]["code"]))
        and all(_is_usable(file) for file in (progress["watermarked"], progress["stored"]) if file)
    )
    output = progress["watermarked"]
    if whole and (output is None or output["name"].startswith(WATERMARKED_PREFIX)):
        return progress
    return None  # an output by another name may be the original


def _is_usable(file: FileRecord) -> bool:
    content_type = file.get("content_type", "image/any")
    return is_file_name(file["name"]) and _CONTENT_TYPE.fullmatch(content_type) is not None


def _read_json(path: Path) -> Any:
    """The JSON object in path; an empty one where there is none, or it is damaged."""
    try:
        content = durable.read_bytes(path)
        read = json.loads(content, parse_constant=_no_number, parse_float=_finite)
        if b"\\u" in content:
            durable.as_json(read)  # raises for half a character: it could not be written again
    except (FileNotFoundError, IsADirectoryError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (math.inf, -math.inf):
        raise ValueError(f"{text} is beyond what JSON can be written with")
    return value


def fits(value: Any, hint: Any) -> bool:
    """Whether a value out of JSON is of the type that the contract gives it."""
    if is_typeddict(hint):
        return isinstance(value, dict) and all(
            fits(value.get(name), kind)
            for name, kind, is_needed in _fields(hint)
            if is_needed or name in value
        )
    if get_origin(hint) is UnionType:
        return any(fits(value, one) for one in get_args(hint))
    if get_origin(hint) is list:
        return isinstance(value, list) and all(fits(each, get_args(hint)[0]) for each in value)
    if issubclass(hint, StrEnum):
        return any(value == member for member in hint)
    return isinstance(value, hint) and not isinstance(value, bool)


@cache
def _fields(kind: Any) -> list[tuple[str, Any, bool]]:
    """Name and type of each, and whether it must be there."""
    needed = kind.__required_keys__
    return [(name, hint, name in needed) for name, hint in get_type_hints(kind).items()]


def _is_time(text: str | None) -> bool:
    """Whether text is None or a time with its zone."""
    try:
        return text is None or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
