"""The chaos tool's clockwork: every fault is undone, whatever dies is started again."""

from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Self

import pytest

from faults.deployment import FaultMissed
from faults.evidence import Evidence
from faults.kinds import ALL_WORKERS, EVERYTHING, Planned
from faults.timeline import Timeline


class Imagined:
    """A deployment that only notes what is done to it."""

    url = central_url = ""

    def __init__(self) -> None:
        self.services = ["redis", "central", "gateway", "worker-1", "worker-2"]
        self.down: set[str] = set()
        self.frozen: set[str] = set()
        self.limit = "0"
        self.revived: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def signal(self, service: str, signal: Signals) -> None:
        if service in self.down:
            raise FaultMissed(service)
        if signal == SIGSTOP:
            self.frozen.add(service)
        else:
            self.frozen.discard(service)
        if signal in (SIGKILL, SIGTERM):
            self.down.add(service)

    signal_parent = signal

    def signal_child(self, service: str, child: int, signal: Signals) -> None:
        self.signal(f"{service} child {child}", signal)

    def children(self, service: str) -> list[int]:
        return [] if service in self.down else [7, 8]

    def redis(self, *command: str) -> str:
        if "redis" in self.down | self.frozen:
            raise FaultMissed("redis")
        if command[:2] == ("CONFIG", "SET"):
            self.limit = command[-1]
        return self.limit

    def empty_record(self, pick: int) -> None:
        pass

    def set_clock(self, service: str, ahead_s: float) -> None:
        pass

    def cut_power(self) -> None:
        pass

    def lost_records(self) -> int:
        return 0

    def rotate_log(self) -> None:
        pass

    def dead(self) -> list[str]:
        return sorted(self.down)

    def revive(self, service: str) -> None:
        self.down.discard(service)
        self.revived.append(service)

    def pending(self) -> int:
        return 0

    def evidence(self) -> Evidence:
        raise AssertionError("what is left is compared afterwards, not by the timeline")

    def outputs(self) -> list[Path]:
        return []


@pytest.fixture
def where() -> Imagined:
    return Imagined()


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faults.timeline.LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr("faults.timeline.UNDO_AGAIN_S", 0.05)


def happened(
    where: Imagined, *planned: Planned, then: Callable[[], None] = lambda: None
) -> Timeline:
    timeline = Timeline(where, [*planned], seed=1)
    timeline.run(0.15, then)
    timeline.heal()
    while where.down:
        timeline.supervise()
    return timeline


def fault(name: str, target: str = "", lasts_s: float = 60) -> Planned:
    return Planned(at_s=0, lasts_s=lasts_s, name=name, target=target, pick=3)


@pytest.mark.parametrize("name", ["freeze", "freeze for long", "freeze parent of"])
def test_what_is_frozen_is_continued_at_the_end_at_the_latest(where: Imagined, name: str) -> None:
    seen: set[str] = set()
    happened(where, fault(name, "worker-1"), then=lambda: seen.update(where.frozen))
    assert seen == {"worker-1"}
    assert not where.frozen


def test_a_frozen_child_is_the_one_that_is_continued(where: Imagined) -> None:
    seen: set[str] = set()
    happened(where, fault("freeze child of", "worker-2"), then=lambda: seen.update(where.frozen))
    assert seen == {"worker-2 child 8"}
    assert not where.frozen


def test_a_full_redis_gets_its_old_limit_back_though_it_is_frozen_meanwhile(
    where: Imagined,
) -> None:
    where.limit = "512"
    happened(where, fault("fill redis", lasts_s=0.01), fault("freeze", "redis", lasts_s=0.1))
    assert where.limit == "512"


@pytest.mark.parametrize(
    ("target", "killed"),
    [
        ("central", ["central"]),
        (ALL_WORKERS, ["worker-1", "worker-2"]),
        (EVERYTHING, ["central", "gateway", "redis", "worker-1", "worker-2"]),
    ],
)
def test_what_is_killed_is_started_again(where: Imagined, target: str, killed: list[str]) -> None:
    timeline = happened(where, fault("kill", target))
    assert sorted(where.revived) == killed
    assert not timeline.surprises


def test_killing_everything_is_not_stopped_by_one_that_is_down(where: Imagined) -> None:
    timeline = happened(where, fault("kill", "redis"), fault("kill", EVERYTHING))
    assert sorted(where.revived) == sorted(where.services)
    assert timeline.injected["kill everything"] == 1


def test_a_fault_that_finds_nothing_is_counted_as_missed(where: Imagined) -> None:
    timeline = happened(where, fault("kill", "gateway"), fault("freeze", "gateway"))
    assert timeline.missed == {"freeze gateway": 1}


def test_a_service_that_ends_by_itself_is_started_again_and_counted(where: Imagined) -> None:
    where.down.add("worker-2")
    timeline = happened(where)
    assert where.revived == ["worker-2"]
    assert timeline.surprises == {"worker-2": 1}
