"""The smoke client: posts generated images to a running deployment and checks every result.

    python testfiles/test.py --url http://localhost:8000 --central http://localhost:8003

Exit status: 0 when all held, 1 when something did not, 2 when a service cannot be reached.
"""

import argparse
import hashlib
import json
import math
import re
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, reduce
from io import BytesIO
from typing import Any

import httpx
from PIL import Image, ImageChops, ImageOps, ImageStat
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from support import images

FORMATS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "JPEG": ("jpg", images.jpeg),
    "PNG": ("png", partial(images.png, alpha=True)),
    "WEBP": ("webp", images.webp),
    "GIF": ("gif", images.gif),
}
LOG_LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] WORKER: (.+) \| IMAGE: (.+)")
MARGIN, SHARE, MCU = 10, 0.2, 16
VISIBLE = 32  # of 255
POSTS = 4


@dataclass
class Trial:
    """One image on its way, what the gateway says of it, and what is wrong with it."""

    name: str
    image_format: str
    content: bytes
    media_id: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    complaint: str = ""

    def row(self) -> dict[str, Any]:
        stored, attempts = self.record.get("stored"), self.record.get("attempts")
        return {
            "name": self.name,
            "format": self.image_format,
            "status": self.record.get("status", ""),
            "worker": attempts[-1]["worker"] if attempts else "",
            "seconds": between(self.record["received_at"], stored["stored_at"]) if stored else "",
            "result": self.complaint or "ok",
        }


def between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def post(http: httpx.Client, url: str, trial: Trial) -> None:
    """Upload, and again a few times where the gateway asks for patience."""
    for _ in range(POSTS):
        answer = http.post(f"{url}/media", files={"file": (trial.name, trial.content)})
        if answer.status_code != 503:
            break
        time.sleep(int(answer.headers["Retry-After"]))
    if answer.status_code == 202:
        trial.media_id = answer.json()["media_id"]
    else:
        trial.complaint = f"upload answered {answer.status_code}: {answer.text}"


def wait(http: httpx.Client, url: str, trial: Trial, seconds: float) -> None:
    """Ask until the image is stored or has failed, or the time is over."""
    deadline = time.monotonic() + seconds
    while trial.media_id and trial.record.get("status") not in ("stored", "failed"):
        answer = http.get(f"{url}/media/{trial.media_id}")
        trial.record = answer.json() if answer.is_success else trial.record
        if time.monotonic() > deadline:
            trial.complaint = f"not stored after {seconds:g} s"
            return
        time.sleep(0.05)
    if error := trial.record.get("error"):
        trial.complaint = f"{error['code']}: {error['detail']}"


def result_complaint(http: httpx.Client, central: str, trial: Trial, log: list[str]) -> str:
    """What is wrong with the stored image or its line in the log; nothing, one hopes."""
    answer = http.get(f"{central}/media/{trial.media_id}")
    if not answer.is_success:
        return f"central answered {answer.status_code}: {answer.text}"
    if hashlib.sha256(answer.content).hexdigest() != trial.record["stored"]["sha256"]:
        return "sha256 is not the record's"
    stored_name, worker = trial.record["stored"]["name"], trial.row()["worker"]
    lines = [line for line in log if stored_name in line]
    entry = LOG_LINE.fullmatch(lines[0]) if len(lines) == 1 else None
    if entry is None or entry.groups() != (worker, stored_name):
        return f"not one line of {worker} in the log, but {lines}"
    return watermark_complaint(trial.content, answer.content)


def watermark_complaint(original: bytes, marked: bytes) -> str:
    """What is wrong with the watermark: it lies in the box top right, and only there."""
    before, after = Image.open(BytesIO(original)), Image.open(BytesIO(marked))
    if (before.format, before.size) != (after.format, after.size):
        return f"{before.format} {before.size} became {after.format} {after.size}"
    changed = difference(before, after)
    right, bottom = changed.width - MARGIN, MARGIN + math.ceil(SHARE * changed.height)
    left, top = right - math.ceil(SHARE * changed.width), MARGIN
    if highest(changed.crop((left, top, right, bottom))) < VISIBLE:
        return "no watermark to be seen"
    grown = MCU if before.format == "JPEG" else 0  # its blocks change as a whole
    changed.paste((0, 0, 0, 0), (left - grown, top - grown, right + grown, bottom + grown))
    if before.format == "JPEG":
        return recompression_complaint(changed)
    return f"changed outside the box, by {highest(changed)} of 255" if highest(changed) else ""


def recompression_complaint(changed: Image.Image) -> str:
    mean = max(ImageStat.Stat(changed).mean)
    strongest = reduce(ImageChops.lighter, changed.split())
    outliers = sum(strongest.histogram()[VISIBLE:]) / (changed.width * changed.height)
    if mean < 1 and outliers < 0.0002:
        return ""
    return f"changed outside the box, by {mean:.2f} of 255, {outliers:.3%} by {VISIBLE} or more"


def difference(before: Image.Image, after: Image.Image) -> Image.Image:
    """Of the pixels as a person sees them: upright, and nothing where both are invisible."""
    seen = [ImageOps.exif_transpose(i).convert("RGBA").convert("RGBa") for i in (before, after)]
    return ImageChops.difference(*seen)


def highest(image: Image.Image) -> int:
    return max(high for _, high in ImageStat.Stat(image).extrema)


def run(args: argparse.Namespace, console: Console) -> list[Trial]:
    """Post all, wait for all, then check all."""
    run_id = secrets.token_hex(4)
    trials = [
        Trial(f"smoke-{run_id}-{number}.{extension}", image_format, generate(number))
        for number in range(max(1, args.count))
        for image_format, (extension, generate) in FORMATS.items()
    ]
    with httpx.Client(timeout=30) as http, Progress(console=console) as progress:
        for service in (args.url, args.central):
            http.get(f"{service}/ready").raise_for_status()
        for trial in progress.track(trials, description="posted"):
            post(http, args.url, trial)
        for trial in progress.track(trials, description="ended"):
            wait(http, args.url, trial, args.timeout)
        log = http.get(f"{args.central}/activity", params={"tail": 100_000}).text.splitlines()
        for trial in progress.track(trials, description="checked"):
            trial.complaint = trial.complaint or result_complaint(http, args.central, trial, log)
    return trials


def main() -> int:
    parser = argparse.ArgumentParser(description="Post images to a deployment, check each result.")
    parser.add_argument("--url", default="http://localhost:8000", help="fast-server")
    parser.add_argument("--central", default="http://localhost:8003", help="central-server")
    parser.add_argument("--count", type=int, default=1, help="images of each format")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for an image")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    args = parser.parse_args()
    args.url, args.central = args.url.rstrip("/"), args.central.rstrip("/")
    try:
        rows = [trial.row() for trial in run(args, Console(stderr=args.json))]
    except KeyboardInterrupt:
        return 130
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        where = error.request.url if isinstance(error, httpx.HTTPError) else "address"
        to_do = "Start it with make run or make up, or say where it is with --url and --central."
        print(f"error: {where}: {reason}. {to_do}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        table = Table(*rows[0])
        for row in rows:
            style = "" if row["result"] == "ok" else "red"
            table.add_row(*(escape(str(value)) for value in row.values()), style=style)
        Console().print(table)
    return 0 if all(row["result"] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
