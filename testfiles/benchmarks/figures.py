"""What the bench found: figures, each beside its reference, and facts about the machine."""

import os
import platform
import time
import timeit
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile

import psutil  # type: ignore[import-untyped]
from rich.table import Table

from runtime.container_limits import usable_cpus

VERDICTS = {None: "", True: "[green]held", False: "[red]missed"}


@dataclass(frozen=True)
class Figure:
    """A value with its unit, and its ratio to a reference of the same run.

    A promise is about the ratio, or about the value where there is no ratio.
    """

    part: str
    name: str
    value: float
    unit: str
    reference: str = ""  # with its value
    ratio: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; None where there is none."""
        judged = self.value if self.ratio is None else self.ratio
        if self.at_least is not None:
            return judged >= self.at_least
        return None if self.at_most is None else judged <= self.at_most


def compared(
    part: str,
    name: str,
    unit: str,
    to: str,
    pairs: Sequence[tuple[float, float]],
    at_least: float | None = None,
) -> Figure:
    """The medians of several rounds, each a value and its reference."""
    value, reference = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(value / other for value, other in pairs)
    return Figure(part, name, value, unit, f"{to}: {short(reference)}", ratio, at_least)


def tables(figures: Sequence[Figure]) -> Iterator[Table]:
    """One for each part."""
    for part in dict.fromkeys(figure.part for figure in figures):
        table = Table(box=None, title=f"\n{part}", title_justify="left", title_style="bold")
        for heading in ("", "figure", "beside", "ratio", "promised", ""):
            table.add_column(heading, justify="right" if heading in ("figure", "ratio") else "left")
        for row in (figure for figure in figures if figure.part == part):
            ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
            least = "" if row.at_least is None else f"at least {row.at_least:g}"
            promise = least if row.at_most is None else f"at most {row.at_most:g}"
            value, verdict = f"{short(row.value)} {row.unit}", VERDICTS[row.holds]
            table.add_row(row.name, value, row.reference, ratio, promise, verdict)
        yield table


def short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def machine(folder: Path) -> dict[str, object]:
    """Facts about the machine, and what an fsync of a small upload costs in folder."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    with TemporaryFile(dir=folder, buffering=0) as file:
        fsyncs_s = timeit.repeat(
            lambda: os.fsync(file.fileno()), lambda: file.write(bytes(80_000)), number=1, repeat=50
        )
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "processor": next(models, platform.processor()),
        "cores": usable_cpus(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "fsync_ms": round(1000 * median(fsyncs_s), 3),
    }
