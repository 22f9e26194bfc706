"""What this worker is at, and what it has ended in the last minute."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from shared import clock
from shared.contract import Stage, Status, timestamp
from shared.redis.worker_report import Work
from shared.spool import HeldMedia

_MINUTE_S = 60.0


class WorkLog:
    """Kept in memory, for the worker's report."""

    def __init__(self) -> None:
        self._at: dict[str, Work] = {}
        self._ended: dict[str, deque[float]] = {Status.STORED: deque(), Status.FAILED: deque()}

    @contextmanager
    def at(self, media: HeldMedia, stage: Stage) -> Iterator[None]:
        """Encloses the work on one media."""
        media_id = media.path.name
        self._at[media_id] = {
            "media_id": media_id,
            "filename": media.record["filename"],
            "stage": stage,
            "since": timestamp(clock.now()),
        }
        try:
            yield
        finally:
            del self._at[media_id]

    def count(self, status: str) -> None:
        """Count a media whose stage has ended, if it is stored or has failed."""
        if status in self._ended:
            self._ended[status].append(time.monotonic())

    def current(self) -> list[Work]:
        return list(self._at.values())

    def last_minute(self, status: Status) -> int:
        """How many media were stored, or have failed, in the last minute."""
        ended = self._ended[status]
        while ended and ended[0] < time.monotonic() - _MINUTE_S:
            ended.popleft()
        return len(ended)
