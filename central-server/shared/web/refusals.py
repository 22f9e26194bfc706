"""What both services refuse: forms that are wrong, and any request while the disk fails."""

import errno

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from shared.contract import MIB
from shared.web import problems
from shared.web.problems import RETRY_AFTER_S, Problem, ProblemType

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

UPLOAD_ABORTED = ProblemType(
    "upload_aborted",
    400,
    "The client went away",
    "The connection closed before all of the file had come.",
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
    "The file is larger than {most_mb:g} MB. Send a smaller one, or raise {setting}.",
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
FILE_EMPTY = ProblemType("file_empty", 422, "The file is empty", "{filename} has no bytes.")
SECOND_FILE = ProblemType(
    "second_file", 422, "The form has more than one file", "Send one image a request."
)
STORAGE_UNAVAILABLE = ProblemType(
    "storage_unavailable",
    503,
    "The disk cannot be used",
    "The disk cannot be used: {error}.",
    RETRY_AFTER_S,
)
DISK_FULL = ProblemType(
    "disk_full",
    507,
    "The disk is full",
    "Less than {least_mb} MB (MIN_FREE_MB) are free in {place}. Nothing is taken now.",
    30,
)
INVALID_REQUEST = ProblemType(
    "invalid_request",
    422,
    "The request is not valid",
    "tail: Input should be greater than or equal to 1",
)
TOO_MANY_FOLLOWERS = ProblemType(
    "too_many_followers",
    503,
    "Too many follow the log",
    "{most} clients follow the log, the most there may be. Try again later.",
    RETRY_AFTER_S,
)
RANGE_NOT_SATISFIABLE = ProblemType(
    "range_not_satisfiable", 416, "The image has no such range", "The image has {size} bytes."
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
LOG_REFUSALS = (INVALID_REQUEST, TOO_MANY_FOLLOWERS, STORAGE_UNAVAILABLE)


def too_large(max_bytes: int, setting: str) -> Problem:
    return Problem(TOO_LARGE, most_mb=max_bytes / MIB, setting=setting)


def text_as_file() -> Problem:
    return Problem(FILE_MISSING, "The field file holds text; curl wants file=@path.")


def install(app: FastAPI) -> None:
    """Answer an OSError of app as a failure of the disk: routes raise it for nothing else."""

    @app.exception_handler(OSError)
    async def _disk(request: Request, error: OSError) -> JSONResponse:
        if error.errno is None:  # no system call failed: a TimeoutError of asyncio, say
            raise error
        if error.errno in NO_SPACE:
            detail = f"{error.strerror}. Nothing was taken; try again later."
            problem = Problem(DISK_FULL, detail)
        else:
            problem = Problem(STORAGE_UNAVAILABLE, error=error.strerror)
        problem.__cause__ = error
        return problems.answer_to(request, problem)
