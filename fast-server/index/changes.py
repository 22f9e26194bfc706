"""Writing what has changed, and with it the counters."""

import json
import sqlite3
from collections.abc import Collection, Mapping
from itertools import islice

from index.counts import Kinds, Minutes
from index.rows import Row, row_of, select
from shared.redis.events import Item

_AT_ONCE = 500
# All rows in one statement: Python waits for its lock after each one, and uploads hold that.
_COLUMNS = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(len(Row._fields)))
_INSERT = f"INSERT OR REPLACE INTO media SELECT {_COLUMNS} FROM json_each(?)"
# An index is written to where one of its columns is set.
_UPDATE = "UPDATE media SET state = ?, status = ?, code = ?, changed_at = ? WHERE media_id = ?"
_DELETE = "DELETE FROM media WHERE media_id = ?"


def write(
    db: sqlite3.Connection,
    changed: Mapping[str, Item | None],
    known: Mapping[str, Item | None],
    minutes: Minutes,
    counted: Collection[str],
) -> None:
    """Write these media, or remove those that are None. The caller has begun a transaction.

    known: what the index has of some media. counted: those that minutes has already.
    """
    waiting, kinds = iter(changed.items()), Kinds()
    while some := dict(islice(waiting, _AT_ONCE)):
        for old, new in _write(db, some, known):
            kinds.add(old, new)
            if new is not None and new.media_id not in counted:
                minutes.add(new.media_id, old and old.state, new.state, new.changed_at)
    kinds.write(db)
    minutes.write(db)


def _write(
    db: sqlite3.Connection,
    changed: Mapping[str, Item | None],
    known: Mapping[str, Item | None],
) -> list[tuple[Row | None, Row | None]]:
    """Returns what has changed: old and new."""
    unknown = select(db, [media_id for media_id in changed if media_id not in known])
    rows = {row.media_id: row for row in unknown}
    inserted, updated, removed, differences = [], [], [], []
    for media_id, item in changed.items():
        before = known.get(media_id)
        old = rows.get(media_id) if before is None else row_of(before)
        new = None if item is None else row_of(item)
        if old == new:
            continue
        differences.append((old, new))
        if new is None:
            removed.append([media_id])
        elif old is None or old.record != new.record:
            inserted.append(new)
        else:
            updated.append([*new.kind, new.changed_at, media_id])
    if inserted:
        db.execute(_INSERT, [json.dumps(inserted)])
    db.executemany(_UPDATE, updated)
    db.executemany(_DELETE, removed)
    return differences
