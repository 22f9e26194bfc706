"""Posts images to a whole stack while its parts are killed, frozen and restarted at random.

Then it compares what was acknowledged with what is stored, as Jepsen does: nothing accepted may
be lost or stored twice.

    make chaos
    make chaos ARGS="--seconds 60 --images 100 --seed 7 --workers 3"
    make chaos ARGS=--compose

Exit status: 0 when all held, 1 when something did not, 2 when the stack did not start.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from faults.answers import ask
from faults.containers import Containers
from faults.deployment import Deployment, FaultMissed
from faults.plan import planned_faults
from faults.processes import Processes
from faults.report import Outcome, show
from faults.timeline import TICK_S, Timeline
from faults.uploads import Clients, planned_uploads
from faults.verdict import verdict
from local_stack.host import StackError, interrupt_on_signals
from local_stack.service import web_trouble

SETTLE_S = 240
QUIET_S = 1  # with nothing pending: an upload may be between two folders


def main() -> int:
    args = _arguments()
    console = Console()
    run_dir = Path(tempfile.mkdtemp(prefix="chaos-"))
    interrupt_on_signals()
    console.print(f"seed {args.seed}, files in {run_dir}")
    status = 2
    try:
        kind = Containers if args.compose else Processes
        with kind(run_dir, args.workers, dict(args.env)) as where:
            outcome = _run(args, where, console)
            status = 1 if outcome.wrong else 0
            show(console, outcome)  # now: its files go when the deployment ends
    except KeyboardInterrupt:
        return 130
    except (StackError, FaultMissed, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
    finally:
        _conclude(console, args, run_dir, keep=args.keep or status != 0)
    return status


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Break a running stack; look for lost images.")
    parser.add_argument("--seconds", type=float, default=180, help="how long faults are injected")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--compose", action="store_true", help="containers instead of processes")
    parser.add_argument("--keep", action="store_true", help="keep the files of a good run, too")
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", type=_setting, help="a setting"
    )
    return parser.parse_args()


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _conclude(console: Console, args: argparse.Namespace, run_dir: Path, *, keep: bool) -> None:
    if not keep:
        shutil.rmtree(run_dir)
        return
    again = f"--seed {args.seed} --seconds {args.seconds:g} --images {args.images}"
    again += f" --workers {args.workers}{' --compose' * args.compose}"
    images = ", uploads/ and storage in its disk*.img" if [*run_dir.glob("disk*.img")] else ""
    console.print(f"The run's files are kept in {run_dir}{images}. The same faults again:")
    console.print(f'    make chaos ARGS="{again}"', soft_wrap=True)


def _run(args: argparse.Namespace, where: Deployment, console: Console) -> Outcome:
    faults = planned_faults(args.seed, args.seconds, args.workers)
    moments = [fault.at_s for fault in faults]
    uploads = planned_uploads(args.seed, args.images, args.seconds, moments)
    timeline = Timeline(where, faults, args.seed)
    clients = Clients(where.url, uploads)
    with Progress(console=console) as progress:
        clients.start()
        task = progress.add_task("acknowledged", total=args.images)

        def tick() -> None:
            progress.update(task, completed=sum(bool(upload.media_ids) for upload in uploads))

        timeline.run(args.seconds, tick)
        timeline.heal()
        recovered_s = _settled(timeline, where, clients, tick)
    media_ids = [media_id for upload in uploads for media_id in upload.media_ids]
    answers = ask(where.url, where.central_url, media_ids)
    found = where.evidence()
    wrong = verdict(found, uploads, answers)
    return Outcome(args.seed, timeline, uploads, found, wrong, where.outputs(), recovered_s)


def _settled(
    timeline: Timeline, where: Deployment, clients: Clients, tick: Callable[[], None]
) -> float | None:
    """Seconds until nothing was pending any more; None if that did not come."""
    healed_at = quiet_since = time.monotonic()
    clients.finish()
    while (now := time.monotonic()) < healed_at + SETTLE_S:
        timeline.supervise()
        tick()
        if clients.busy or not _is_quiet(where):
            quiet_since = time.monotonic()
        elif now - quiet_since > QUIET_S:
            return quiet_since - healed_at
        time.sleep(TICK_S)
    return None


def _is_quiet(where: Deployment) -> bool:
    if web_trouble(where.url) or web_trouble(where.central_url):
        return False
    with suppress(FaultMissed):
        return where.pending() == 0 and where.lost_records() == 0
    return False


if __name__ == "__main__":
    sys.exit(main())
