"""The time by Redis' clock, which decides when a job is due and what is old.

A machine's own clock may be off by minutes, or by years. Every look at Redis measures by how much;
central-server, which has none, hears from workers what time it is.
"""

import time
from datetime import UTC, datetime

from shared import console

MOST_APART_S = 300.0
_SLOWEST_ANSWER_S = 1.0  # of one that took longer nobody knows which moment it tells

_ahead_s = 0.0  # of this machine's clock
_is_measured = False
_is_told = False


def now_s() -> float:
    """Seconds since the epoch."""
    return time.time() + _ahead_s


def now() -> datetime:
    return datetime.fromtimestamp(now_s(), UTC)


def measure(told_s: float, asked_at: float) -> None:
    """Take the time that was told, asked for at that moment of time.monotonic()."""
    global _ahead_s, _is_measured
    if time.monotonic() - asked_at < _SLOWEST_ANSWER_S:
        _ahead_s, _is_measured = told_s - time.time(), True


def lose() -> None:
    """Redis does not answer: it goes on from what was measured last."""
    global _is_measured
    _is_measured = False


def may_delete() -> bool:
    """Whether two clocks agree on what is old; where they do not, a notice says so once."""
    global _is_told
    apart = abs(_ahead_s) > MOST_APART_S
    if apart and not _is_told:
        detail = f"this machine's clock and Redis' are {abs(_ahead_s):.0f} s apart. Nothing is "
        detail += "deleted for its age until they agree: set the wrong one right."
        console.event(console.NOTICE, detail=detail)
    _is_told = apart
    return _is_measured and not apart
