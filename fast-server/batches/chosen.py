"""The media that a form chooses for POST /archive."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl

from fastapi import Request

from batches.refusals import (
    BAD_MEDIA_ID,
    FORM_TOO_LARGE,
    MEDIA_ID_MISSING,
    NOT_A_FORM,
    TOO_MANY_IMAGES,
)
from shared.contract import MEDIA_ID_FIELD, MIB, is_media_id
from shared.web.problems import Problem
from shared.web.request_body import limited_body, open_form

MOST = 5000
_MOST_FIELDS = 2 * MOST  # one may be chosen twice
_MOST_BYTES = 2 * MIB
_MOST_BYTES_OF_ONE = 100


async def media_ids(request: Request) -> set[str]:
    """Raises Problem."""
    chosen = set[str]()
    async for field in _fields(request):
        media_id = field.strip()  # curl --data-binary @file sends the end of the line, too
        if not is_media_id(media_id):
            raise Problem(BAD_MEDIA_ID, sent=media_id[:_MOST_BYTES_OF_ONE])
        chosen.add(media_id)
        if len(chosen) > MOST:
            raise _too_many()
    if not chosen:
        raise Problem(MEDIA_ID_MISSING)
    return chosen


async def _fields(request: Request) -> AsyncIterator[str]:
    """Each media_id of the form, whichever way browsers and curl encode it."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    too_large = Problem(FORM_TOO_LARGE, most_mb=_MOST_BYTES / MIB)
    if kind == "multipart/form-data":
        form = open_form(request, _MOST_BYTES, too_large, _MOST_FIELDS)
        async for part in form:
            if part.name == MEDIA_ID_FIELD:
                yield await form.text(_MOST_BYTES_OF_ONE)
    elif kind == "application/x-www-form-urlencoded":
        body = b"".join([piece async for piece in limited_body(request, _MOST_BYTES, too_large)])
        for media_id in _decoded(body):
            yield media_id
    else:
        raise Problem(NOT_A_FORM)


def _decoded(body: bytes) -> list[str]:
    try:
        pairs = parse_qsl(
            body.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise _too_many() from None
    return [value for name, value in pairs if name == MEDIA_ID_FIELD]


def _too_many() -> Problem:
    return Problem(TOO_MANY_IMAGES, f"A form has {MOST:,} at most: send the rest in another.")
