"""A page of media out of the index.

The index has the media of each kind (state, status and code), of each batch and of each ref in the
order of their ids. There are some thirty kinds at most, so a page is made of the first ones of each
kind that matches. A name that few have is found by its index, which is in the order of names. One
that many have is found on the way through the ids.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace

from index.query import Query
from index.rows import item_of, select
from shared.redis.events import Item

_FEW = 10_000
_NEAR = 5_000
_LAST_CHARACTERS = "\U0010ffff" * 256  # no name has more behind its beginning
Condition = tuple[str, list[str | None]]  # SQL and its values


@dataclass(frozen=True)
class Page:
    """next is the id to go on after, where there are more."""

    media: list[Item]
    next: str | None
    is_complete: bool


def read(db: sqlite3.Connection, query: Query, *, is_complete: bool) -> Page:
    ids = _ids(db, query, query.limit + 1)
    next_id = ids[query.limit - 1] if len(ids) > query.limit else None
    rows = select(db, ids[: query.limit], f"ORDER BY media_id {_order(query)}")
    return Page([item_of(row) for row in rows], next_id, is_complete)


def _ids(db: sqlite3.Connection, query: Query, most: int) -> list[str]:
    """The first that match, in the query's order."""
    if query.name is None:
        return in_order(db, query, most)
    if _have_few(db, query):
        return _by_name(db, query, most)
    near = _near(db, query)
    ids = in_order(db, near, most)
    return ids if len(ids) == most or near == query else _by_name(db, query, most)


def in_order(db: sqlite3.Connection, query: Query, most: int) -> list[str]:
    """The first that match, on the way through the ids."""
    ids: list[str] = []
    for where, values in ways(db, query):
        name, of_name = _name(query)
        sql = f"{where}{name} ORDER BY media_id {_order(query)} LIMIT {most}"
        ids += _column(db, sql, [*values, *of_name])
    return sorted(ids, reverse=query.is_newest_first)[:most]


def _near(db: sqlite3.Connection, query: Query) -> Query:
    """The same query up to an id that so many media come before; itself where there are fewer."""
    ids = in_order(db, replace(query, name=None), _NEAR)
    if len(ids) < _NEAR:
        return query
    if query.is_newest_first:
        return replace(query, above=ids[-1])
    return replace(query, below=ids[-1])


def ways(db: sqlite3.Connection, query: Query) -> Iterator[Condition]:
    """The parts of an index that have what matches but for its name, each in the order of ids."""
    where, values = _equal(batch=query.batch, ref=query.ref)
    of_kind, kind_values = _equal(state=query.state, status=query.status, code=query.code)
    where, values = f"media_id > ? AND media_id < ?{where}", [query.above, query.below, *values]
    if not values[2:] and not kind_values:
        yield f"media NOT INDEXED WHERE {where}", values
        return
    index = "by_kind" if query.batch is None else "by_batch"
    index = index if query.ref is None else "by_ref"
    where = f"media INDEXED BY {index} WHERE {where} AND state = ? AND status = ? AND code IS ?"
    kinds = f"SELECT state, status, code FROM kinds WHERE count > 0{of_kind}"
    for kind in db.execute(kinds, kind_values):
        yield where, [*values, *kind]


def _by_name(db: sqlite3.Connection, query: Query, most: int) -> list[str]:
    """The first that match, out of all that have such a name."""
    where, values = _equal(
        state=query.state, status=query.status, code=query.code, batch=query.batch, ref=query.ref
    )
    name, of_name = _name(query)
    where = f"media INDEXED BY by_name WHERE media_id > ? AND media_id < ?{where}{name}"
    sql = f"{where} ORDER BY media_id {_order(query)} LIMIT {most}"
    return _column(db, sql, [query.above, query.below, *values, *of_name])


def _have_few(db: sqlite3.Connection, query: Query) -> bool:
    name, of_name = _name(query)
    sql = f"media INDEXED BY by_name WHERE true{name} LIMIT 1 OFFSET {_FEW}"
    return not _column(db, sql, of_name)


def _name(query: Query) -> Condition:
    if query.name is None:
        return "", []
    return " AND name BETWEEN ? AND ?", [query.name, query.name + _LAST_CHARACTERS]


def _equal(**columns: str | None) -> Condition:
    wanted = {name: value for name, value in columns.items() if value is not None}
    return "".join(f" AND {name} = ?" for name in wanted), list(wanted.values())


def _order(query: Query) -> str:
    return "DESC" if query.is_newest_first else "ASC"


def _column(db: sqlite3.Connection, sql: str, values: list[str | None]) -> list[str]:
    return [media_id for [media_id] in db.execute(f"SELECT media_id FROM {sql}", values)]
