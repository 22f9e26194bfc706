"""What the services agree on: queues, tasks, folders, form fields, records, names.

Standard library only.
"""

import json
import re
import unicodedata
from datetime import datetime, timedelta
from enum import StrEnum
from os.path import splitext
from typing import Any, NotRequired, TypedDict

# Redis: the names that this project chooses; worker-server/service/health.py has each worker's keys
WATERMARK_QUEUE = "arq:watermark"
UPLOAD_QUEUE = "arq:upload"
WATERMARK_TASK = "watermark_image_task"
UPLOAD_TASK = "upload_to_central_task"
WAKE_KEY = "media-processor:wake"
PASSED_KEY = "media-processor:reconciled-at"
JOB_TTL_MS = 30 * 86_400_000  # arq drops a job's payload after a day otherwise

# uploads/<state>/<media_id>/
INCOMING = "incoming"
PENDING = "pending"
FAILED = "failed"
DONE = "done"
PREVIEWS = ".previews"  # a folder beside those of the states, with one for each media
MEDIA_RECORD = "media.json"
PROGRESS_RECORD = "progress.json"
CENTRAL_UNREACHABLE = "central_unreachable"
CENTRAL_FULL = "central_full"
LOGO_UNAVAILABLE = "logo_unavailable"
RERUN_WHEN = {  # failures that are queued again by themselves, and the condition for it
    CENTRAL_UNREACHABLE: "central answers",
    CENTRAL_FULL: "central answers",
    LOGO_UNAVAILABLE: "there is a logo that works",
}
RERUN_FOR = timedelta(hours=24)  # from the reception
RECORD_LOST = "record_lost"
FAILURE_CODES = (  # of progress.json's error
    CENTRAL_FULL,
    "central_refused",
    CENTRAL_UNREACHABLE,
    "corrupt_image",
    "decoder_crashed",
    "decoder_killed",
    "internal_error",
    LOGO_UNAVAILABLE,
    "memory_limit",
    "not_encodable",
    "original_missing",
    "record_damaged",
    RECORD_LOST,
    "time_limit",
    "too_many_pages",
    "too_many_pixels",
    "too_many_scans",
    "too_much_text",
    "unreadable_image",
    "unsupported_mode",
    "worker_lost",
)
WATERMARKED_PREFIX = "watermarked_"

# POST /media and POST /upload-final, multipart fields
FILE_FIELD = "file"
WORKER_NAME_FIELD = "worker_name"
MEDIA_ID_FIELD = "media_id"
REF_FIELD = "ref"
BATCH_FIELD = "batch"

VERSION = "1.0.0"
MIB = 1024 * 1024  # an MB of every setting
MAX_NAME_BYTES = 255  # what common POSIX file systems take
_HOSTILE = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Letters and marks that are blank (Unicode's Default_Ignorable_Code_Point, and two more).
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\ufffe\uffff\U00016fe4\U000e0000-\U000e0fff]"
)
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"
# Joiners change their neighbours in scripts and emoji. Beside ASCII they do nothing, except in
# keycaps.
_JOINING_NOTHING = re.compile(
    "(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])|(?<=[\u200c\u200d])[\u200c\u200d]"
    "|(?<![^\x00-\x7f])[\ufe0e\ufe0f](?!\u20e3)|(?<=[\ufe0e\ufe0f])[\ufe0e\ufe0f]"
)
# An id that begins with 7 has a year beyond datetime's.
MEDIA_ID_PATTERN = "[0-6][0-9A-HJKMNP-TV-Z]{25}"
_MEDIA_ID = re.compile(MEDIA_ID_PATTERN)
CODE_PATTERN = "[a-z0-9_]+"
_CODE = re.compile(CODE_PATTERN)
_JOB_ID = re.compile(f"({MEDIA_ID_PATTERN}):(?:watermark|upload):[0-9]+".encode())
# An upload's name may grow by a prefix here and by -<media_id> on central.
MAX_FILENAME_BYTES = MAX_NAME_BYTES - len(WATERMARKED_PREFIX) - len("-") - 26


class Stage(StrEnum):
    WATERMARK = "watermark"
    UPLOAD = "upload"


class Status(StrEnum):
    QUEUED = "queued"
    WATERMARKING = "watermarking"
    WATERMARKED = "watermarked"
    UPLOADING = "uploading"
    STORED = "stored"
    FAILED = "failed"


class ErrorRecord(TypedDict):
    code: str
    detail: str


class MediaRecord(TypedDict):
    """media.json: what was received. Written once, by fast-server."""

    media_id: str
    filename: str
    content_type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    received_at: str
    format_version: int
    ref: NotRequired[str]  # what its client calls it: fast-server/ingest/reference.py
    batch: NotRequired[str]  # a ULID that its client gives to all uploads that belong together
    idempotency_key: NotRequired[str]  # its claim: fast-server/ingest/idempotency_store.py


class AttemptRecord(TypedDict):
    stage: Stage
    worker: str
    started_at: str
    ended_at: str | None
    error: ErrorRecord | None


class FileRecord(TypedDict):
    """A file one step wrote and a later one relies on."""

    name: str
    sha256: str
    size: int
    content_type: NotRequired[str]
    notes: NotRequired[list[str]]  # for the image's owner: what could not be as usual
    stored_at: NotRequired[str]


class ProgressRecord(TypedDict):
    """progress.json: what has happened since. The holder of the media's lock replaces it."""

    run: int
    status: Status
    attempts: list[AttemptRecord]
    next_attempt_at: str | None
    error: ErrorRecord | None
    watermarked: FileRecord | None
    stored: FileRecord | None
    filename: NotRequired[str]  # that of media.json, for people who grep


def job_id(media_id: str, stage: Stage, run: int) -> str:
    """One job for each stage of each run, so that a re-run never meets an old key."""
    return f"{media_id}:{stage}:{run}"


def media_id_of(job: bytes) -> str | None:
    """The media of a job id as it stands in Redis; None for a foreign job id."""
    match = _JOB_ID.fullmatch(job)
    return match[1].decode() if match else None


def serialize_job(payload: dict[str, Any]) -> bytes:
    """JSON: with pickle, arq's default, anyone who can write to Redis could run code.

    arq also serializes the exception that ended a job, hence default=repr.
    """
    return json.dumps(payload, default=repr).encode()


def deserialize_job(payload: bytes) -> dict[str, Any]:
    """The inverse of serialize_job. Raises ValueError for what is not JSON."""
    decoded: dict[str, Any] = json.loads(payload)
    return decoded


def is_media_id(text: str) -> bool:
    """Whether text is a canonical ULID: 26 characters of Crockford's base 32."""
    return _MEDIA_ID.fullmatch(text) is not None


def is_code(text: str) -> bool:
    """Whether text can be the code of a failure."""
    return _CODE.fullmatch(text) is not None


def is_file_name(text: str, max_bytes: int = MAX_NAME_BYTES) -> bool:
    """Whether text can be a file's name, and leads to no other folder."""
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        return False
    try:
        return len(text.encode()) <= max_bytes
    except UnicodeEncodeError:  # a lone surrogate
        return False


def is_job(media_id: object, run: object) -> bool:
    """Whether these can be the arguments of a job."""
    return isinstance(media_id, str) and is_media_id(media_id) and isinstance(run, int) and run > 0


def timestamp(at: datetime) -> str:
    """A time in UTC as RFC 3339 with milliseconds: 2026-01-15T14:30:45.123Z"""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def safe_line(text: str) -> str:
    """The text in NFC, without characters that break or reorder a line, or that are invisible."""
    kept = "".join(char for char in text if not is_hostile(char))
    kept = _JOINING_NOTHING.sub("", kept)
    return unicodedata.normalize("NFC", kept).replace("|", "_").strip()


def safe_filename(name: str, max_bytes: int = MAX_FILENAME_BYTES) -> str:
    """A safe file name, made of the name that a client sent.

    The base name (after both kinds of slash) without leading dots, cut to max_bytes of
    UTF-8 with its extension kept; "upload" where nothing is left. Never the name of a record.
    """
    base = re.sub(r"^[.\s]+", "", safe_line(re.split(r"[/\\]", name)[-1]))
    stem, extension = splitext(base)
    if len(extension.encode()) > 32:
        stem, extension = base, ""
    most = max_bytes - len(extension.encode())
    base = safe_line(stem.encode()[:most].decode(errors="ignore") + extension)
    # Some file systems take MEDIA.JSON and media.json for one name.
    is_record = base.casefold() in (MEDIA_RECORD, PROGRESS_RECORD)
    return f"upload_{base}" if is_record else base or "upload"


def is_hostile(char: str) -> bool:
    """Whether char breaks or reorders a line, or is invisible. Words and emoji need joiners."""
    if char in _JOINERS:
        return False
    return unicodedata.category(char) in _HOSTILE or _BLANK.match(char) is not None
