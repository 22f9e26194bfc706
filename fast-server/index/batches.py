"""What there is of one batch."""

import sqlite3
from collections import Counter
from dataclasses import dataclass

from index.counts import FailureGroup
from index.rows import in_rfc3339
from shared.contract import DONE, FAILED, PENDING

_OF_BATCH = "FROM media INDEXED BY by_batch WHERE batch = ?"


@dataclass(frozen=True)
class BatchCounts:
    """failures: the most frequent first. ended_at: when the last of its media was, if all are."""

    states: dict[str, int]
    failures: list[FailureGroup]
    ended_at: str | None
    is_complete: bool


@dataclass(frozen=True)
class BatchMedia:
    """media_ids: in no order, and not all where there are more than were asked for."""

    media_ids: list[str]
    is_complete: bool


def read_counts(db: sqlite3.Connection, *, batch: str, is_complete: bool) -> BatchCounts:
    states = Counter[str](dict.fromkeys((PENDING, FAILED, DONE), 0))
    codes = Counter[str]()
    kinds = f"SELECT state, code, count(*) {_OF_BATCH} GROUP BY state, status, code"
    for state, code, number in db.execute(kinds, [batch]):
        states[state] += number
        if state == FAILED and code is not None:
            codes[code] += number
    return BatchCounts(
        dict(states),
        [_failures(db, batch, code, number) for code, number in codes.most_common()],
        None if states[PENDING] else _last_end(db, batch),
        is_complete,
    )


def read_media(db: sqlite3.Connection, *, batch: str, most: int, is_complete: bool) -> BatchMedia:
    found = db.execute(f"SELECT media_id {_OF_BATCH} LIMIT ?", [batch, most])
    return BatchMedia([media_id for [media_id] in found], is_complete)


def _failures(db: sqlite3.Connection, batch: str, code: str, number: int) -> FailureGroup:
    where = f"{_OF_BATCH} AND state = 'failed' AND code = ?"
    [first] = db.execute(f"SELECT min(changed_at) {where}", [batch, code]).fetchone()
    # SQLite takes the other columns of a row that has the maximum.
    last, example = db.execute(
        f"SELECT max(changed_at), media_id {where}", [batch, code]
    ).fetchone()
    return FailureGroup(code, number, in_rfc3339(first), in_rfc3339(last), example)


def _last_end(db: sqlite3.Connection, batch: str) -> str | None:
    [last] = db.execute(f"SELECT max(changed_at) {_OF_BATCH}", [batch]).fetchone()
    return None if last is None else in_rfc3339(last)
