"""Injects the planned faults when they are due, undoes them, and starts again what died."""

import math
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from faults.deployment import Deployment, FaultMissed
from faults.kinds import Planned, Undo, affected
from faults.plan import DEADLY, INJECT

TICK_S = 0.05
UNDO_AGAIN_S = 1
LONGEST_PAUSE_S = 3
EXPECTED_DEATH_S = 45  # a worker may take so long to end after a SIGTERM


@dataclass
class Active:
    """A fault that is to be undone."""

    until: float
    undo: Undo
    deadly_to: list[str]  # services that the fault ends, and may end again when undone
    trouble: str = ""


class Timeline:
    """One thread does it all, so that no fault hits a service while it is being started."""

    def __init__(self, where: Deployment, planned: list[Planned], seed: int) -> None:
        self.injected: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.surprises: Counter[str] = Counter()  # services that no fault ended
        self._where, self._planned = where, planned
        self._active: list[Active] = []
        self._due: dict[str, float] = {}
        self._ended_at: dict[str, float] = {}
        self._pauses = random.Random(f"pauses {seed}")

    def run(self, seconds: float, tick: Callable[[], None]) -> None:
        """Let the faults happen."""
        started_at = time.monotonic()
        while (now_s := time.monotonic() - started_at) < seconds:
            while self._planned and self._planned[0].at_s <= now_s:
                self._inject(self._planned.pop(0))
            self._undo_what_is_due()
            self.supervise()
            tick()
            time.sleep(TICK_S)

    def heal(self) -> None:
        """Undo what is left. Raises FaultMissed where a fault cannot be undone."""
        for active in self._active:
            active.until = 0
        give_up = time.monotonic() + 60
        while self._active:
            self._undo_what_is_due()
            self.supervise()
            if time.monotonic() > give_up:
                raise FaultMissed(f"A fault cannot be undone: {self._active[0].trouble}")
            time.sleep(TICK_S)

    def supervise(self) -> None:
        """Start what is dead, after a pause."""
        with suppress(FaultMissed):  # Docker may need another try
            for service in self._where.dead():
                self._revive(service)

    def _revive(self, service: str) -> None:
        now = time.monotonic()
        if service not in self._due:
            self._due[service] = now + self._pauses.uniform(0, LONGEST_PAUSE_S)
            if now - self._ended_at.get(service, -math.inf) > EXPECTED_DEATH_S:
                self.surprises[service] += 1
        elif now >= self._due[service]:
            self._where.revive(service)
            del self._due[service]
            self._ended_at.pop(service, None)

    def _inject(self, planned: Planned) -> None:
        try:
            undo = INJECT[planned.name](self._where, planned)
        except FaultMissed:
            self.missed[str(planned)] += 1
            return
        self.injected[str(planned)] += 1
        deadly_to = affected(self._where, planned.target) if planned.name in DEADLY else []
        self._ended_at |= dict.fromkeys(deadly_to, time.monotonic())
        self._active.append(Active(time.monotonic() + planned.lasts_s, undo, deadly_to))

    def _undo_what_is_due(self) -> None:
        for active in [a for a in self._active if a.until <= time.monotonic()]:
            active.until = time.monotonic() + UNDO_AGAIN_S
            try:
                active.undo()
            except FaultMissed as error:
                active.trouble = str(error)
            else:
                self._active.remove(active)
                self._ended_at |= dict.fromkeys(active.deadly_to, time.monotonic())
