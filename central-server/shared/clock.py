"""The time by Redis' clock, which decides when a job is due and what is old.

A machine's own clock may be off by minutes or by years, and may be set at any moment: it is not
used. Every look at Redis tells the time, and time.monotonic(), which nobody sets, what has passed
since. central-server, which has no Redis, hears from workers what time it is.
"""

import time
from datetime import UTC, datetime

from shared import console

MOST_APART_S = 300.0
_SLOWEST_ANSWER_S = 1.0  # of one that took longer nobody knows which moment it tells

_epoch_s = time.time() - time.monotonic()  # when time.monotonic() was 0; at first as this machine
_is_measured = False
_is_told = False


def now_s() -> float:
    """Seconds since the epoch."""
    return _epoch_s + time.monotonic()


def now() -> datetime:
    return datetime.fromtimestamp(now_s(), UTC)


def measure(told_s: float, asked_at: float) -> None:
    """Take the time that was told, asked for at that moment of time.monotonic()."""
    global _epoch_s, _is_measured
    answered_at = time.monotonic()
    if answered_at - asked_at < _SLOWEST_ANSWER_S:
        _epoch_s, _is_measured = told_s - answered_at, True


def lose() -> None:
    """Redis does not answer: it goes on from what was measured last."""
    global _is_measured
    _is_measured = False


def may_delete() -> bool:
    """Whether two clocks agree on what is old; where they do not, a notice says so once."""
    global _is_told
    apart_s = abs(time.time() - now_s())
    apart = apart_s > MOST_APART_S
    if apart and not _is_told:
        detail = f"this machine's clock and Redis' are {apart_s:.0f} s apart. Nothing is deleted "
        detail += "for its age until they agree: set the wrong one right."
        console.event(console.NOTICE, detail=detail)
    _is_told = apart
    return _is_measured and not apart
