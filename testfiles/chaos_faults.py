"""The faults of a chaos run: what each does, how it is undone, and which come when.

What dies is started again by the run, as a supervisor would; every other fault hands back
the function that undoes it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from chaos_deployment import Deployment, FaultMissed

Undo = Callable[[], object]
Inject = Callable[[Deployment, "Planned"], Undo]
EVERYTHING = "everything"
ALL_WORKERS = "all workers"
REDIS_COMMANDS = ("FLUSHALL", "CLIENT KILL TYPE normal", "DEL arq:watermark", "DEL arq:upload")
EACH = ("gateway", "central", "redis", "worker")
FULL_REDIS_BYTES = 1
OVERLAP_SHARE = 0.15


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


@dataclass(frozen=True)
class Kind:
    """share is how often it comes, compared with the others."""

    name: str
    inject: Inject
    targets: tuple[str, ...] = ("",)
    share: int = 1
    lasts_s: tuple[float, float] = (0, 0)


def _nothing_to_undo() -> None:
    pass


def _signalled(signal: Signals) -> Inject:
    """The whole service: the process and its children."""

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


def _kill_parent(where: Deployment, planned: Planned) -> Undo:
    where.signal_parent(planned.target, SIGKILL)
    return _nothing_to_undo


def _kill_child(where: Deployment, planned: Planned) -> Undo:
    where.signal_child(planned.target, _child(where, planned), SIGKILL)
    return _nothing_to_undo


def _freeze(where: Deployment, planned: Planned) -> Undo:
    where.signal(planned.target, SIGSTOP)
    return lambda: where.signal(planned.target, SIGCONT)


def _freeze_parent(where: Deployment, planned: Planned) -> Undo:
    where.signal_parent(planned.target, SIGSTOP)
    return lambda: where.signal_parent(planned.target, SIGCONT)


def _freeze_child(where: Deployment, planned: Planned) -> Undo:
    child = _child(where, planned)
    where.signal_child(planned.target, child, SIGSTOP)
    return lambda: where.signal_child(planned.target, child, SIGCONT)


def _child(where: Deployment, planned: Planned) -> int:
    children = where.children(planned.target)
    if not children:
        raise FaultMissed(f"{planned.target} has no children")
    return children[planned.pick % len(children)]


def _redis(where: Deployment, planned: Planned) -> Undo:
    where.redis(*planned.target.split())
    return _nothing_to_undo


def _fill_redis(where: Deployment, _: Planned) -> Undo:
    limit = where.redis("CONFIG", "GET", "maxmemory")
    where.redis("CONFIG", "SET", "maxmemory", str(FULL_REDIS_BYTES))
    return lambda: where.redis("CONFIG", "SET", "maxmemory", limit)


def _rotate_log(where: Deployment, _: Planned) -> Undo:
    where.rotate_log()
    return _nothing_to_undo


KINDS = (
    Kind("kill", _signalled(SIGKILL), EACH, share=8),
    Kind("kill", _signalled(SIGKILL), (ALL_WORKERS,), share=2),
    Kind("kill", _signalled(SIGKILL), (EVERYTHING,), share=2),
    Kind("kill parent of", _kill_parent, ("worker",), share=2),
    Kind("kill child of", _kill_child, ("worker",), share=3),
    Kind("freeze", _freeze, EACH, share=8, lasts_s=(1, 12)),
    Kind("freeze for long", _freeze, ("central",), lasts_s=(16, 20)),
    Kind("freeze parent of", _freeze_parent, ("worker",), share=2, lasts_s=(1, 12)),
    Kind("freeze child of", _freeze_child, ("worker",), share=2, lasts_s=(1, 12)),
    Kind("restart", _signalled(SIGTERM), EACH, share=6),
    Kind("redis", _redis, REDIS_COMMANDS, share=6),
    Kind("fill redis", _fill_redis, share=2, lasts_s=(2, 8)),
    Kind("rotate log", _rotate_log, share=2),
)
INJECT = {kind.name: kind.inject for kind in KINDS}
DEADLY = ("kill", "kill parent of", "restart")


def planned_faults(seed: int, seconds: float, workers: int) -> list[Planned]:
    """One every 1 to 3 s, now and then two at once; all undone within these seconds."""
    rng = random.Random(f"faults {seed}")
    planned: list[Planned] = []
    at_s = rng.uniform(1, 3)
    while at_s < seconds:
        planned.append(_planned(rng, at_s, seconds - at_s, workers))
        at_s += 0 if rng.random() < OVERLAP_SHARE else rng.uniform(1, 3)
    return planned


def _planned(rng: random.Random, at_s: float, longest_s: float, workers: int) -> Planned:
    (kind,) = rng.choices(KINDS, [kind.share for kind in KINDS])
    target = rng.choice(kind.targets)
    if target == "worker":
        target = f"worker-{rng.randint(1, workers)}"
    lasts_s = min(rng.uniform(*kind.lasts_s), longest_s)
    return Planned(at_s, lasts_s, kind.name, target, rng.randrange(1000))
