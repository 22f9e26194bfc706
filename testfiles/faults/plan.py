"""Plans the faults of a run: the same ones for the same seed."""

import random
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM

from faults.kinds import (
    ALL_WORKERS,
    EVERYTHING,
    Inject,
    Planned,
    cut_power,
    empty_record,
    fill_redis,
    freeze,
    freeze_child,
    freeze_parent,
    kill_again,
    kill_child,
    kill_parent,
    redis,
    rotate_log,
    signalled,
    wrong_clock,
)

REDIS_COMMANDS = ("FLUSHALL", "CLIENT KILL TYPE normal", "DEL arq:watermark", "DEL arq:upload")
FOREIGN_KEYS = ("SET arq:watermark mine", "SET arq:upload mine", "SET media-processor:wake mine")
POISON = (
    "ZADD arq:watermark 1 ../../../../tmp/evil:watermark:1",
    "ZADD arq:upload 1 01KAP3V8Z4J5N6Q7R8S9T0VWXY:upload:1",
    "ZADD arq:upload 1e17 \x1b[2J",
    "SET arq:job:01KAP3V8Z4J5N6Q7R8S9T0VWXY:upload:1 {",
)
EACH = ("gateway", "central", "redis", "worker")
OVERLAP_SHARE = 0.15


@dataclass(frozen=True)
class Kind:
    """share is how often it comes, compared with the others."""

    name: str
    inject: Inject
    targets: tuple[str, ...] = ("",)
    share: int = 1
    lasts_s: tuple[float, float] = (0, 0)


KINDS = (
    Kind("kill", signalled(SIGKILL), EACH, share=8),
    Kind("kill", signalled(SIGKILL), (ALL_WORKERS,), share=2),
    Kind("kill", signalled(SIGKILL), (EVERYTHING,), share=2),
    Kind("kill parent of", kill_parent, ("worker",), share=2),
    Kind("kill child of", kill_child, ("worker",), share=3),
    Kind("freeze", freeze, EACH, share=8, lasts_s=(1, 12)),
    Kind("freeze for long", freeze, ("central",), lasts_s=(16, 20)),
    Kind("freeze parent of", freeze_parent, ("worker",), share=2, lasts_s=(1, 12)),
    Kind("freeze child of", freeze_child, ("worker",), share=2, lasts_s=(1, 12)),
    Kind("restart", signalled(SIGTERM), EACH, share=6),
    Kind("kill twice", kill_again, EACH, share=4, lasts_s=(0.5, 4)),
    Kind("redis", redis, REDIS_COMMANDS, share=6),
    Kind("redis", redis, FOREIGN_KEYS, share=2),
    Kind("redis", redis, POISON, share=2),
    Kind("fill redis", fill_redis, share=2, lasts_s=(2, 8)),
    Kind("rotate log", rotate_log, share=2),
    Kind("empty a record", empty_record, share=3),
    Kind("clock of", wrong_clock, EACH, share=4, lasts_s=(2, 15)),
    Kind("power cut", cut_power, (EVERYTHING,), share=2),
)
INJECT = {kind.name: kind.inject for kind in KINDS}
DEADLY = ("kill", "kill twice", "kill parent of", "restart", "power cut")


def planned_faults(seed: int, seconds: float, workers: int) -> list[Planned]:
    """A fault every 1 to 3 s, sometimes two at once. All are undone within these seconds."""
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
