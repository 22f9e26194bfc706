"""How fast the pipeline is, each figure beside what it could be or would be otherwise.

    make bench
    make bench ARGS=--quick
    make bench ARGS="--only gateway,scaling --photos ~/Pictures"

Results go to the terminal as a table, and to .bench/results.json with the machine's facts. A
promise that is missed is no error: it is missed where the machine does something else meanwhile.

Exit status: 0 when all was measured, 1 when a service failed, 2 for a wrong argument.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.extend(
    str(Path(__file__).resolve().parent.parent / service)
    for service in ("fast-server", "worker-server", "central-server")
)

from rich.console import Console
from rich.progress import Progress

from benchmarks import listing, memory, pipeline, services, workers
from benchmarks.figures import Figure, machine, tables
from benchmarks.rig import FULL, QUICK, Bench, photos, photos_in, small_image
from local_stack.host import StackError, interrupt_on_signals
from local_stack.stack import ROOT

FOLDER = ROOT / ".bench"
WIDTH = 140  # where no terminal says
PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "pipeline": pipeline.measure,
    "gateway": services.gateway,
    "central": services.central,
    "memory": memory.measure,
    "scaling": workers.scaling,
    "queue": workers.depth,
    "fairness": workers.fairness,
    "lists": listing.measure,
}


def main() -> int:
    args = _arguments()
    interrupt_on_signals()
    console = Console(log_path=False, width=None if sys.stdout.isatty() else WIDTH)
    FOLDER.mkdir(exist_ok=True)
    facts, started, status = machine(FOLDER), time.monotonic(), 0
    figures: list[Figure] = []
    try:
        with (
            tempfile.TemporaryDirectory(
                prefix="run-", dir=FOLDER, ignore_cleanup_errors=True
            ) as folder,
            Progress(console=console, transient=True) as progress,
        ):
            console.log("preparing images")
            images = args.photos or photos(), small_image()
            effort = QUICK if args.quick else FULL
            effort = effort._replace(listed=args.listed or effort.listed)
            bench = Bench(Path(folder), effort, *images, console.log)
            for name in progress.track(args.only):
                figures += PARTS[name](bench)
    except KeyboardInterrupt:
        status = 130
    except (StackError, OSError, RuntimeError) as error:  # RuntimeError: a broken process pool
        # With Ctrl-C a terminal ends the services as well, and what fails then is no news.
        status = 130 if isinstance(error.__context__, KeyboardInterrupt) else 1
        if status == 1:
            print(f"error: {error}", file=sys.stderr)
    run = {
        "quick": args.quick,
        "photos": f"{len(args.photos)} of one's own" if args.photos else "generated",
        "seconds": round(time.monotonic() - started),
    }
    if figures:
        _report(console, {"machine": facts, "run": run}, figures)
    return status


def _report(console: Console, facts: dict[str, object], figures: list[Figure]) -> None:
    rows = [{**asdict(figure), "holds": figure.holds} for figure in figures]
    path = FOLDER / "results.json"
    path.write_text(json.dumps({**facts, "figures": rows}, indent=1) + "\n")
    console.print(*tables(figures))
    console.print(f"With the machine's facts: {path}", soft_wrap=True, highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure the pipeline and each of its services.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, in two minutes")
    parser.add_argument(
        "--only", type=_parts, default=",".join(PARTS), metavar="PART,...", help="these parts"
    )
    parser.add_argument(
        "--photos", type=photos_in, metavar="FOLDER", help="your own photos; default: generated"
    )
    parser.add_argument(
        "--listed", type=int, metavar="N", help="so many media in lists, as in 1000000"
    )
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


if __name__ == "__main__":
    sys.exit(main())
