"""Reading the folders: what the index does not know, and what it has that they do not.

pending/ comes first, then failed/, then done/, each from its newest media on. In done/ only media
that the index does not have there are read. The names of a folder go into a table: a million of
them would take 100 MB of memory.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from index import disk, pages
from index.query import LAST_ID, Query
from shared import durable
from shared.contract import DONE, FAILED, PENDING, is_media_id
from shared.redis.events import Item
from shared.spool import Spool

_NAMES = 200
_IDS = 1000
Found = tuple[str, Item | None]  # a media_id, and what its folder says


def scan(db: sqlite3.Connection, spool: Spool) -> Iterator[Found | None]:
    """Yields after each short step; None after one that has found nothing. Raises OSError."""
    for state in (PENDING, FAILED, DONE):
        yield from _list(db, spool, state)
        for listed, known in _both(db, state):
            yield None
            for media_id in sorted(listed - known if state == DONE else listed, reverse=True):
                with suppress(OSError):
                    yield media_id, disk.read_listed(spool, state, media_id)
            for media_id in known - listed:
                with suppress(OSError):
                    yield media_id, disk.read(spool, media_id)
    db.execute("DELETE FROM listed")


def _list(db: sqlite3.Connection, spool: Spool, state: str) -> Iterator[None]:
    """Put the names of a state's folder into the table listed."""
    db.execute("DELETE FROM listed")
    if not os.path.lexists(spool.root / state):  # an operator removed it
        return
    durable.require_folder(spool.root / state)
    with os.scandir(spool.root / state) as entries:
        while some := list(islice(entries, _NAMES)):
            names = [[entry.name] for entry in some if _is_media(entry)]
            db.executemany("INSERT OR IGNORE INTO listed VALUES (?)", names)
            yield None


def _is_media(entry: os.DirEntry[str]) -> bool:
    return is_media_id(entry.name) and entry.is_dir(follow_symlinks=False)


def _both(db: sqlite3.Connection, state: str) -> Iterator[tuple[set[str], set[str]]]:
    """The ids that the folder has, and those that the index has: some at a time."""
    below = LAST_ID
    while below:
        select = "SELECT media_id FROM listed WHERE media_id < ? ORDER BY media_id DESC LIMIT ?"
        listed = [media_id for [media_id] in db.execute(select, [below, _IDS])]
        known = pages.in_order(db, Query(state=state, below=below), _IDS)
        # Both are whole down to here.
        below = max((ids[-1] for ids in (listed, known) if len(ids) == _IDS), default="")
        yield {*filter(below.__le__, listed)}, {*filter(below.__le__, known)}
