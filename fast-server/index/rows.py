"""A media as a row of the index, and times as numbers."""

import sqlite3
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ulid import ULID

from shared.contract import timestamp
from shared.redis.events import Item

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_ULID_TIME_CHARACTERS = 10
Kind = tuple[str, str, str | None]  # state, status, code


class Row(NamedTuple):
    """The columns of the table media, in their order."""

    media_id: str
    state: str
    status: str
    code: str | None
    filename: str
    name: str
    ref: str | None
    batch: str | None
    size: int
    changed_at: int

    @property
    def kind(self) -> Kind:
        return self.state, self.status, self.code

    @property
    def record(self) -> tuple[str, str | None, str | None, int]:
        """What media.json says, which hardly ever changes."""
        return self.filename, self.ref, self.batch, self.size


def row_of(item: Item) -> Row:
    return Row(
        item["media_id"],
        item["state"],
        item["status"],
        item["code"],
        item["filename"],
        folded(item["filename"]),
        item["ref"],
        item["batch"],
        item["size"],
        ms_of(item["changed_at"]),
    )


def item_of(row: Row) -> Item:
    return {
        "media_id": row.media_id,
        "state": row.state,
        "status": row.status,
        "code": row.code,
        "filename": row.filename,
        "ref": row.ref,
        "batch": row.batch,
        "size": row.size,
        "changed_at": in_rfc3339(row.changed_at),
    }


def select(db: sqlite3.Connection, media_ids: list[str], order: str = "") -> list[Row]:
    """Those of these media that there are."""
    marks = ", ".join("?" * len(media_ids))
    found = db.execute(f"SELECT * FROM media WHERE media_id IN ({marks}) {order}", media_ids)
    return [Row(*values) for values in found]


def folded(name: str) -> str:
    """The name for a search that takes a and A for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def ms_of(time: str, *, round_up: bool = False) -> int:
    """Milliseconds since the epoch. Raises ValueError, and TypeError where there is no zone."""
    since = datetime.fromisoformat(time) - _EPOCH
    return -(-since // _MS) if round_up else since // _MS


def in_rfc3339(ms: int) -> str:
    return timestamp(_EPOCH + ms * _MS)


def ms_of_id(media_id: str) -> int:
    """When a media was received, by its id."""
    return ULID.from_str(media_id).milliseconds


def id_prefix(ms: int) -> str:
    """How the ids begin of media that were received then. Ids sort by time."""
    return str(ULID.from_int(ms << 80))[:_ULID_TIME_CHARACTERS]
