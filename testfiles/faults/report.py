"""Prints what a run has shown."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from faults.evidence import Evidence
from faults.timeline import Timeline
from faults.uploads import Upload
from faults.verdict import DUPLICATED, LOST, REFUSED, TORN, Wrong

TRACEBACK = "Traceback (most recent call last)"
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d ", re.M)


@dataclass(frozen=True)
class Outcome:
    seed: int
    timeline: Timeline
    uploads: list[Upload]
    found: Evidence
    wrong: list[Wrong]
    outputs: list[Path]
    recovered_s: float | None  # None: something is still pending


def show(console: Console, outcome: Outcome) -> None:
    faults = Table("fault", "times", "missed")  # missed: the service was down already
    timeline = outcome.timeline
    for name in sorted({*timeline.injected, *timeline.missed}):
        faults.add_row(name, str(timeline.injected[name]), str(timeline.missed[name] or ""))
    console.print(faults)
    figures = Table("", "", show_header=False)
    for name, value in _figures(outcome).items():
        figures.add_row(name, str(value))
    console.print(figures)
    for service, times in timeline.surprises.items():
        console.print(f"[yellow]warning:[/] {service} ended by itself, {times} times")
    for output in outcome.outputs:
        if tracebacks := _tracebacks(output):
            count = len(tracebacks)
            console.print(f"[yellow]warning:[/] {count} tracebacks in {output.name}, the first:")
            console.print(escape(tracebacks[0]), soft_wrap=True)
    for wrong in outcome.wrong:
        text = escape(f"{wrong.which}: {wrong.what}")
        console.print(f"[red]{wrong.kind}[/] {text}", soft_wrap=True)


def _figures(outcome: Outcome) -> dict[str, object]:
    acknowledged = {media_id for upload in outcome.uploads for media_id in upload.media_ids}
    recovered_s = outcome.recovered_s
    return {
        "seed": outcome.seed,
        "faults injected": outcome.timeline.injected.total(),
        "images posted": sum(bool(upload.posts) for upload in outcome.uploads),
        "posts repeated": sum(max(0, upload.posts - 1) for upload in outcome.uploads),
        "acknowledged": len(acknowledged),
        "stored": len(outcome.found.receipts),
        **{kind: _count(outcome.wrong, kind) for kind in (LOST, DUPLICATED, TORN, REFUSED)},
        "attempts cut short": outcome.found.cut_short,
        "tracebacks": sum(len(_tracebacks(output)) for output in outcome.outputs),
        "unacknowledged but stored": len(outcome.found.receipts.keys() - acknowledged),
        "unfinished uploads (swept after an hour)": len(outcome.found.unfinished),
        "seconds to recover": "never" if recovered_s is None else f"{recovered_s:.1f}",
    }


def _count(wrong: Iterable[Wrong], kind: str) -> int:
    """How many media, not how many complaints."""
    return len({one.which for one in wrong if one.kind == kind})


def _tracebacks(output: Path) -> list[str]:
    """Each traceback, up to the next line of the console log."""
    text = output.read_text(encoding="utf-8", errors="replace")
    found = text.split(TRACEBACK)[1:] if TRACEBACK in text else []
    return [TRACEBACK + LOG_LINE.split(lines, maxsplit=1)[0].rstrip() for lines in found]
