"""What a list is asked for, out of a URL's query."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import QueryParams

from index.rows import folded, id_prefix, ms_of
from shared.contract import DONE, FAILED, PENDING, Status, is_media_id
from shared.web.problems import Problem
from upload_api import refusals
from upload_api.refusals import BAD_PARAMETER

PARAMETERS = (
    "state",
    "status",
    "code",
    "batch",
    "ref",
    "name",
    "since",
    "until",
    "order",
    "limit",
    "after",
)
STATES = (PENDING, FAILED, DONE)
NEWEST, OLDEST = "newest", "oldest"
MOST, USUAL = 500, 50
FIRST_ID, LAST_ID = "", "~"  # before and after all ids
# RFC 3339, also where the + of its zone came as a space: in a URL it is one.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?)([Zz]|[+ -]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True)
class Query:
    """Those that are None match all. name is the beginning of a folded name.

    The ids lie between these two, exclusively. They sort by the time of their reception.
    """

    state: str | None = None
    status: str | None = None
    code: str | None = None
    batch: str | None = None
    ref: str | None = None
    name: str | None = None
    above: str = FIRST_ID
    below: str = LAST_ID
    is_newest_first: bool = True
    limit: int = USUAL


def of_request(request: Request) -> Query:
    """Raises Problem, which names the parameter that is wrong."""
    refusals.check_parameters(request, PARAMETERS)
    sent = request.query_params
    is_newest_first = _one_of(sent, "order", (NEWEST, OLDEST)) != OLDEST
    above, below = _time(sent, "since", FIRST_ID), _time(sent, "until", LAST_ID)
    after = _media_id(sent, "after")
    if after is not None and is_newest_first:
        below = min(below, after)
    elif after is not None:
        above = max(above, after)
    return Query(
        state=_one_of(sent, "state", STATES),
        status=_one_of(sent, "status", tuple(Status)),
        code=refusals.code_of(request),
        batch=refusals.batch_of(request),
        ref=sent.get("ref"),
        name=folded(sent["name"]) if "name" in sent else None,
        above=above,
        below=below,
        is_newest_first=is_newest_first,
        limit=_limit(sent),
    )


def _one_of(sent: QueryParams, name: str, allowed: Sequence[str]) -> str | None:
    value = sent.get(name)
    if value is not None and value not in allowed:
        raise _bad(name, f"one of {', '.join(allowed)}")
    return value


def _time(sent: QueryParams, name: str, otherwise: str) -> str:
    """How the ids begin of what was received from then on."""
    if name not in sent:
        return otherwise
    try:
        match = _TIME.fullmatch(sent[name])
        day, clock, zone = match.groups() if match else ("", "", "")
        ms = ms_of(f"{day}T{clock}{zone.replace(' ', '+').upper()}", round_up=True)
    except ValueError:
        allowed = "a time with its zone, as in 2026-01-15T14:30:45Z"
        raise _bad(name, allowed) from None
    return id_prefix(ms) if ms > 0 else FIRST_ID


def _media_id(sent: QueryParams, name: str) -> str | None:
    value = sent.get(name)
    if value is not None and not is_media_id(value):
        raise _bad(name, "the media_id that the last page has as next")
    return value


def _limit(sent: QueryParams) -> int:
    value = sent.get("limit", str(USUAL))
    if not re.fullmatch("[0-9]{1,3}", value) or not 1 <= int(value) <= MOST:
        raise _bad("limit", f"a number from 1 to {MOST}")
    return int(value)


def _bad(name: str, allowed: str) -> Problem:
    return Problem(BAD_PARAMETER, parameter=name, allowed=allowed)
