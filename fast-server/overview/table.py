"""GET /stats as text of 100 columns, for a terminal. Whatever it shows cannot break a line."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from unicodedata import east_asian_width

from overview.answers import Reached, Stats, Throughput, Worker, WorkInHand
from overview.summary import at_utc, duration
from shared.contract import MIB, safe_line
from upload_api.answers import FailureGroup

_COLUMNS = 100
_MINUTES = 10
_MOST_AT = 20
_GIB = 1024**3
_NOBODY_KNOWS = "?"
_Column = tuple[str, int]  # its heading, and its width; below 0: to the right

_WORKERS: list[_Column] = [
    ("WORKER", 20),
    ("VERSION", 8),
    ("SINCE (UTC)", 16),
    ("MB", -6),
    ("PROCESSES", -9),
    ("STORED/MIN", -10),
    ("FAILED/MIN", -10),
]
_AT: list[_Column] = [
    ("WORKER", 20),
    ("IS AT", 9),
    ("SINCE", 8),
    ("MEDIA", 26),
    ("FILE", 29),
]
_FAILURES: list[_Column] = [
    ("FAILED AS", 20),
    ("COUNT", -9),
    ("FIRST (UTC)", 16),
    ("LAST (UTC)", 16),
    ("EXAMPLE", 26),
]
_LATELY: list[_Column] = [("MINUTE (UTC)", 12), ("RECEIVED", -9), ("STORED", -9), ("FAILED", -9)]


def text(stats: Stats) -> str:
    workers = stats.workers or []
    parts = [_wrapped(stats.summary), "\n".join(_facts(stats))]
    parts += _table(_WORKERS, map(_worker, workers))
    parts += [_wrapped(f"{each.name}: {each.unhealthy}") for each in workers if each.unhealthy]
    parts += _work_in_hand(workers)
    parts += _table(_FAILURES, map(_failures, stats.failures or []))
    parts += _table(_LATELY, map(_minute, (stats.per_minute or [])[-_MINUTES:]))
    return "\n\n".join(parts) + "\n"


def _facts(stats: Stats) -> Iterator[str]:
    oldest, eta = stats.oldest_pending_seconds, stats.eta_seconds
    waits = _number(stats.pending)
    waits += "" if oldest is None else f", the oldest for {duration(oldest)}"
    waits += f", about {duration(eta)} to go" if eta else ""
    yield _fact("waiting", waits if stats.complete else f"{waits} (some are not counted yet)")
    yield _fact("failed", _number(stats.failed))
    yield _fact("stored", _number(stats.done))
    if queues := stats.queues:
        yield _fact("queues", f"watermark {queues.watermark:,}, upload {queues.upload:,}")
    yield _fact("Redis", _reached(stats.redis))
    yield _fact("central", _reached(stats.central))
    if disk := stats.disk:
        free, total = f"{disk.free_bytes / _GIB:.1f}", f"{disk.total_bytes / _GIB:.1f}"
        yield _fact("disk", f"{free} of {total} GB free")
    limits = stats.limits
    formats = ", ".join(each.name for each in limits.formats)
    size = f"{limits.max_upload_bytes / MIB:g} MB, {limits.max_megapixels:g} megapixels"
    yield _fact("uploads", f"up to {size}; {formats}")
    yield _fact("version", stats.version)


def _reached(service: Reached | None) -> str:
    if service is None:
        return _NOBODY_KNOWS
    verb = "answers" if service.answers else "does not answer"
    since = f"{verb} since {at_utc(service.since)}"
    return f"{since}. {service.reason}" if service.reason else since


def _worker(worker: Worker) -> Iterator[str]:
    yield from (worker.name, worker.version, _day(worker.started_at))
    numbers = (worker.memory_mb, worker.processes)
    for number in (*numbers, worker.stored_last_minute, worker.failed_last_minute):
        yield f"{number:,}"


def _work_in_hand(workers: Sequence[Worker]) -> list[str]:
    """What has taken the longest comes first."""
    pairs = [(worker, work) for worker in workers for work in worker.at]
    pairs.sort(key=lambda pair: pair[1].since)
    table = _table(_AT, (_at(*pair) for pair in pairs[:_MOST_AT]))
    more = len(pairs) - _MOST_AT
    return table if more <= 0 else [f"{table[0]}\nand {more:,} more"]


def _at(worker: Worker, work: WorkInHand) -> Sequence[str]:
    return worker.name, work.stage, _time(work.since), work.media_id, work.filename


def _failures(group: FailureGroup) -> Sequence[str]:
    return group.code, f"{group.count:,}", _day(group.first), _day(group.last), group.example


def _minute(minute: Throughput) -> Sequence[str]:
    numbers = (minute.received, minute.stored, minute.failed)
    return _time(minute.minute)[:5], *(f"{number:,}" for number in numbers)


def _table(columns: Sequence[_Column], rows: Iterable[Iterable[str]]) -> list[str]:
    """None without rows."""
    headings = [heading for heading, _ in columns]
    lines = [_row(columns, row) for row in (headings, *rows)]
    return ["\n".join(lines)] if len(lines) > 1 else []


def _row(columns: Sequence[_Column], cells: Iterable[str]) -> str:
    widths = [width for _, width in columns]
    return "  ".join(map(_cell, cells, widths)).rstrip()


def _cell(content: str, width: int) -> str:
    """The content cut, or filled, to the columns of a terminal."""
    kept, left = "", abs(width)
    for char in safe_line(content):
        if _width(char) > left:
            break
        kept += char
        left -= _width(char)
    return " " * left + kept if width < 0 else kept + " " * left


def _fact(name: str, value: str) -> str:
    return _wrapped(f"{name:8} {value}", indent=9)


def _wrapped(line: str, indent: int = 0) -> str:
    """The line in lines. While textwrap counts, a NUL stands for the other half of a wide one."""
    counted = "".join("\0" * (_width(char) - 1) + char for char in safe_line(line))
    lines = textwrap.fill(counted, _COLUMNS - 1, subsequent_indent=" " * indent)
    return lines.replace("\0", "")


def _width(char: str) -> int:
    """In columns of a terminal."""
    return 2 if east_asian_width(char) in "WF" else 1


def _number(count: int | None) -> str:
    return _NOBODY_KNOWS if count is None else f"{count:,}"


def _day(time: str) -> str:
    return _utc(time, "%Y-%m-%d %H:%M")


def _time(time: str) -> str:
    return _utc(time, "%H:%M:%S")


def _utc(time: str, shape: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone(UTC).strftime(shape)
    except (ValueError, OverflowError):  # as a worker's report may have it
        return _NOBODY_KNOWS
