"""The requests for a batch, and for images in one ZIP."""

from fastapi import APIRouter, Request, Response

from batches import chosen, openapi, refusals
from batches.answers import BatchState
from batches.archive import ArchiveResponse
from index.index import Index
from shared import clock
from shared.contract import DONE, FAILED, PENDING, is_media_id
from shared.web import problems
from shared.web.problems import Problem
from upload_api.answers import FailureGroup
from upload_api.refusals import check_parameters

MOST_OF_BATCH = 10_000  # each takes some 1.3 KB of memory while the archive is sent
_OF_ID = 8  # so many characters of a batch's id name a second
router = APIRouter(tags=["batches"])


@router.get(
    "/batches/{batch}",
    responses=problems.responses(*refusals.BATCH_REFUSALS),
    openapi_extra=openapi.BATCH_PARAMETER,
)
async def get_batch(request: Request) -> BatchState:
    """How many of a batch wait, are stored and have failed, and why; whether all have ended."""
    check_parameters(request)
    batch = _batch_of(request)
    counts = await _index(request).batch(batch)
    total = sum(counts.states.values())
    if not total and counts.is_complete:
        raise Problem(refusals.BATCH_NOT_FOUND, batch=batch)
    return BatchState(
        batch=batch,
        total=total,
        pending=counts.states[PENDING],
        failed=counts.states[FAILED],
        done=counts.states[DONE],
        failures=[FailureGroup.model_validate(vars(group)) for group in counts.failures],
        finished_since=counts.ended_at,
        complete=counts.is_complete,
        archive_url=f"{request.base_url}batches/{batch}/archive.zip",
    )


@router.head("/batches/{batch}/archive.zip", include_in_schema=False)
@router.get(
    "/batches/{batch}/archive.zip",
    status_code=200,  # FastAPI looks for one in the class' __init__ else
    response_class=ArchiveResponse,
    responses={**openapi.ARCHIVE, **problems.responses(*refusals.BATCH_ARCHIVE_REFUSALS)},
    openapi_extra=openapi.BATCH_PARAMETER,
)
async def get_batch_archive(request: Request) -> Response:
    """The stored images of a batch in one ZIP, in the folders of their refs.

    What is not stored is left out, and listed with its reason in a text. What breaks off on the
    way is shorter than its Content-Length.
    """
    check_parameters(request)
    batch = _batch_of(request)
    known = await _index(request).batch_media(batch, MOST_OF_BATCH + 1)
    if not known.is_complete:
        raise Problem(refusals.BATCH_INCOMPLETE)
    if not known.media_ids:
        raise Problem(refusals.BATCH_NOT_FOUND, batch=batch)
    if len(known.media_ids) > MOST_OF_BATCH:
        raise Problem(refusals.TOO_MANY_IMAGES, most=MOST_OF_BATCH)
    filename = f"batch-{batch[:_OF_ID]}.zip"
    return ArchiveResponse(request.app.state.archives, filename, known.media_ids)


@router.post(
    "/archive",
    status_code=200,  # FastAPI looks for one in the class' __init__ else
    response_class=ArchiveResponse,
    responses={**openapi.ARCHIVE, **problems.responses(*refusals.ARCHIVE_REFUSALS)},
    openapi_extra=openapi.ARCHIVE_FORM,
)
async def post_archive(request: Request) -> Response:
    """The stored images of a choice in one ZIP, in the folders of their refs.

    A page's form may post it: a browser saves the answer. See GET /batches/{batch}/archive.zip.
    """
    check_parameters(request)
    media_ids = await chosen.media_ids(request)
    filename = f"images-{clock.now().astimezone():%Y-%m-%d}.zip"
    return ArchiveResponse(request.app.state.archives, filename, media_ids)


def _batch_of(request: Request) -> str:
    """The batch in the path. Raises Problem."""
    batch: str = request.path_params["batch"]
    if not is_media_id(batch):
        raise Problem(refusals.BATCH_NOT_FOUND, batch=batch)
    return batch


def _index(request: Request) -> Index:
    index: Index = request.app.state.index
    return index
