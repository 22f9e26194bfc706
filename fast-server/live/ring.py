"""The last change of each of the media that changed last, for clients that come back."""

from itertools import takewhile
from typing import NamedTuple

from live.entry_id import BEFORE_ALL, EntryId
from shared.redis.events import Change

MOST_MEDIA = 5000  # 5 MB with names as cameras give them


class Filter(NamedTuple):
    """What a client wants to hear of; None is all."""

    batch: str | None = None
    media_id: str | None = None


class Told(NamedTuple):
    """A change, with its entry's id."""

    entry_id: EntryId
    media_id: str
    batch: str | None
    change: Change

    def filters(self) -> set[Filter]:
        """All that let it through."""
        return {Filter(b, m) for b in (None, self.batch) for m in (None, self.media_id)}

    def fits(self, wanted: Filter) -> bool:
        return wanted.batch in (None, self.batch) and wanted.media_id in (None, self.media_id)


class Ring:
    def __init__(self) -> None:
        self._told: dict[str, Told] = {}  # by media_id, the oldest change first
        # Whoever has had one of the ids between these can be told what came after it.
        self._first = self.last = BEFORE_ALL

    def restart(self, at: EntryId) -> None:
        """Forget all: events before at were missed."""
        self._told.clear()
        self._first = self.last = at

    def add(self, told: Told) -> None:
        self._told.pop(told.media_id, None)
        self._told[told.media_id] = told
        self.last = told.entry_id
        if self._first == BEFORE_ALL:  # smaller ids may be those of another stream
            self._first = told.entry_id
        if len(self._told) > MOST_MEDIA:
            self._first = self._told.pop(next(iter(self._told))).entry_id

    def since(self, entry_id: EntryId, wanted: Filter) -> list[Told] | None:
        """What came after it, oldest first; None where nobody knows."""
        if not BEFORE_ALL < self._first <= entry_id <= self.last:
            return None
        after = takewhile(lambda told: told.entry_id > entry_id, reversed(self._told.values()))
        return [told for told in after if told.fits(wanted)][::-1]
