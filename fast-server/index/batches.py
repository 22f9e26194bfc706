"""What there is of one batch."""

import sqlite3
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
    states = dict.fromkeys((PENDING, FAILED, DONE), 0)
    states |= db.execute(f"SELECT state, count(*) {_OF_BATCH} GROUP BY state", [batch]).fetchall()
    last_end = None if states[PENDING] else _last_end(db, batch)
    return BatchCounts(states, _failures(db, batch), last_end, is_complete)


def read_media(db: sqlite3.Connection, *, batch: str, most: int, is_complete: bool) -> BatchMedia:
    found = db.execute(f"SELECT media_id {_OF_BATCH} LIMIT ?", [batch, most])
    return BatchMedia([media_id for [media_id] in found], is_complete)


def _failures(db: sqlite3.Connection, batch: str) -> list[FailureGroup]:
    failed = f"{_OF_BATCH} AND state = 'failed' AND code IS NOT NULL GROUP BY code"
    counted = f"SELECT code, count(*), min(changed_at) {failed} ORDER BY 2 DESC, 1"
    # SQLite takes the other columns of a row that has the maximum, where this is all it looks for.
    newest = f"SELECT code, media_id, max(changed_at) {failed}"
    lasts = {code: (in_rfc3339(at), example) for code, example, at in db.execute(newest, [batch])}
    return [
        FailureGroup(code, number, in_rfc3339(first), *lasts[code])
        for code, number, first in db.execute(counted, [batch])
    ]


def _last_end(db: sqlite3.Connection, batch: str) -> str | None:
    [last] = db.execute(f"SELECT max(changed_at) {_OF_BATCH}", [batch]).fetchone()
    return None if last is None else in_rfc3339(last)
