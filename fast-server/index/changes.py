"""Writing what has changed, and with it the counters."""

import json
import sqlite3
from collections.abc import Mapping
from itertools import islice

from index.counts import Difference
from index.rows import Row, row_of, select
from shared.events import Item

_AT_ONCE = 500
# All rows in one statement: Python waits for its lock after each one, and uploads hold that.
_COLUMNS = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(len(Row._fields)))
_INSERT = f"INSERT OR REPLACE INTO media SELECT {_COLUMNS} FROM json_each(?)"
# An index is written to where one of its columns is set.
_UPDATE = "UPDATE media SET state = ?, status = ?, code = ?, changed_at = ? WHERE media_id = ?"
_DELETE = "DELETE FROM media WHERE media_id = ?"


def write(db: sqlite3.Connection, changed: Mapping[str, Item | None]) -> None:
    """Write these media, or remove those that are None. The caller has begun a transaction."""
    waiting, difference = iter(changed.items()), Difference()
    while some := dict(islice(waiting, _AT_ONCE)):
        _write(db, some, difference)
    difference.write(db)


def _write(
    db: sqlite3.Connection, changed: Mapping[str, Item | None], difference: Difference
) -> None:
    known = {row.media_id: row for row in select(db, list(changed))}
    inserted, updated, removed = [], [], []
    for media_id, item in changed.items():
        old, new = known.get(media_id), None if item is None else row_of(item)
        if old == new:
            continue
        difference.add(old, new)
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
