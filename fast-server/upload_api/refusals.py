"""Every way fast-server says no, with its HTTP status, on one screen."""

import errno
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
from starlette.requests import ClientDisconnect

from shared.contract import FAILURE_CODES
from shared.spool import MediaBusy, MediaGone
from shared.web import door
from shared.web.multipart import FormError, NotMultipart
from shared.web.problems import Problem, ProblemType
from upload_api import unsupported
from upload_api.settings import MIB

RETRY_AFTER_S = 5

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
UPLOAD_STALLED = ProblemType(
    "upload_stalled",
    408,
    "The upload is too slow",
    "Less than 1 KB a second came for a minute. Send the file again.",
)
TOO_LARGE = ProblemType(
    "upload_too_large",
    413,
    "The file is larger than the limit",
    "The file is larger than 50 MB. Send a smaller one, or raise MAX_UPLOAD_MB.",
)
NOT_MULTIPART = ProblemType(
    "not_multipart",
    415,
    "The request is not a file upload",
    "Send multipart/form-data, as curl -F does.",
)
UNSUPPORTED_FORMAT = ProblemType(
    "unsupported_format",
    415,
    "Not an image format this service takes",
    unsupported.refusal(b"8BPS", "poster.jpg"),
)
MALFORMED_FORM = ProblemType(
    "malformed_form",
    422,
    "The form cannot be read",
    "The body ended before the form's closing boundary.",
)
FILE_MISSING = ProblemType(
    "file_missing", 422, "The form has no file", "Send the image as the form's part named file."
)
FILE_EMPTY = ProblemType("file_empty", 422, "The file is empty", "photo.jpg has no bytes.")
SECOND_FILE = ProblemType(
    "second_file", 422, "The form has more than one file", "Send one image a request."
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
UPLOAD_ABORTED = ProblemType(
    "upload_aborted",
    400,
    "The client went away",
    "The connection closed before the file was whole.",
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
STORAGE_UNAVAILABLE = ProblemType(
    "storage_unavailable",
    503,
    "The uploads folder cannot be written",
    "The uploads folder cannot be written: Read-only file system.",
)
DISK_FULL = ProblemType(
    "disk_full", 507, "The disk is nearly full", "Less than 512 MB are free. Nothing was taken."
)
CENTRAL_UNREACHABLE = ProblemType(
    "central_unreachable",
    503,
    "central-server cannot remove it",
    "Central (http://central-server:8003/media/01KAP3V8Z4J5N6Q7R8S9T0VWXY) gave no answer "
    "within 10 s. Nothing was removed.",
)
UPLOAD_REFUSALS = (
    *door.WRITE_REFUSALS,
    UPLOAD_ABORTED,
    UPLOAD_STALLED,
    TOO_LARGE,
    NOT_MULTIPART,
    UNSUPPORTED_FORMAT,
    MALFORMED_FORM,
    FILE_MISSING,
    FILE_EMPTY,
    SECOND_FILE,
    UNREADABLE_HEADER,
    TOO_MANY_PIXELS,
    BAD_REF,
    BAD_IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_REUSED,
    REDIS_UNAVAILABLE,
    QUEUE_FULL,
    STORAGE_UNAVAILABLE,
    DISK_FULL,
)
READY_REFUSALS = (
    *door.READ_REFUSALS,
    REDIS_UNAVAILABLE,
    QUEUE_FULL,
    STORAGE_UNAVAILABLE,
    DISK_FULL,
)
READ_REFUSALS = (*door.READ_REFUSALS, NOT_FOUND, STORAGE_UNAVAILABLE)
RETRY_REFUSALS = (
    *door.WRITE_REFUSALS,
    NOT_FOUND,
    NOT_FAILED,
    MEDIA_BUSY,
    STORAGE_UNAVAILABLE,
    DISK_FULL,
)
RETRY_ALL_REFUSALS = (
    *door.WRITE_REFUSALS,
    UNKNOWN_PARAMETER,
    UNKNOWN_CODE,
    STORAGE_UNAVAILABLE,
    DISK_FULL,
)
REMOVAL_REFUSALS = (
    *door.WRITE_REFUSALS,
    NOT_FOUND,
    NOT_FINISHED,
    MEDIA_BUSY,
    CENTRAL_UNREACHABLE,
    STORAGE_UNAVAILABLE,
    DISK_FULL,
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
    return Problem(REDIS_UNAVAILABLE, REDIS_UNAVAILABLE.example, RETRY_AFTER_S)


def not_found(media_id: str) -> Problem:
    return Problem(NOT_FOUND, f"There is no media {media_id}.")


def too_large(max_bytes: int) -> Problem:
    limit = f"{max_bytes / MIB:g} MB"
    detail = f"The file is larger than {limit}. Send a smaller one, or raise MAX_UPLOAD_MB."
    return Problem(TOO_LARGE, detail)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what reading a body, writing a file and the spool may raise into Problems."""
    try:
        yield
    except MediaGone as error:
        raise not_found(str(error)) from None
    except MediaBusy as error:
        detail = f"Somebody else is at media {error}. Try again in a few seconds."
        raise Problem(MEDIA_BUSY, detail, RETRY_AFTER_S) from None
    except ClientDisconnect as error:
        raise Problem(UPLOAD_ABORTED, UPLOAD_ABORTED.example) from error
    except NotMultipart as error:
        raise Problem(NOT_MULTIPART, str(error)) from error
    except FormError as error:
        raise Problem(MALFORMED_FORM, str(error)) from error
    except TimeoutError as error:
        raise Problem(UPLOAD_STALLED, UPLOAD_STALLED.example) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Problem(DISK_FULL, "The disk is full. Nothing was taken.") from error
        detail = f"The uploads folder cannot be written: {error.strerror}."
        raise Problem(STORAGE_UNAVAILABLE, detail, RETRY_AFTER_S) from error
