"""GET /stats in a sentence: the worst trouble first, what waits, and whether it goes on by itself.

central does not answer since 02:51 UTC; 1,204 wait, none is lost; they go on by themselves
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from overview.answers import Stats, Throughput
from overview.central_state import SOMETHING_ELSE
from overview.noticed import Noticed
from shared import clock
from shared.contract import RERUN_FOR, RERUN_WHEN, safe_line
from shared.redis.worker_report import REPORT_S
from upload_api.answers import FailureGroup

_LATELY = 10  # minutes
_MANY_FAILED, _MANY_OF_ALL = 10, 0.1
_MOST_TROUBLES = 3
NO_WORKER = "no worker"
_MISSING_S = 2 * REPORT_S  # Redis may have lost the workers' reports
_MOST_REASON = 200


class Trouble(NamedTuple):
    """todo: what a person must do; None where all goes on by itself."""

    what: str
    todo: str | None = None


def summary(stats: Stats, per_minute: float, found: Sequence[Trouble]) -> str:
    """per_minute: how many end now; found: its troubles."""
    found = found[:_MOST_TROUBLES]
    if not found:
        return safe_line("; ".join([_progress(stats, per_minute), *_failures(stats)]))
    todo = [trouble.todo for trouble in found if trouble.todo]
    clauses = [trouble.what for trouble in found]
    return safe_line("; ".join([*clauses, *_what_waits(stats, todo)]))


def at_utc(time: str) -> str:
    """A time of RFC 3339 for people: with its date, unless that is today's."""
    at = datetime.fromisoformat(time).astimezone(UTC)
    is_today = at.date() == clock.now().date()
    return f"{at:%H:%M} UTC" if is_today else f"{at:%Y-%m-%d %H:%M} UTC"


def troubles(stats: Stats, max_queue_depth: int, noticed: Noticed) -> Iterator[Trouble]:
    """The worst first: what keeps uploads out, then what keeps media from going on."""
    yield from _of_redis(stats)
    yield from _of_the_disk(stats, noticed)
    depth = stats.queues.watermark + stats.queues.upload if stats.queues else 0
    if since := _since(noticed, "full", depth >= max_queue_depth):
        wait = f"{_count(max_queue_depth, 'job')} {_verb(max_queue_depth, 'waits', 'wait')}"
        what = f"{wait} {since}, the most MAX_QUEUE_DEPTH allows"
        yield Trouble(f"{what}: no upload is taken")
    if stats.paused:
        since = f" since {at_utc(stats.paused.since)}" if stats.paused.since else ""
        yield Trouble(f"paused{since}, uploads are taken", "POST /resume lets them go on")
    if since := _since(noticed, NO_WORKER, stats.workers == [], _MISSING_S):
        yield Trouble(f"no worker is alive {since}", "start one and they go on")
    yield from _of_central(stats)
    yield from _of_workers(stats, noticed)


def _of_redis(stats: Stats) -> Iterator[Trouble]:
    if stats.redis and stats.redis.reason:
        since = f"since {at_utc(stats.redis.since)}"
        if stats.redis.answers:
            yield Trouble(f"Redis takes no job {since} ({_short(stats.redis.reason)})")
        else:
            yield Trouble(f"Redis does not answer {since}, no upload is taken")


def _of_the_disk(stats: Stats, noticed: Noticed) -> Iterator[Trouble]:
    if stats.disk is None:
        yield Trouble(f"the disk of the uploads cannot be used {_since(noticed, 'disk', 'gone')}")
    elif since := _since(noticed, "disk", not stats.disk.enough):
        free, least = stats.disk.free_bytes // 2**20, stats.disk.least_free_bytes // 2**20
        what = f"the disk of the uploads is nearly full {since}: {free:,} MB are free"
        yield Trouble(f"{what}, and no upload is taken below {least:,} MB", "make room there")


def _of_central(stats: Stats) -> Iterator[Trouble]:
    if stats.central is None or stats.central.reason is None:
        return
    since = f"since {at_utc(stats.central.since)}"
    if stats.central.answers:
        yield Trouble(f"central cannot store {since} ({_short(stats.central.reason)})")
    elif stats.central.reason.startswith(SOMETHING_ELSE):
        what = f"something else answers at central's address {since}"
        yield Trouble(what, "set CENTRAL_SERVER_URL right and they go on")
    else:
        yield Trouble(f"central does not answer {since}")


def _of_workers(stats: Stats, noticed: Noticed) -> Iterator[Trouble]:
    workers = stats.workers or []
    unhealthy = [worker for worker in workers if worker.unhealthy]
    if since := _since(noticed, "unhealthy", bool(unhealthy)):
        are = _verb(len(unhealthy), "is", "are")
        who = f"{len(unhealthy)} of {_count(len(workers), 'worker')} {are}"
        reason = f"{unhealthy[0].name}: {_short(unhealthy[0].unhealthy or '')}"
        yield Trouble(f"{who} unhealthy {since} ({reason})")


def _failures(stats: Stats) -> Iterator[str]:
    """Whether many have failed lately and are still there."""
    lately = (stats.per_minute or [])[-_LATELY:]
    stored, failed = _stored(lately), sum(minute.failed for minute in lately)
    codes = [group for group in stats.failures or [] if group.last >= lately[0].minute]
    many = failed >= max(_MANY_FAILED, _MANY_OF_ALL * (stored + failed))
    if stats.complete and many and codes:
        what = f"{failed:,} of {stored + failed:,} failed in the last {_LATELY} minutes"
        yield f"{what}, most as {codes[0].code}: GET /media?state=failed lists them"


def _what_waits(stats: Stats, todo: list[str]) -> Iterator[str]:
    if stats.pending is None:  # the index cannot be used
        yield "what was taken is safe on the disk"
        yield from todo or ["it goes on by itself"]
        return
    by_itself = [group for group in stats.failures or [] if group.code in RERUN_WHEN]
    waits = stats.pending + sum(group.count for group in by_itself)
    counting = _counting(stats)
    yield f"{_waiting(waits)}{counting}, none is lost" if waits else f"nothing waits{counting}"
    if any(map(_is_too_old, by_itself)):
        yield "POST /media/retry for those that were received over 24 h ago"
    yield from todo or [_goes_on(waits)]


def _progress(stats: Stats, per_minute: float) -> str:
    if stats.pending is None:
        return "The index cannot be used, so nothing is counted; uploads are taken"
    counting = _counting(stats)
    if not stats.pending:
        stored = _stored(stats.per_minute or [])
        return f"Nothing waits{counting}; {stored:,} stored in the last hour"
    waiting, workers = f"{_waiting(stats.pending)}{counting}", len(stats.workers or [])
    if stats.eta_seconds is None:
        return f"{waiting}, {_count(workers, 'worker')} {_verb(workers, 'is', 'are')} at it"
    done = f"{_count(workers, 'worker')} {_verb(workers, 'does', 'do')} {per_minute:,.0f} a minute"
    return f"{waiting}, {done}: about {duration(stats.eta_seconds)}"


def duration(seconds: float) -> str:
    """In the largest unit that it has two of, or in seconds."""
    for unit, length_s in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _counting(stats: Stats) -> str:
    return "" if stats.complete else " (some are not counted yet)"


def _since(noticed: Noticed, what: str, is_so: object, least_s: float = 0) -> str:
    """since and a time where it has been so for long enough, else nothing."""
    since = noticed.since(what, is_so)
    has_been = clock.now() - datetime.fromisoformat(since)
    return f"since {at_utc(since)}" if is_so and has_been.total_seconds() >= least_s else ""


def _is_too_old(group: FailureGroup) -> bool:
    """Whether some of them may no longer be queued again by themselves."""
    return clock.now() - datetime.fromisoformat(group.first) > RERUN_FOR


def _goes_on(waits: int) -> str:
    if waits == 1:
        return "it goes on by itself"
    return "they go on by themselves" if waits else "all goes on by itself"


def _stored(minutes: Sequence[Throughput]) -> int:
    return sum(minute.stored for minute in minutes)


def _waiting(number: int) -> str:
    return f"{number:,} {_verb(number, 'waits', 'wait')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _verb(number: int, one: str, more: str) -> str:
    return one if number == 1 else more


def _short(text: str) -> str:
    text = text.rstrip(".")
    return text if len(text) <= _MOST_REASON else f"{text[:_MOST_REASON]}..."
