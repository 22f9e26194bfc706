"""Reading a media's two records, whatever a power cut or a person left of them."""

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from shared.contract import (
    MEDIA_RECORD,
    PROGRESS_RECORD,
    MediaRecord,
    ProgressRecord,
    Stage,
    Status,
)


def read_record(path: Path) -> MediaRecord:
    """media.json of the media in path; one of format version 0 where somebody damaged it."""
    record: MediaRecord = _read_json(path / MEDIA_RECORD)
    if _fits(record, MediaRecord) and record["media_id"] == path.name:
        name = record["filename"]
        if name not in ("", ".", "..") and not {"/", "\0"} & set(name):
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
    """progress.json of the media in path; that of a new media where it is missing or torn."""
    progress = new_progress()
    progress.update(_read_json(path / PROGRESS_RECORD))
    whole = _fits(progress, ProgressRecord) and _is_time(progress["next_attempt_at"])
    return progress if whole else new_progress()


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


def _read_json(path: Path) -> Any:
    """A JSON object; an empty one where there is none, or half of one, or something else."""
    try:
        read = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value out of JSON is of the type that the contract gives it."""
    if is_typeddict(hint):
        fields = _required_fields(hint)
        return isinstance(value, dict) and all(_fits(value.get(n), h) for n, h in fields.items())
    if get_origin(hint) is UnionType:
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is list:
        return isinstance(value, list) and all(_fits(each, get_args(hint)[0]) for each in value)
    return isinstance(value, hint)


@cache
def _required_fields(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {name: hints[name] for name in kind.__required_keys__}


def _is_time(text: str | None) -> bool:
    """Whether it is a time with its zone, or none at all."""
    try:
        return text is None or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
