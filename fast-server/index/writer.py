"""The one thread that has the index open, for writing and for reading.

It does what comes in its order. What it reads from a folder is true at that moment; what is noted,
or told by an event, is true from then on. A write waits a second for more, unless somebody reads.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from index import changes, disk
from index.counts import Minutes
from index.database import Database
from index.rows import item_of, select
from index.scanner import Scanner
from shared import console
from shared.contract import PENDING
from shared.redis.events import Change, Event, Item
from shared.spool import Spool

WRITE_S = 1.0
REOPEN_S = 10.0
_MOST_RECENT = 5000
Result = TypeVar("Result")
Answer_co = TypeVar("Answer_co", covariant=True)


class Read(Protocol[Answer_co]):
    def __call__(self, db: sqlite3.Connection, *, is_complete: bool) -> Answer_co: ...


class Unavailable(Exception):
    """There is no index just now."""


class Writer:
    """Its public methods return at once, except stop."""

    def __init__(self, folder: Path, spool: Spool) -> None:
        self._folder, self._spool = folder, spool
        self.scanner = Scanner(spool)
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)
        self._inbox = deque[Callable[[], object]]()
        self._wake = threading.Event()
        self._is_ended = False
        self._db: Database | None = None
        self._open_at = self._write_at = 0.0
        self._is_told = False
        self._changed: dict[str, Item | None] = {}  # what is not written yet
        # What was written last: most events are of media that have just changed, and a query for
        # each took 0.1 ms of an image's 2.5.
        self._recent: dict[str, Item | None] = {}
        self._minutes = Minutes()  # of what is not written yet
        self._readers: list[tuple[Read[Any], Future[Any]]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_ended = True
        self._wake.set()
        self._thread.join()

    def note(self, change: Item | Change) -> None:
        self._inbox.append(partial(self._apply, change))

    def complete(self, events: Sequence[Change], *, are_old: bool) -> Future[list[Change]]:
        return self._ask(partial(self._complete_old if are_old else self._complete, events))

    def read(self, read: "Read[Result]") -> "Future[Result]":
        """Read once all is written that was noted before. Its exception may be Unavailable."""
        return self._ask(lambda answer: self._readers.append((read, answer)))

    def _ask(self, step: Callable[[Future[Result]], object]) -> Future[Result]:
        answer = Future[Result]()
        self._inbox.append(partial(self._run_step, step, answer))
        self._wake.set()
        return answer

    def _run_step(self, step: Callable[[Future[Result]], object], answer: Future[Result]) -> None:
        """Whatever happens, nobody waits for an answer that never comes."""
        try:
            step(answer)
        except Exception as error:
            _answer(answer, error)
            raise

    def _run(self) -> None:
        while not self._is_ended:
            self._wake.wait(min(WRITE_S, self.scanner.wait_s) if self._db else WRITE_S)
            self._wake.clear()
            self._turn()
        self._turn()
        if self._db:
            self._db.close()

    def _turn(self) -> None:
        for step in (self._open, self._take, self._write, self._answer_readers):
            try:
                step()
            except Exception as error:  # whatever it is, uploads go on without an index
                self._drop(error)
        for _, reader in self._readers:
            _answer(reader, Unavailable())
        self._readers.clear()
        if self._db is None:
            self._forget()

    def _answer_readers(self) -> None:
        while self._db and self._readers:
            read, reader = self._readers[-1]
            answer: Any
            try:
                answer = read(self._db.connection, is_complete=self.scanner.is_complete)
            except Exception as error:
                if isinstance(error, sqlite3.Error):  # it is damaged
                    raise
                answer = error
            self._readers.pop()
            _answer(reader, answer)

    def _forget(self) -> None:
        self._changed.clear()
        self._recent.clear()
        self._minutes.clear()

    def _open(self) -> None:
        if self._db and not self._db.is_in_place:
            self._say("the index was removed: it is made again")
            self._db.close()
            self._db = None
            self._forget()
        if self._db is None and time.monotonic() >= self._open_at:
            self._db = Database(self._folder)
            self.scanner.restart()

    def _take(self) -> None:
        while self._inbox:
            self._inbox.popleft()()

    def _drop(self, error: Exception) -> None:
        """Drop the index, and make it again: at once, but later if that has just failed.

        That is said once, until it has been whole again.
        """
        if self._is_told:
            self._open_at = time.monotonic() + REOPEN_S
        else:
            self._say(f"the index is made again: {error!r}. Uploads go on, lists may be refused")
        self._is_told = True
        self.scanner.restart()
        if self._db:
            self._db.remove()
        self._db = None

    def _say(self, detail: str) -> None:
        console.event(console.NOTICE, detail=detail, INDEX_DIR=self._folder)

    def _write(self) -> None:
        """Write what has changed, and what the next slice of a scan finds, if that is due."""
        # A slice of a scan waits for readers, unless it has waited for long.
        may_scan = not self._readers or self.scanner.is_late
        began, is_scanning = time.thread_time(), may_scan and self.scanner.wait_s == 0
        is_due = self._readers or self._is_ended or time.monotonic() > self._write_at
        if not (is_scanning or is_due):
            return
        if self._db and (self._changed or is_scanning):
            with self._db.transaction() as db:
                counted = {*self._changed}
                if is_scanning:
                    self._changed.update(self.scanner.slice(db))
                changes.write(db, self._changed, self._recent, self._minutes, counted)
            self._remember()
            self._is_told = self._is_told and not self.scanner.is_complete
        if is_scanning:
            self.scanner.rest(time.thread_time() - began)
        self._write_at = time.monotonic() + WRITE_S

    def _remember(self) -> None:
        if len(self._recent) > _MOST_RECENT:
            self._recent.clear()
        self._recent.update(self._changed)
        self._changed.clear()
        self._minutes.clear()

    def _complete(self, events: Sequence[Change], answer: Future[list[Change]]) -> None:
        completed = list[Change]()
        for event in events:
            with suppress(OSError):  # its folder cannot be read
                completed.append(self._apply(event))
        _answer(answer, completed)

    def _complete_old(self, events: Sequence[Change], answer: Future[list[Change]]) -> None:
        """Of each media only what differs from what was known is counted: the rest was before."""
        known = {event["media_id"]: self._known(event["media_id"]) for event in events}
        counted, self._minutes = self._minutes, Minutes()
        self._complete(events, answer)
        self._minutes = counted
        for media_id, old in known.items():
            if new := self._changed.get(media_id):
                self._count(old, new)

    def _count(self, old: Item | None, new: Item) -> None:
        self._minutes.add(new["media_id"], old and old["state"], new["state"], new["changed_at"])

    def _apply(self, change: Item | Change) -> Change:
        """Returns it with all fields of what it leads to. Raises OSError."""
        known = self._known(change["media_id"])
        item = self._after(change, known)
        if item is not None:
            self._count(known, item)
        if item != known:  # else it is this gateway's own, which was noted
            self._changed[change["media_id"]] = item
        if item is not None:
            return {"event": Event.RECEIVED, **change, **item}
        return {
            "event": Event.REMOVED,
            "media_id": change["media_id"],
            "status": Event.REMOVED,
            "changed_at": change["changed_at"],
        }

    def _after(self, change: Item | Change, known: Item | None) -> Item | None:
        """The media after this change. Its folder decides where that is not sure."""
        media_id, event = change["media_id"], change.get("event", Event.RECEIVED)
        if event == Event.REMOVED:
            return None
        if "filename" in change:
            # A late event of one that is unknown may be of one that was removed.
            if known or event == Event.RECEIVED or self._db is None:
                return _as_item(change)
        elif known and known["state"] == PENDING:
            return {**known, "status": change["status"], "changed_at": change["changed_at"]}
        return disk.read(self._spool, media_id)

    def _known(self, media_id: str) -> Item | None:
        for known in (self._changed, self._recent):
            if media_id in known:
                return known[media_id]
        try:
            rows = select(self._db.connection, [media_id]) if self._db else []
        except sqlite3.Error as error:
            self._drop(error)
            return None
        return item_of(rows[0]) if rows else None


def _as_item(change: Mapping[str, Any]) -> Item:
    return cast(Item, {name: change[name] for name in Item.__annotations__})


def _answer(future: Future[Result], answer: Result | Exception) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
