"""The time by Redis' clock, which decides when a job is due and what is old.

A machine's own clock may be wrong by years, and may be set at any moment. So Redis' time is
measured with every upload and every look of a reconciler, and time.monotonic() counts from there.
central-server, which has no Redis, takes the time from the workers' requests.
"""

import time
from datetime import UTC, datetime

from shared import console

MOST_APART_S = 300.0
_SLOWEST_ANSWER_S = 1.0  # a slower answer's moment is too uncertain

_epoch_s = time.time() - time.monotonic()  # when time.monotonic() was 0; at first by our own
_is_measured = False
_is_reported = False


def now_s() -> float:
    """Seconds since the epoch."""
    return _epoch_s + time.monotonic()


def now() -> datetime:
    return datetime.fromtimestamp(now_s(), UTC)


def measure(time_s: float, asked_at: float) -> None:
    """Set the clock to a time that was asked for at asked_at, by time.monotonic()."""
    global _epoch_s, _is_measured
    answered_at = time.monotonic()
    if answered_at - asked_at < _SLOWEST_ANSWER_S:
        _epoch_s, _is_measured = time_s - answered_at, True


def lose() -> None:
    """Redis does not answer: the clock goes on from the last measurement."""
    global _is_measured
    _is_measured = False


def may_delete() -> bool:
    """Whether Redis' clock and this machine's agree. If not, a notice says so once."""
    global _is_reported
    apart_s = abs(time.time() - now_s())
    apart = apart_s > MOST_APART_S
    if apart and not _is_reported:
        detail = f"this machine's clock and Redis' are {apart_s:.0f} s apart. Nothing is deleted "
        detail += "for its age until they agree: set the wrong one right."
        console.event(console.NOTICE, detail=detail)
    _is_reported = apart
    return _is_measured and not apart
