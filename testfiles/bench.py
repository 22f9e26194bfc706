"""How fast the pipeline is, each figure beside what it could be or would be otherwise.

    make bench
    make bench ARGS=--quick
    make bench ARGS="--only gateway,scaling --photos ~/Pictures"

Results go to the terminal as a table, and to .bench/results.json with the machine's facts. A
promise that is missed is no error: a machine that does something else meanwhile misses some.

Exit status: 0 when all was measured, 1 when a service failed, 2 for a wrong argument.
"""

import argparse
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

from benchmarks import memory, pipeline, queue, scaling, services
from benchmarks.figures import Figure, as_json, machine, tables
from benchmarks.photos import photos, photos_in, small_image
from benchmarks.progress import Meter, meter
from benchmarks.rig import FULL, QUICK, Bench
from local_stack.host import StackError, interrupt_on_signals
from local_stack.stack import ROOT

FOLDER = ROOT / ".bench"
_WIDTH = 140  # where no terminal says
PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "pipeline": pipeline.measure,
    "gateway": services.gateway,
    "central": services.central,
    "memory": memory.measure,
    "scaling": scaling.measure,
    "queue": queue.depth,
    "fairness": queue.fairness,
}


def main() -> int:
    args = _arguments()
    interrupt_on_signals()
    console, started = Console(), time.monotonic()
    if not console.is_terminal:
        console.width = _WIDTH
    FOLDER.mkdir(exist_ok=True)
    facts = {"machine": machine(FOLDER)}
    figures: list[Figure] = []
    status = 0
    try:
        with (
            tempfile.TemporaryDirectory(
                prefix="run-", dir=FOLDER, ignore_cleanup_errors=True
            ) as folder,
            meter(console, len(args.only)) as progress,
        ):
            _measure(args, Path(folder), progress, figures)
    except KeyboardInterrupt:
        status = 130
    except (StackError, OSError, RuntimeError) as error:
        # With Ctrl-C a terminal ends the services as well, and what fails then is no news.
        status = 130 if isinstance(error.__context__, KeyboardInterrupt) else 1
        if status == 1:
            print(f"error: {error}", file=sys.stderr)
    facts["run"] = {
        "quick": args.quick,
        "photos": f"{len(args.photos)} of one's own" if args.photos else "generated",
        "seconds": round(time.monotonic() - started),
        "effort": asdict(QUICK if args.quick else FULL),
    }
    _report(console, facts, figures, args.json)
    return status


def _measure(
    args: argparse.Namespace, folder: Path, progress: Meter, figures: list[Figure]
) -> None:
    progress.doing("preparing images")
    bench = Bench(
        folder,
        QUICK if args.quick else FULL,
        args.photos or photos(),
        small_image(),
        progress.doing,
    )
    for name in args.only:
        figures += PARTS[name](bench)
        progress.part_done()


def _report(
    console: Console, facts: dict[str, dict[str, object]], figures: list[Figure], path: Path
) -> None:
    if not figures:
        return
    console.print(*tables(figures, console.width))
    path.write_text(as_json(facts, figures))
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
        "--photos", type=_photos, metavar="FOLDER", help="one's own photos; default: generated"
    )
    parser.add_argument(
        "--json",
        type=_writable,
        default=str(FOLDER / "results.json"),
        metavar="FILE",
        help="the results",
    )
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(PARTS)}")
    return [name for name in PARTS if name in names]


def _writable(text: str) -> Path:
    """Now, not when all is measured, is the time to say that it is not."""
    path = Path(text).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path}: {error.strerror}") from error
    return path


def _photos(text: str) -> list[bytes]:
    try:
        return photos_in(Path(text).expanduser())
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
