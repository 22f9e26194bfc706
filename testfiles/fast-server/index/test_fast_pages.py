"""Pages out of the index are what a look at every media would find, whatever is asked for."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from ulid import ULID

from index import changes, pages
from index.counts import Minutes
from index.database import Database
from index.query import Query
from index.rows import folded, id_prefix
from shared.contract import FAILURE_CODES
from shared.redis.events import Item

NOON_MS = 1_768_478_400_000
KINDS: list[tuple[str, str, str | None]] = [
    ("pending", "queued", None),
    ("pending", "watermarked", None),
    ("done", "stored", None),
    *(("failed", "failed", code) for code in FAILURE_CODES[:4]),
]
NAMES = ["IMG_1.jpg", "img_12.JPG", "Straße.png", "STRASSE 2.png", "日本.gif", "\U0010ffffz.png"]


def some(number: int) -> list[Item]:
    """Media of every kind, received in the same hour. Those of a name came one after the other."""
    chance = random.Random(number)
    ids = [str(ULID.from_int((NOON_MS + n << 80) | chance.getrandbits(80))) for n in range(number)]
    batches = ids[:3]
    return [
        {
            "media_id": media_id,
            "state": state,
            "status": status,
            "code": code,
            "filename": NAMES[n * len(NAMES) // number],
            "ref": chance.choice([None, "a", "b"]),
            "batch": chance.choice([None, *batches]),
            "size": n,
            "changed_at": "2026-01-15T14:30:45.123Z",
        }
        for n, media_id in enumerate(ids)
        for state, status, code in [chance.choice(KINDS)]
    ]


MEDIA = some(600)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    db = Database(tmp_path_factory.mktemp("index"))
    with db.transaction() as connection:
        changes.write(connection, {item["media_id"]: item for item in MEDIA}, {}, Minutes(), ())
    yield db
    db.close()


def expected(query: Query) -> list[Item]:
    """All that match, one after the other."""
    matching = [
        item
        for item in MEDIA
        if query.above < item["media_id"] < query.below
        and (query.name is None or folded(item["filename"]).startswith(query.name))
        and all(
            getattr(query, name) in (None, item[name])
            for name in ("state", "status", "code", "batch", "ref")
        )
    ]
    return sorted(matching, key=lambda item: item["media_id"], reverse=query.is_newest_first)


def walked(db: Database, query: Query) -> list[Item]:
    """All pages, one after the other."""
    found: list[Item] = []
    while True:
        page = pages.read(db.connection, query, is_complete=True)
        found += page.media
        assert len(page.media) == query.limit or page.next is None
        if page.next is None:
            return found
        assert page.next == page.media[-1]["media_id"]
        if query.is_newest_first:
            query = replace(query, below=page.next)
        else:
            query = replace(query, above=page.next)


def anything(chance: random.Random) -> Query:
    """A query with some of its parameters, most of which match some."""
    state, status, code = chance.choice(KINDS)
    item = chance.choice(MEDIA)

    def perhaps(value: str | None) -> str | None:
        return value if chance.random() < 0.3 else None

    since, until = sorted(chance.choices(range(600), k=2))
    return Query(
        state=perhaps(state),
        status=perhaps(status),
        code=perhaps(code),
        batch=perhaps(item["batch"]),
        ref=perhaps(item["ref"]),
        name=perhaps(folded(item["filename"])[: chance.randrange(9)]),
        above=perhaps(id_prefix(NOON_MS + since)) or "",
        below=perhaps(id_prefix(NOON_MS + until)) or "~",
        is_newest_first=chance.random() < 0.5,
        limit=chance.choice([1, 7, 100, 500]),
    )


@pytest.mark.parametrize(("few", "near"), [(10_000, 5_000), (0, 5_000), (0, 3), (50, 100)], ids=str)
def test_each_query_has_all_that_match_once_and_in_order(
    index: Database, monkeypatch: pytest.MonkeyPatch, few: int, near: int
) -> None:
    """Whichever way the index is gone through: by names, by ids, or by ids and then by names."""
    monkeypatch.setattr(pages, "_FEW", few)
    monkeypatch.setattr(pages, "_NEAR", near)
    chance = random.Random(few + near)
    matches = 0
    for _ in range(400):
        query = anything(chance)
        found = walked(index, query)
        assert found == expected(query), query
        matches += bool(found)
    assert matches > 100


@pytest.mark.parametrize(
    ("name", "count"), [("strasse", 200), ("img_1", 200), ("img_12", 100), ("\U0010ffff", 100)]
)
def test_a_name_is_found_by_its_beginning_whatever_its_case(
    index: Database, name: str, count: int
) -> None:
    found = walked(index, Query(name=folded(name.upper())))
    assert len(found) == count


@pytest.mark.parametrize("order", ["DESC", "ASC"])
def test_no_page_but_that_of_a_name_needs_to_sort(index: Database, order: str) -> None:
    """A filter's media stand in the order of their ids: a page reads no more than it has."""
    for query in (
        Query(),
        Query(state="done"),
        Query(status="failed", code=FAILURE_CODES[0]),
        Query(batch=MEDIA[0]["media_id"], state="failed"),
        Query(ref="a", status="stored"),
    ):
        for where, values in pages.ways(index.connection, query):
            sql = " ".join(["SELECT media_id FROM", where, "ORDER BY media_id", order])
            explained = index.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            plan = [row[-1] for row in explained]
            assert len(plan) == 1, plan
            assert "SEARCH" in plan[0], plan
