"""The deployment that chaos breaks: processes.py and containers.py have one each.

Services are named gateway, central, redis, worker-1, worker-2 ... in both.
"""

from pathlib import Path
from signal import Signals
from typing import Protocol, Self

from faults.evidence import Evidence


class FaultMissed(Exception):
    """The fault has no target now: the service is down, or the worker has no children."""


class Deployment(Protocol):
    """Each of its methods may raise FaultMissed."""

    url: str
    central_url: str
    services: list[str]

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def signal(self, service: str, signal: Signals) -> None:
        """Send it to the service's process and its children."""

    def signal_parent(self, service: str, signal: Signals) -> None:
        """Send it to the service's own process alone."""

    def signal_child(self, service: str, child: int, signal: Signals) -> None:
        """Send it to one of children(); nothing happens where it is gone."""

    def children(self, service: str) -> list[int]:
        """The processes it has started."""
        ...

    def redis(self, *command: str) -> str:
        """Run a command, and return the answer, or the last item of several."""
        ...

    def rotate_log(self) -> None:
        """Rename the activity log, as logrotate does."""

    def empty_record(self, pick: int) -> None:
        """Empty a media's progress.json, as a power cut may have left it."""

    def set_clock(self, service: str, ahead_s: float) -> None:
        """Set the service's clock wrong, from now on and after a restart."""

    def cut_power(self) -> None:
        """End all at once. What the file system has only in memory is lost, too."""

    def dead(self) -> list[str]:
        """The services that do not run."""
        ...

    def revive(self, service: str) -> None:
        """Start a dead service and wait for nothing."""

    def pending(self) -> int:
        """How many media lie in uploads/pending/."""
        ...

    def lost_records(self) -> int:
        """How many media have an empty progress.json."""
        ...

    def evidence(self) -> Evidence:
        """All files, as they are now."""
        ...

    def outputs(self) -> list[Path]:
        """What the services have said, a file for each."""
        ...
