"""How many media there are of each kind, and what happened in each minute of the last hour.

Both are kept up to date with each write: to count a million rows takes half a second.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass

from index.rows import Row, id_prefix, in_rfc3339, ms_of, ms_of_id
from shared import clock
from shared.contract import DONE, FAILED, PENDING, Status

_MINUTE_MS = 60_000
_MINUTES = 60
_ENDS = {DONE: "stored", FAILED: "failed"}


@dataclass(frozen=True)
class FailureGroup:
    """The media in failed/ with this code, the last of which is the example."""

    code: str
    count: int
    first: str
    last: str
    example: str


@dataclass(frozen=True)
class MinuteCounts:
    minute: str
    received: int
    stored: int
    failed: int


@dataclass(frozen=True)
class Counts:
    """failures: the most frequent first. minutes: the last 60, with the one that has begun.

    oldest_pending is a media_id.
    """

    states: dict[str, int]
    statuses: dict[str, int]
    failures: list[FailureGroup]
    minutes: list[MinuteCounts]
    oldest_pending: str | None
    is_complete: bool


class Kinds:
    """What a write changes in the numbers of each kind."""

    def __init__(self) -> None:
        self._more = Counter[tuple[str, str, str | None]]()

    def add(self, old: Row | None, new: Row | None) -> None:
        if old is not None:
            self._more[old.kind] -= 1
        if new is not None:
            self._more[new.kind] += 1

    def write(self, db: sqlite3.Connection) -> None:
        for kind, more in self._more.items():
            if more:
                _add_to_kind(db, kind, more)


class Minutes:
    """What has happened in which minute, and is not written yet: each step of a media."""

    def __init__(self) -> None:
        self._more = Counter[tuple[int, str]]()
        self._this_minute, self._first_id = 0, ""

    def clear(self) -> None:
        self._more.clear()

    def add(self, media_id: str, old_state: str | None, state: str, changed_at: int | str) -> None:
        """old_state is None where it was not known. changed_at is in ms, or in RFC 3339."""
        if (this_minute := int(clock.now_s()) // 60) != self._this_minute:
            self._this_minute = this_minute
            self._first_id = id_prefix((this_minute - _MINUTES) * _MINUTE_MS)
        if old_state is None and media_id > self._first_id:
            self._happened("received", ms_of_id(media_id))
        if old_state != state and state in _ENDS:
            at_ms = changed_at if isinstance(changed_at, int) else ms_of(changed_at)
            self._happened(_ENDS[state], at_ms)

    def write(self, db: sqlite3.Connection) -> None:
        for (minute, what), more in self._more.items():
            db.execute("INSERT OR IGNORE INTO minutes VALUES (?, 0, 0, 0)", [minute])
            db.execute(f"UPDATE minutes SET {what} = {what} + ? WHERE minute = ?", [more, minute])
        if self._more:
            db.execute("DELETE FROM minutes WHERE minute <= ?", [self._this_minute - _MINUTES])

    def _happened(self, what: str, at_ms: int) -> None:
        minute = at_ms // _MINUTE_MS
        if abs(self._this_minute - minute) < _MINUTES:
            self._more[minute, what] += 1


def _add_to_kind(db: sqlite3.Connection, kind: tuple[str, str, str | None], more: int) -> None:
    where = "WHERE state = ? AND status = ? AND code IS ?"
    if not db.execute(f"UPDATE kinds SET count = count + ? {where}", [more, *kind]).rowcount:
        db.execute("INSERT INTO kinds VALUES (?, ?, ?, ?)", [*kind, more])


def read(db: sqlite3.Connection, *, is_complete: bool) -> Counts:
    kinds = db.execute("SELECT state, status, code, count FROM kinds WHERE count > 0").fetchall()
    states = Counter[str](dict.fromkeys((PENDING, FAILED, DONE), 0))
    statuses = Counter[str](dict.fromkeys(map(str, Status), 0))
    codes = Counter[str]()
    for state, status, code, number in kinds:
        states[state] += number
        statuses[status] += number
        if state == FAILED and code is not None:
            codes[code] += number
    pending = [_oldest(db, status, code) for state, status, code, _ in kinds if state == PENDING]
    return Counts(
        dict(states),
        dict(statuses),
        [_failures(db, code, number) for code, number in codes.most_common()],
        _minutes(db),
        min(pending, default=None),
        is_complete,
    )


def _oldest(db: sqlite3.Connection, status: str, code: str | None) -> str:
    select = "SELECT min(media_id) FROM media WHERE state = ? AND status = ? AND code IS ?"
    [oldest] = db.execute(select, [PENDING, status, code]).fetchone()
    return str(oldest)


def _failures(db: sqlite3.Connection, code: str, number: int) -> FailureGroup:
    select = "SELECT changed_at, media_id FROM media WHERE state = 'failed' AND code = ?"
    first, _ = db.execute(f"{select} ORDER BY changed_at LIMIT 1", [code]).fetchone()
    last, example = db.execute(f"{select} ORDER BY changed_at DESC LIMIT 1", [code]).fetchone()
    return FailureGroup(code, number, in_rfc3339(first), in_rfc3339(last), example)


def _minutes(db: sqlite3.Connection) -> list[MinuteCounts]:
    this = int(clock.now_s()) // 60
    counted = {minute: counts for minute, *counts in db.execute("SELECT * FROM minutes")}
    return [
        MinuteCounts(in_rfc3339(minute * _MINUTE_MS), *counted.get(minute, (0, 0, 0)))
        for minute in range(this - _MINUTES + 1, this + 1)
    ]
