"""How fast-server alone says no, with HTTP statuses; shared/web/refusals.py has the others."""

from collections.abc import Iterator
from contextlib import contextmanager

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

from shared.contract import FAILURE_CODES
from shared.spool import MediaBusy, MediaGone
from shared.web import door, refusals
from shared.web.problems import Problem, ProblemType
from shared.web.refusals import RETRY_AFTER_S
from upload_api import unsupported

NOT_FOUND = ProblemType(
    "media_not_found", 404, "No such media", "There is no media 01KA0000000000000000000000."
)
NOT_FAILED = ProblemType(
    "not_failed",
    409,
    "The media has not failed",
    "Media 01KAP3V8Z4J5N6Q7R8S9T0VWXY is queued and lies in pending/. "
    "Only one that has failed can be retried.",
)
NOT_FINISHED = ProblemType(
    "not_finished",
    409,
    "The media is still in work",
    "Media 01KAP3V8Z4J5N6Q7R8S9T0VWXY is uploading. "
    "It can be removed once it is stored or has failed.",
)
MEDIA_BUSY = ProblemType(
    "media_busy",
    409,
    "Somebody else is at this media",
    "Somebody else is at media 01KAP3V8Z4J5N6Q7R8S9T0VWXY. Try again in a few seconds.",
)
UNSUPPORTED_FORMAT = ProblemType(
    "unsupported_format",
    415,
    "Not an image format this service takes",
    unsupported.refusal(b"8BPS", "poster.jpg"),
)
UNREADABLE_HEADER = ProblemType(
    "unreadable_header",
    422,
    "The image's header is damaged",
    "The header of photo.png cannot be read: it ends early or contradicts itself.",
)
TOO_MANY_PIXELS = ProblemType(
    "too_many_pixels",
    422,
    "The image has too many pixels",
    "20000 x 20000 pixels are more than 100 megapixels.",
)
UNKNOWN_PARAMETER = ProblemType(
    "unknown_parameter",
    422,
    "There is no such parameter",
    "cod is no parameter of this request; code is.",
)
UNKNOWN_CODE = ProblemType(
    "unknown_code",
    422,
    "No failure has this code",
    f"code is one of {', '.join(FAILURE_CODES)}.",
)
BAD_REF = ProblemType(
    "bad_ref",
    422,
    "The ref cannot be used",
    "It is longer than 1,024 bytes. Send a shorter one.",
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
    "This key came with photo.jpg, now media 01KAP3V8Z4J5N6Q7R8S9T0VWXY. "
    "Another image, file name or ref needs a key of its own.",
)
REDIS_UNAVAILABLE = ProblemType(
    "redis_unavailable",
    503,
    "The queue cannot be reached",
    "Redis does not answer. Nothing was taken; try again in a few seconds.",
)
QUEUE_FULL = ProblemType(
    "queue_full",
    503,
    "Too much work is waiting",
    "100000 jobs are waiting, the most MAX_QUEUE_DEPTH allows. Try again later.",
)
CENTRAL_UNREACHABLE = ProblemType(
    "central_unreachable",
    503,
    "central-server cannot remove it",
    "Central (http://central-server:8003/media/01KAP3V8Z4J5N6Q7R8S9T0VWXY) gave no answer "
    "within 10 s. Nothing was removed.",
)
_DISK = (refusals.STORAGE_UNAVAILABLE, refusals.DISK_FULL)
UPLOAD_REFUSALS = (
    *door.WRITE_REFUSALS,
    *refusals.FORM_REFUSALS,
    UNSUPPORTED_FORMAT,
    UNREADABLE_HEADER,
    TOO_MANY_PIXELS,
    BAD_REF,
    BAD_IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_REUSED,
    REDIS_UNAVAILABLE,
    QUEUE_FULL,
)
READY_REFUSALS = (*door.READ_REFUSALS, REDIS_UNAVAILABLE, QUEUE_FULL, *_DISK)
READ_REFUSALS = (*door.READ_REFUSALS, NOT_FOUND, refusals.STORAGE_UNAVAILABLE)
RETRY_REFUSALS = (*door.WRITE_REFUSALS, NOT_FOUND, NOT_FAILED, MEDIA_BUSY, *_DISK)
RETRY_ALL_REFUSALS = (*door.WRITE_REFUSALS, UNKNOWN_PARAMETER, UNKNOWN_CODE, *_DISK)
REMOVAL_REFUSALS = (
    *door.WRITE_REFUSALS,
    NOT_FOUND,
    NOT_FINISHED,
    MEDIA_BUSY,
    CENTRAL_UNREACHABLE,
    *_DISK,
)

_CLUSTER = "It is a node of a cluster, whose keys lie on many: name one that is not in REDIS_URL"
# What Redis says when it answers and takes no job, and what helps.
_REDIS_REFUSES: tuple[tuple[type[Exception], str, str], ...] = (
    (OutOfMemoryError, "", "It is full: raise its maxmemory, or let the workers make room"),
    (ReadOnlyError, "", "It is a read-only replica: name its primary in REDIS_URL, or promote it"),
    (BusyLoadingError, "", "It has just started and reads its data: wait"),
    (NoPermissionError, "", "Its user may not write here: see its ACL"),
    (ResponseError, "MISCONF", "It cannot write to its disk: make room there, see its log"),
    (ResponseError, "WRONGTYPE", "A foreign key with a queue's name was put aside: try again"),
    (AskError, "", _CLUSTER),  # and MovedError, which is one
    (ClusterCrossSlotError, "", _CLUSTER),
    (ClusterDownError, "", _CLUSTER),
    (ResponseError, "NOREPLICAS", "It has too few replicas: see its min-replicas-to-write"),
)


def redis_unavailable(error: Exception) -> Problem:
    """What a fault of Redis means to a client: nothing was taken, and why."""
    for kind, word, advice in _REDIS_REFUSES:
        if isinstance(error, kind) and str(error).startswith(word):
            said = str(error).strip().rstrip(".")
            detail = f"Redis takes no job: {said}. {advice}. Nothing was taken."
            return Problem(REDIS_UNAVAILABLE, detail, RETRY_AFTER_S)
    return Problem(REDIS_UNAVAILABLE, retry_after_s=RETRY_AFTER_S)


def not_found(media_id: str) -> Problem:
    return Problem(NOT_FOUND, f"There is no media {media_id}.")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what reading a form, using the disk and the spool may raise into Problems."""
    try:
        with refusals.translated():
            yield
    except MediaGone as error:
        raise not_found(str(error)) from None
    except MediaBusy as error:
        detail = f"Somebody else is at media {error}. Try again in a few seconds."
        raise Problem(MEDIA_BUSY, detail, RETRY_AFTER_S) from None
