"""How many media end a minute, for the guess when all have ended."""

import time
from collections import deque
from collections.abc import Sequence

from overview.answers import Throughput, Worker

_FROM_S, _TO_S = 2.0, 12.0  # of the span that is measured
_SURE_S = 10.0


class Rate:
    """What ended in the last seconds, else what the workers say of the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Throughput]] = deque()

    def per_minute(self, minutes: Sequence[Throughput], workers: Sequence[Worker]) -> float:
        """minutes: the last one has begun; none where they may lack some. Measured from call to
        call."""
        now = time.monotonic()
        if not minutes:  # an index that is made again counts what ended long ago
            self._samples.clear()
        while self._samples and now - self._samples[0][0] > _TO_S:
            self._samples.popleft()
        measured = 0.0
        seconds = now - self._samples[0][0] if self._samples else 0.0
        if minutes and seconds >= _FROM_S:
            measured = _ended_since(self._samples[0][1], minutes) / seconds * 60
        if minutes:
            self._samples.append((now, minutes[-1]))
        if seconds >= _SURE_S:  # where none ends, nobody knows when all will have
            return measured
        said = sum(worker.stored_last_minute + worker.failed_last_minute for worker in workers)
        return measured or said


def _ended_since(then: Throughput, minutes: Sequence[Throughput]) -> int:
    later = [minute for minute in minutes if minute.minute >= then.minute]
    return max(0, sum(map(_ended, later)) - _ended(then))


def _ended(minute: Throughput) -> int:
    return minute.stored + minute.failed
