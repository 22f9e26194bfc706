"""What only central-server refuses; shared/web/refusals.py has what both services do."""

from shared.web.host_and_origin import SAFE_METHOD_REFUSALS, UNSAFE_METHOD_REFUSALS
from shared.web.problems import Problem, ProblemType
from shared.web.refusals import (
    DISK_FULL,
    FORM_REFUSALS,
    LOG_REFUSALS,
    RANGE_NOT_SATISFIABLE,
    STORAGE_UNAVAILABLE,
)

NOT_FOUND = ProblemType(
    "media_not_found", 404, "No such media", "No image of media {media_id} is stored."
)
MEDIA_DELETED = ProblemType(
    "media_deleted", 410, "The media was deleted", "Media {media_id} was deleted."
)
WORKER_MISSING = ProblemType(
    "worker_missing", 422, "No worker is named", "Say who sends it in the field worker_name."
)
BAD_MEDIA_ID = ProblemType("bad_media_id", 422, "Not a media id", "{sent!r} is not a ULID.")
UPLOAD_REFUSALS = (
    *UNSAFE_METHOD_REFUSALS,
    *FORM_REFUSALS,
    MEDIA_DELETED,
    WORKER_MISSING,
    BAD_MEDIA_ID,
)
READ_REFUSALS = (*SAFE_METHOD_REFUSALS, NOT_FOUND, STORAGE_UNAVAILABLE)
IMAGE_REFUSALS = (*READ_REFUSALS, RANGE_NOT_SATISFIABLE)
DELETE_REFUSALS = (*UNSAFE_METHOD_REFUSALS, NOT_FOUND, STORAGE_UNAVAILABLE, DISK_FULL)
ACTIVITY_REFUSALS = (*SAFE_METHOD_REFUSALS, *LOG_REFUSALS)
READY_REFUSALS = (*SAFE_METHOD_REFUSALS, STORAGE_UNAVAILABLE)


def deleted(media_id: str) -> Problem:
    return Problem(MEDIA_DELETED, media_id=media_id)
