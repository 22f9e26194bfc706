"""How both services say no to a form, and what a disk that fails means to a client."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect

from shared.contract import MIB
from shared.web.multipart import FormError, NotMultipart
from shared.web.problems import Problem, ProblemType

RETRY_AFTER_S = 5
DISK_FULL_RETRY_AFTER_S = 30
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

UPLOAD_ABORTED = ProblemType(
    "upload_aborted",
    400,
    "The client went away",
    "The connection closed before the file was whole.",
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
STORAGE_UNAVAILABLE = ProblemType(
    "storage_unavailable",
    503,
    "The disk cannot be used",
    "The disk cannot be used: Read-only file system.",
)
DISK_FULL = ProblemType(
    "disk_full",
    507,
    "The disk is full",
    "Less than 512 MB (MIN_FREE_MB) are free. Nothing was taken.",
)
FORM_REFUSALS = (
    UPLOAD_ABORTED,
    UPLOAD_STALLED,
    TOO_LARGE,
    NOT_MULTIPART,
    MALFORMED_FORM,
    FILE_MISSING,
    FILE_EMPTY,
    SECOND_FILE,
    STORAGE_UNAVAILABLE,
    DISK_FULL,
)


def too_large(max_bytes: int, setting: str) -> Problem:
    limit = f"{max_bytes / MIB:g} MB"
    detail = f"The file is larger than {limit}. Send a smaller one, or raise {setting}."
    return Problem(TOO_LARGE, detail)


def text_as_file() -> Problem:
    return Problem(FILE_MISSING, "The field file holds text; curl wants file=@path.")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what reading a form and using the disk may raise into Problems."""
    try:
        yield
    except NotMultipart as error:
        raise Problem(NOT_MULTIPART, str(error)) from error
    except FormError as error:
        raise Problem(MALFORMED_FORM, str(error)) from error
    except ClientDisconnect as error:
        raise Problem(UPLOAD_ABORTED) from error
    except TimeoutError as error:  # an OSError, too
        raise Problem(UPLOAD_STALLED) from error
    except OSError as error:
        if error.errno in NO_SPACE:
            detail = f"{error.strerror}. Nothing was taken; try again later."
            raise Problem(DISK_FULL, detail, DISK_FULL_RETRY_AFTER_S) from error
        detail = f"The disk cannot be used: {error.strerror}."
        raise Problem(STORAGE_UNAVAILABLE, detail, RETRY_AFTER_S) from error
