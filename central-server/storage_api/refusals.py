"""Every way central-server says no, with its HTTP status, on one screen."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect

from shared.web import door
from shared.web.multipart import FormError, NotMultipart
from shared.web.problems import Problem, ProblemType

UPLOAD_ABORTED = ProblemType(
    "upload_aborted", 400, "The client went away", "The connection closed before the end."
)
NOT_FOUND = ProblemType(
    "media_not_found",
    404,
    "No such media",
    "No image of media 01KA0000000000000000000000 is stored.",
)
UPLOAD_STALLED = ProblemType(
    "upload_stalled",
    408,
    "The upload is too slow",
    "Less than 1 KB a second came for a minute. Send the file again.",
)
MEDIA_DELETED = ProblemType(
    "media_deleted",
    410,
    "The media was deleted",
    "Media 01KA0000000000000000000000 was deleted.",
)
TOO_LARGE = ProblemType(
    "upload_too_large",
    413,
    "The file is larger than the limit",
    "The file is larger than 200 MB. Send a smaller one, or raise MAX_STORE_MB.",
)
RANGE_NOT_SATISFIABLE = ProblemType(
    "range_not_satisfiable", 416, "The image has no such part", "The image has 81234 bytes."
)
NOT_MULTIPART = ProblemType(
    "not_multipart", 415, "Not a file upload", "Send multipart/form-data, as curl -F does."
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
WORKER_MISSING = ProblemType(
    "worker_missing", 422, "No worker is named", "Say who sends it in the field worker_name."
)
BAD_MEDIA_ID = ProblemType("bad_media_id", 422, "Not a media id", "'photo-1' is not a ULID.")
INVALID_REQUEST = ProblemType(
    "invalid_request",
    422,
    "The request is not valid",
    "tail: Input should be greater than or equal to 1",
)
STORAGE_UNAVAILABLE = ProblemType(
    "storage_unavailable",
    503,
    "The disk cannot be used",
    "STORAGE_DIR=central_storage: Read-only file system",
)
DISK_FULL = ProblemType(
    "disk_full",
    507,
    "The disk is full",
    "Less than 512 MB (MIN_FREE_MB) are free in STORAGE_DIR=central_storage.",
)
DISK_FULL_RETRY_AFTER_S = 30
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
UPLOAD_REFUSALS = (
    *door.WRITE_REFUSALS,
    UPLOAD_STALLED,
    MEDIA_DELETED,
    TOO_LARGE,
    NOT_MULTIPART,
    MALFORMED_FORM,
    FILE_MISSING,
    FILE_EMPTY,
    SECOND_FILE,
    WORKER_MISSING,
    BAD_MEDIA_ID,
    STORAGE_UNAVAILABLE,
    DISK_FULL,
)
READ_REFUSALS = (*door.READ_REFUSALS, NOT_FOUND, STORAGE_UNAVAILABLE)
IMAGE_REFUSALS = (*READ_REFUSALS, RANGE_NOT_SATISFIABLE)
REMOVAL_REFUSALS = (*door.WRITE_REFUSALS, NOT_FOUND, STORAGE_UNAVAILABLE, DISK_FULL)
LOG_REFUSALS = (*door.READ_REFUSALS, INVALID_REQUEST, STORAGE_UNAVAILABLE)
READY_REFUSALS = (*door.READ_REFUSALS, STORAGE_UNAVAILABLE)


def deleted(media_id: str) -> Problem:
    return Problem(MEDIA_DELETED, f"Media {media_id} was deleted.")


def too_large(max_bytes: int) -> Problem:
    limit = f"{max_bytes / 1024 / 1024:g} MB"
    detail = f"The file is larger than {limit}. Send a smaller one, or raise MAX_STORE_MB."
    return Problem(TOO_LARGE, detail)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what reading a form and using a disk may raise as the Problem it is."""
    try:
        yield
    except NotMultipart as error:
        raise Problem(NOT_MULTIPART, str(error)) from error
    except FormError as error:
        raise Problem(MALFORMED_FORM, str(error)) from error
    except ClientDisconnect as error:
        raise Problem(UPLOAD_ABORTED, UPLOAD_ABORTED.example) from error
    except TimeoutError as error:  # is an OSError too
        raise Problem(UPLOAD_STALLED, UPLOAD_STALLED.example) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            detail = f"{error.strerror}. Send the image again later."
            raise Problem(DISK_FULL, detail, DISK_FULL_RETRY_AFTER_S) from error
        raise Problem(STORAGE_UNAVAILABLE, f"{error.strerror}.") from error
