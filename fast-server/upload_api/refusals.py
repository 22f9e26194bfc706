"""What only fast-server refuses; shared/web/refusals.py has what both services do."""

from collections.abc import Sequence

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from shared.contract import BATCH_FIELD, FAILURE_CODES, is_media_id
from shared.spool import MediaBusy, MediaGone
from shared.web import problems, refusals
from shared.web.host_and_origin import SAFE_METHOD_REFUSALS, UNSAFE_METHOD_REFUSALS
from shared.web.problems import RETRY_AFTER_S, Problem, ProblemType
from shared.web.schemas import EXAMPLE_ID
from upload_api import unsupported

NOT_FOUND = ProblemType("media_not_found", 404, "No such media", "There is no media {media_id}.")
NOT_STORED = ProblemType(
    "not_stored", 404, "The image is not stored", "Media {media_id} is not stored. {next}"
)
ORIGINAL_MISSING = ProblemType(
    "original_missing",
    404,
    "The original is not there",
    "The uploaded file of media {media_id} is not there any more.",
)
NOT_FAILED = ProblemType(
    "not_failed",
    409,
    "The media has not failed",
    "Media {media_id} is {status} and lies in {state}/. Only one that has failed can be retried.",
)
NOT_FINISHED = ProblemType(
    "not_finished",
    409,
    "The media is still being processed",
    "Media {media_id} is {status}. It can be removed once it is stored or has failed.",
)
MEDIA_BUSY = ProblemType(
    "media_busy",
    409,
    "The media is busy",
    "Another process works on media {media_id}. Try again in a few seconds.",
    RETRY_AFTER_S,
)
UNSUPPORTED_FORMAT = ProblemType(
    "unsupported_format",
    415,
    "Not an image format this service takes",
    unsupported.why_unsupported(b"8BPS", "poster.jpg"),
)
UNREADABLE_HEADER = ProblemType(
    "unreadable_header",
    422,
    "The image's header is damaged",
    "The header of {filename} cannot be read: {fault}.",
)
TOO_MANY_PIXELS = ProblemType(
    "too_many_pixels",
    422,
    "The image has too many pixels",
    "{width} x {height} pixels are more than {most_megapixels:g} megapixels (MAX_MEGAPIXELS).",
)
UNKNOWN_PARAMETER = ProblemType(
    "unknown_parameter",
    422,
    "There is no such parameter",
    "{parameter} is no parameter of this request; {known}.",
)
REPEATED_PARAMETER = ProblemType(
    "repeated_parameter",
    422,
    "A parameter comes twice",
    "{parameter} comes more than once. Send it once.",
)
BAD_PARAMETER = ProblemType(
    "bad_parameter", 422, "A parameter cannot be used", "{parameter} is {allowed}."
)
UNKNOWN_CODE = ProblemType(
    "unknown_code", 422, "No failure has this code", f"code is one of {', '.join(FAILURE_CODES)}."
)
BAD_REF = ProblemType(
    "bad_ref", 422, "The ref cannot be used", "It is longer than 1,024 bytes. Send a shorter one."
)
BAD_BATCH = ProblemType(
    "bad_batch",
    422,
    "The batch cannot be used",
    f"batch is one ULID that you make for all that belong together, such as {EXAMPLE_ID}.",
)
BAD_IDEMPOTENCY_KEY = ProblemType(
    "bad_idempotency_key",
    422,
    "The Idempotency-Key cannot be used",
    "Send one Idempotency-Key of 1 to 255 printable ASCII characters, in double quotes.",
)
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency_key_reused",
    422,
    "The Idempotency-Key was used for another upload",
    "This key came with {filename}, now media {media_id}. "
    "Another image, file name, ref or batch needs a key of its own.",
)
PREVIEW_IMPOSSIBLE = ProblemType(
    "preview_impossible",
    422,
    "The image cannot be shown",
    "The image is damaged (OSError: Truncated File Read).",
)
PREVIEW_PENDING = ProblemType(
    "preview_pending",
    503,
    "The preview is not made yet",
    "No worker has made the preview yet. It goes on being made; ask again in a second.",
    1,
)
REDIS_UNAVAILABLE = ProblemType(
    "redis_unavailable",
    503,
    "The queue cannot be reached",
    "Redis does not answer. Nothing was taken; try again in a few seconds.",
    RETRY_AFTER_S,
)
QUEUE_FULL = ProblemType(
    "queue_full",
    503,
    "Too much work is waiting",
    "{jobs} jobs are waiting, the most MAX_QUEUE_DEPTH allows. Try again later.",
    RETRY_AFTER_S,
)
TOO_MANY_STREAMS = ProblemType(
    "too_many_streams",
    503,
    "Too many streams are open",
    "{streams} streams are open, the most there may be. Close one, or try again later.",
    RETRY_AFTER_S,
)
INDEX_UNAVAILABLE = ProblemType(
    "index_unavailable",
    503,
    "There is no list just now",
    "The index cannot be used: see the console. Uploads go on; it comes back by itself.",
    RETRY_AFTER_S,
)
CENTRAL_UNREACHABLE = ProblemType(
    "central_unreachable",
    503,
    "central-server gives no answer",
    "Central ({url}) {reason}. Nothing has changed here; try again in a few seconds.",
    RETRY_AFTER_S,
)
PARAMETER_REFUSALS = (UNKNOWN_PARAMETER, REPEATED_PARAMETER)
_DISK = (refusals.STORAGE_UNAVAILABLE, refusals.DISK_FULL)
UPLOAD_REFUSALS = (
    *UNSAFE_METHOD_REFUSALS,
    *refusals.FORM_REFUSALS,
    UNSUPPORTED_FORMAT,
    UNREADABLE_HEADER,
    TOO_MANY_PIXELS,
    BAD_REF,
    BAD_BATCH,
    BAD_IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_REUSED,
    REDIS_UNAVAILABLE,
    QUEUE_FULL,
)
READY_REFUSALS = (*SAFE_METHOD_REFUSALS, REDIS_UNAVAILABLE, QUEUE_FULL, *_DISK)
READ_REFUSALS = (*SAFE_METHOD_REFUSALS, NOT_FOUND, refusals.STORAGE_UNAVAILABLE)
_FILE_REFUSALS = (
    *READ_REFUSALS,
    *PARAMETER_REFUSALS,
    refusals.INVALID_REQUEST,
    refusals.RANGE_NOT_SATISFIABLE,
)
IMAGE_REFUSALS = (*_FILE_REFUSALS, NOT_STORED, CENTRAL_UNREACHABLE)
ORIGINAL_REFUSALS = (*_FILE_REFUSALS, ORIGINAL_MISSING)
PREVIEW_REFUSALS = (
    *_FILE_REFUSALS,
    NOT_STORED,
    PREVIEW_IMPOSSIBLE,
    PREVIEW_PENDING,
    REDIS_UNAVAILABLE,
    CENTRAL_UNREACHABLE,
)
RETRY_REFUSALS = (*UNSAFE_METHOD_REFUSALS, NOT_FOUND, NOT_FAILED, MEDIA_BUSY, *_DISK)
EVENTS_REFUSALS = (
    *SAFE_METHOD_REFUSALS,
    *PARAMETER_REFUSALS,
    BAD_PARAMETER,
    BAD_BATCH,
    TOO_MANY_STREAMS,
)
STATS_REFUSALS = (*SAFE_METHOD_REFUSALS, *PARAMETER_REFUSALS)
ACTIVITY_REFUSALS = (*STATS_REFUSALS, *refusals.LOG_REFUSALS, CENTRAL_UNREACHABLE)
PAUSE_REFUSALS = (*UNSAFE_METHOD_REFUSALS, *PARAMETER_REFUSALS, *_DISK)
LIST_REFUSALS = (
    *SAFE_METHOD_REFUSALS,
    *PARAMETER_REFUSALS,
    BAD_PARAMETER,
    UNKNOWN_CODE,
    BAD_BATCH,
    INDEX_UNAVAILABLE,
)
RETRY_ALL_REFUSALS = (
    *UNSAFE_METHOD_REFUSALS,
    *PARAMETER_REFUSALS,
    UNKNOWN_CODE,
    BAD_BATCH,
    *_DISK,
)
DELETE_REFUSALS = (
    *UNSAFE_METHOD_REFUSALS,
    NOT_FOUND,
    NOT_FINISHED,
    MEDIA_BUSY,
    CENTRAL_UNREACHABLE,
    *_DISK,
)

_CLUSTER = "It is a node of a cluster, whose keys lie on many: name one that is not in REDIS_URL"
# Errors with which Redis refuses a job, how their texts begin, and what to do.
_REDIS_REFUSES: tuple[tuple[type[Exception], str, str], ...] = (
    (OutOfMemoryError, "", "It is full: raise its maxmemory, or let the workers make room"),
    (ReadOnlyError, "", "It is a read-only replica: name its primary in REDIS_URL, or promote it"),
    (BusyLoadingError, "", "It has just started and reads its data: wait"),
    (NoPermissionError, "", "Its user may not write here: see its ACL"),
    (ResponseError, "MISCONF", "It cannot write to its disk: make room there, see its log"),
    (ResponseError, "WRONGTYPE", "A foreign key with a queue's name was put aside: try again"),
    (AskError, "", _CLUSTER),  # also its subclass MovedError
    (ClusterCrossSlotError, "", _CLUSTER),
    (ClusterDownError, "", _CLUSTER),
    (ResponseError, "NOREPLICAS", "It has too few replicas: see its min-replicas-to-write"),
)


def redis_unavailable(error: Exception) -> Problem:
    """The answer to a client after an error of Redis."""
    if why := why_redis_refuses(error):
        return Problem(REDIS_UNAVAILABLE, f"Redis takes no job: {why} Nothing was taken.")
    return Problem(REDIS_UNAVAILABLE)


def why_redis_refuses(error: Exception) -> str | None:
    """What Redis says, and what to do; None where it does not answer."""
    for kind, word, advice in _REDIS_REFUSES:
        if isinstance(error, kind) and str(error).startswith(word):
            return f"{str(error).strip().rstrip('.')}. {advice}."
    return None


def check_parameters(request: Request, known: Sequence[str] = ()) -> None:
    """Raises Problem for a parameter that is unknown, as a misspelt one is, or comes twice."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known:
            raise Problem(UNKNOWN_PARAMETER, parameter=name[:100], known=_listed(known))
        if names.count(name) > 1:
            raise Problem(REPEATED_PARAMETER, parameter=name)


def code_of(request: Request) -> str | None:
    """The failure's code in the query. Raises Problem."""
    code = request.query_params.get("code")
    if code is not None and code not in FAILURE_CODES:
        raise Problem(UNKNOWN_CODE)
    return code


def batch_of(request: Request) -> str | None:
    """The batch in the query. Raises Problem."""
    return checked_batch(request.query_params.getlist(BATCH_FIELD))


def checked_batch(sent: Sequence[str]) -> str | None:
    """The one batch that a request may have. Raises Problem."""
    if len(sent) > 1 or not all(map(is_media_id, sent)):
        raise Problem(BAD_BATCH)
    return sent[0] if sent else None


def _listed(known: Sequence[str]) -> str:
    if len(known) > 1:
        return f"{', '.join(known[:-1])} and {known[-1]} are"
    return f"{known[0]} is" if known else "it has none"


def media_id_of(request: Request) -> str:
    """The media id in the path. Raises Problem for anything else: it must not become a path."""
    media_id: str = request.path_params["media_id"]
    if not is_media_id(media_id):
        raise not_found(media_id)
    return media_id


def not_found(media_id: str) -> Problem:
    return Problem(NOT_FOUND, media_id=media_id)


def install(app: FastAPI) -> None:
    """Answer what the spool raises as a problem document."""

    @app.exception_handler(MediaGone)
    async def _gone(request: Request, error: MediaGone) -> JSONResponse:
        return problems.answer_to(request, not_found(str(error)))

    @app.exception_handler(MediaBusy)
    async def _busy(request: Request, error: MediaBusy) -> JSONResponse:
        return problems.answer_to(request, Problem(MEDIA_BUSY, media_id=error))
