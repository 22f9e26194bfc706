"""What requests for batches and archives refuse, besides what others do, too."""

from shared.web import refusals
from shared.web.host_and_origin import SAFE_METHOD_REFUSALS, UNSAFE_METHOD_REFUSALS
from shared.web.problems import RETRY_AFTER_S, ProblemType
from upload_api.refusals import CENTRAL_UNREACHABLE, INDEX_UNAVAILABLE, PARAMETER_REFUSALS

BATCH_NOT_FOUND = ProblemType(
    "batch_not_found",
    404,
    "There are no images of this batch",
    "There are no images of batch {batch}: none has come yet, or all were removed.",
)
BATCH_INCOMPLETE = ProblemType(
    "batch_incomplete",
    503,
    "It is not known yet what belongs to the batch",
    "The index is made again from the folders, so images might be missing. Try again in a few "
    "seconds, or choose those that you know: POST /archive.",
    RETRY_AFTER_S,
)
FORM_TOO_LARGE = ProblemType(
    "form_too_large",
    413,
    "The form is too large",
    "The form is larger than {most_mb:g} MB. Send nothing in it but media_id.",
)
NOT_A_FORM = ProblemType(
    "not_a_form",
    415,
    "The request is not a form",
    "Send each media_id as a field of a form, as curl -d and curl -F do.",
)
MEDIA_ID_MISSING = ProblemType(
    "media_id_missing",
    422,
    "The form chooses no image",
    "Send each media_id as a field named media_id.",
)
BAD_MEDIA_ID = ProblemType("bad_media_id", 422, "Not a media id", "{sent!r} is not a ULID.")
TOO_MANY_IMAGES = ProblemType(
    "too_many_images",
    422,
    "These are too many for one archive",
    "They are more than {most:,}. Ask for them in parts: GET /media?batch= lists them, and "
    "POST /archive takes those that you choose.",
)
TOO_MANY_ARCHIVES = ProblemType(
    "too_many_archives",
    503,
    "Too many archives are being sent",
    "{most} archives are being sent, the most there may be. Try again later.",
    RETRY_AFTER_S,
)
BATCH_REFUSALS = (
    *SAFE_METHOD_REFUSALS,
    *PARAMETER_REFUSALS,
    BATCH_NOT_FOUND,
    INDEX_UNAVAILABLE,
)
_ZIP_REFUSALS = (
    TOO_MANY_IMAGES,
    TOO_MANY_ARCHIVES,
    CENTRAL_UNREACHABLE,
    refusals.STORAGE_UNAVAILABLE,
)
BATCH_ARCHIVE_REFUSALS = (*BATCH_REFUSALS, BATCH_INCOMPLETE, *_ZIP_REFUSALS)
ARCHIVE_REFUSALS = (
    *UNSAFE_METHOD_REFUSALS,
    *PARAMETER_REFUSALS,
    refusals.UPLOAD_ABORTED,
    refusals.UPLOAD_STALLED,
    refusals.MALFORMED_FORM,
    FORM_TOO_LARGE,
    NOT_A_FORM,
    MEDIA_ID_MISSING,
    BAD_MEDIA_ID,
    *_ZIP_REFUSALS,
)
