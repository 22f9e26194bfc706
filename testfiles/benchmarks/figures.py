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

    @property
    def promise(self) -> str:
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"


def compared(
    part: str, name: str, unit: str, to: str, pairs: Sequence[tuple[float, float]], **promise: float
) -> Figure:
    """The medians of several rounds, each a value and its reference."""
    value, reference = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(value / other for value, other in pairs)
    return Figure(part, name, value, unit, f"{to}: {short(reference)}", ratio, **promise)


def tables(figures: Sequence[Figure]) -> Iterator[Table]:
    """One for each part."""
    for part in dict.fromkeys(figure.part for figure in figures):
        table = Table("", box=None, title=f"\n{part}", title_justify="left", title_style="bold")
        table.add_column("figure", justify="right")
        table.add_column("beside")
        table.add_column("ratio", justify="right")
        table.add_column("promised")
        table.add_column("")
        for figure in figures:
            if figure.part == part:
                value = f"{short(figure.value)} {figure.unit}"
                ratio = "" if figure.ratio is None else f"{figure.ratio:.3g}"
                verdict = VERDICTS[figure.holds]
                table.add_row(figure.name, value, figure.reference, ratio, figure.promise, verdict)
        yield table


def short(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def machine(folder: Path) -> dict[str, object]:
    """Facts about the machine, and what an fsync costs in folder."""
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "processor": _processor(),
        "cores": usable_cpus(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 2),
        "fsync_ms": round(_fsync_ms(folder), 3),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def _fsync_ms(folder: Path) -> float:
    """The median of fsyncs after 80 KB each, as of small uploads."""
    with TemporaryFile(dir=folder, buffering=0) as file:
        seconds = timeit.repeat(
            lambda: os.fsync(file.fileno()), lambda: file.write(bytes(80_000)), number=1, repeat=50
        )
    return 1000 * median(seconds)
