"""The faults of a chaos run: what each does and how it is undone.

The run starts dead services again, as a supervisor would. Every other fault returns the function
that undoes it.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals

from faults.deployment import Deployment, FaultMissed

Undo = Callable[[], object]
Inject = Callable[[Deployment, "Planned"], Undo]
EVERYTHING = "everything"
ALL_WORKERS = "all workers"
FULL_REDIS_BYTES = 1
OFFSETS_S = (-31_536_000, -7200, -420, 420, 7200, 31_536_000)


@dataclass(frozen=True)
class Planned:
    """One fault of a run: at_s after its start, undone lasts_s later."""

    at_s: float
    lasts_s: float
    name: str
    target: str
    pick: int  # which one, where the target has several children

    def __str__(self) -> str:
        return f"{self.name} {self.target}".strip()


def _nothing_to_undo() -> None:
    pass


def signalled(signal: Signals) -> Inject:
    """A fault that sends the signal to a service's process and its children."""

    def inject(where: Deployment, planned: Planned) -> Undo:
        missed: list[str] = []
        services = affected(where, planned.target)
        for service in services:
            try:
                where.signal(service, signal)
            except FaultMissed:
                missed.append(service)
        if missed == services:
            raise FaultMissed(f"{planned.target}: down already")
        return _nothing_to_undo

    return inject


def affected(where: Deployment, target: str) -> list[str]:
    """The services that a target means."""
    if target == EVERYTHING:
        return where.services
    if target == ALL_WORKERS:
        return [service for service in where.services if service.startswith("worker")]
    return [target]


def kill_parent(where: Deployment, planned: Planned) -> Undo:
    where.signal_parent(planned.target, SIGKILL)
    return _nothing_to_undo


def kill_child(where: Deployment, planned: Planned) -> Undo:
    where.signal_child(planned.target, _child(where, planned), SIGKILL)
    return _nothing_to_undo


def freeze(where: Deployment, planned: Planned) -> Undo:
    where.signal(planned.target, SIGSTOP)
    return lambda: where.signal(planned.target, SIGCONT)


def freeze_parent(where: Deployment, planned: Planned) -> Undo:
    where.signal_parent(planned.target, SIGSTOP)
    return lambda: where.signal_parent(planned.target, SIGCONT)


def freeze_child(where: Deployment, planned: Planned) -> Undo:
    child = _child(where, planned)
    where.signal_child(planned.target, child, SIGSTOP)
    return lambda: where.signal_child(planned.target, child, SIGCONT)


def _child(where: Deployment, planned: Planned) -> int:
    children = where.children(planned.target)
    if not children:
        raise FaultMissed(f"{planned.target} has no children")
    return children[planned.pick % len(children)]


def redis(where: Deployment, planned: Planned) -> Undo:
    where.redis(*planned.target.split())
    return _nothing_to_undo


def fill_redis(where: Deployment, _: Planned) -> Undo:
    limit = where.redis("CONFIG", "GET", "maxmemory")
    where.redis("CONFIG", "SET", "maxmemory", str(FULL_REDIS_BYTES))
    return lambda: where.redis("CONFIG", "SET", "maxmemory", limit)


def kill_again(where: Deployment, planned: Planned) -> Undo:
    """Kill it, and once more later, perhaps while it starts."""
    where.signal(planned.target, SIGKILL)

    def again() -> None:
        with suppress(FaultMissed):
            where.signal(planned.target, SIGKILL)

    return again


def empty_record(where: Deployment, planned: Planned) -> Undo:
    where.empty_record(planned.pick)
    return _nothing_to_undo


def wrong_clock(where: Deployment, planned: Planned) -> Undo:
    where.set_clock(planned.target, OFFSETS_S[planned.pick % len(OFFSETS_S)])
    return lambda: where.set_clock(planned.target, 0)


def cut_power(where: Deployment, _: Planned) -> Undo:
    where.cut_power()
    return _nothing_to_undo


def rotate_log(where: Deployment, _: Planned) -> Undo:
    where.rotate_log()
    return _nothing_to_undo
