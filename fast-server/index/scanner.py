"""When the folders are scanned: after a gap and each hour, a few milliseconds at a time.

It pauses as long, so that uploads keep at least four fifths of their rate (make bench).
"""

import math
import sqlite3
import time
from collections.abc import Iterator
from itertools import count

from index.scan import Found, scan
from shared.spool import Spool

SLICE_S = 0.005
_LATE_S = 0.1
EVERY_S, AFTER_A_FAULT_S = 3600.0, 60.0


class Scanner:
    """Only want and is_complete are for other threads than the writer's."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        # Scans have numbers: one that was wanted after another has begun is not done by that.
        self._numbers = count(1)
        self._wanted, self._ended = next(self._numbers), 0
        self._begun = 0
        self._steps: Iterator[Found | None] | None = None
        self._next_slice_at, self._next_scan_at = 0.0, math.inf

    @property
    def is_complete(self) -> bool:
        """Whether a scan has ended since one was wanted."""
        return self._ended == self._wanted

    def want(self) -> None:
        """Something may have been missed."""
        self._wanted = next(self._numbers)

    def restart(self) -> None:
        """The index has another file."""
        self._steps = None
        self.want()

    @property
    def wait_s(self) -> float:
        """Until the next slice is due."""
        is_idle = self._steps is None and self.is_complete
        next_at = self._next_scan_at if is_idle else self._next_slice_at
        return max(0, next_at - time.monotonic())

    @property
    def is_late(self) -> bool:
        """Whether the next slice was due a while ago."""
        return time.monotonic() > self._next_slice_at + _LATE_S

    def rest(self, after_s: float) -> None:
        """Pause as long as the last slice took."""
        self._next_slice_at = max(self._next_slice_at, time.monotonic() + after_s)

    def slice(self, db: sqlite3.Connection) -> Iterator[Found]:
        """What the next slice finds."""
        if self._steps is None or self._begun != self._wanted:
            self._begun, self._steps = self._wanted, scan(db, self._spool)
        until = time.thread_time() + SLICE_S
        try:
            for found in self._steps:
                if found is not None:
                    yield found
                if time.thread_time() > until:
                    return
            self._ended, self._next_scan_at = self._begun, time.monotonic() + EVERY_S
        except OSError:  # a folder cannot be read
            self._next_slice_at = time.monotonic() + AFTER_A_FAULT_S
        self._steps = None
