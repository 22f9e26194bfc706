"""What the bench found: figures, each beside its reference, as a table and as JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

HEADINGS = ("", "figure", "beside", "ratio", "promised", "")


@dataclass(frozen=True)
class Figure:
    """value in unit; ratio is to the reference of the same run, which is named with its value.

    promise says what is promised of the ratio where there is one, else of the value.
    """

    part: str
    name: str
    value: float
    unit: str
    reference: str = ""
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    rounds: tuple[tuple[float, float], ...] = ()  # each the value and its reference

    @property
    def judged(self) -> float:
        return self.value if self.ratio is None else self.ratio

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; None where there is none."""
        if self.at_least is not None:
            return self.judged >= self.at_least
        return None if self.at_most is None else self.judged <= self.at_most

    @property
    def promise(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"


def compared(
    part: str, name: str, unit: str, to: str, pairs: Sequence[tuple[float, float]], **promise: float
) -> Figure:
    """The figure of rounds, each a value and its reference: medians, the ratio's as well."""
    value = statistics.median(value for value, _ in pairs)
    reference = statistics.median(other for _, other in pairs)
    ratio = statistics.median(value / other for value, other in pairs)
    return Figure(
        part, name, value, unit, f"{to}: {short(reference)}", ratio, rounds=tuple(pairs), **promise
    )


def tables(figures: Sequence[Figure], room: int) -> Iterator[Table]:
    """One for each part; where there is room for that, with their columns below each other."""
    rows = [HEADINGS, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fits = sum(widths) + 2 * len(widths) <= room
    for part in dict.fromkeys(figure.part for figure in figures):
        shown = Table(box=None, title=f"\n{part}", title_justify="left", title_style="bold")
        for heading, width in zip(HEADINGS, widths, strict=True):
            justify: JustifyMethod = "right" if heading in ("figure", "ratio") else "left"
            shown.add_column(heading, justify=justify, min_width=width if fits else None)
        for figure in figures:
            if figure.part == part:
                style = {None: "", True: "green", False: "red"}[figure.holds]
                *cells, verdict = _row(figure)
                shown.add_row(*cells, Text(verdict, style))
        yield shown


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        f"{short(figure.value)} {figure.unit}",
        figure.reference,
        "" if figure.ratio is None else f"{figure.ratio:.3g}",
        figure.promise,
        {None: "", True: "held", False: "missed"}[figure.holds],
    )


def as_json(facts: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    results = [{**asdict(figure), "holds": figure.holds} for figure in figures]
    return json.dumps({**facts, "figures": results}, indent=1) + "\n"


def machine(folder: Path) -> dict[str, Any]:
    """The machine's facts, and what an fsync costs in folder."""
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "fsync_ms": round(1000 * _fsync_s(folder), 3),
    }


def cores() -> int:
    """Those this process may use."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


def short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _fsync_s(folder: Path) -> float:
    """The median of writing and fsyncing 80 KB, as a small upload does."""
    path, seconds = folder / "fsync.try", []
    for _ in range(50):
        with path.open("wb") as file:
            file.write(bytes(80_000))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - started)
    path.unlink()
    return statistics.median(seconds)
