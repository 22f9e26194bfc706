"""The smoke client: posts generated images to a running deployment, checks every result, and
removes what it posted.

    python testfiles/test.py --url http://localhost:8000 --central http://localhost:8003

It does not know the deployment's settings. So a logo may have any place, size and opacity, and the
result any format. But the result is the same image with something on it, in the same place on all.

Exit status: 0 when all held, 1 when something did not, 2 when a service cannot be reached.
"""

import argparse
import hashlib
import json
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, reduce
from io import BytesIO
from typing import Any

import httpx
from PIL import Image, ImageChops, ImageOps
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from local_stack.host import interrupt_on_signals
from support import images

FORMATS: dict[str, tuple[str, Callable[..., bytes]]] = {
    "JPEG": ("jpg", images.jpeg),
    "PNG": ("png", partial(images.png, alpha=True)),
    "WEBP": ("webp", images.webp),
    "GIF": ("gif", images.gif),
}
LOG_LINE = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] WORKER: (.+) \| IMAGE: (.+)")
# Upright, as hardly a logo is: so no logo fills them. The smaller ones are tried where
# MAX_UPLOAD_MB or MAX_MEGAPIXELS refuses the first.
SIZES = ((150, 400), (75, 200), (30, 80), (15, 40))
TOO_LARGE = ("upload_too_large", "too_many_pixels")
MCU = 16  # a JPEG's blocks change as a whole
# The image is compared as it looks from afar, where OUTPUT_QUALITY=1 is no worse: so many pixels
# across. A pixel outside the logo differs by less than ALIKE of 255; at least this share does.
AFAR, ALIKE, LEAST_ALIKE = 8, 40, 0.25
Box = tuple[int, int, int, int]


@dataclass
class Trial:
    """One image, what the gateway says about it, and what is wrong with it."""

    name: str
    image_format: str
    number: int
    content: bytes = b""
    media_id: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    changed: Box | None = None  # the only part that changed, where there is one
    complaint: str = ""

    def row(self) -> dict[str, Any]:
        stored, attempts = self.record.get("stored"), self.record.get("attempts")
        start, end = self.record.get("received_at"), (stored or {}).get("stored_at")
        return {
            "name": self.name,
            "format": self.image_format,
            "status": self.record.get("status", ""),
            "worker": attempts[-1]["worker"] if attempts else "",
            "seconds": between(start, end) if start and end else "",
            "result": self.complaint or "ok",
        }


def between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def post(http: httpx.Client, url: str, trial: Trial, seconds: float) -> None:
    """Upload: again where the gateway asks to wait, and smaller where it is too large."""
    deadline, sizes = time.monotonic() + seconds, iter(SIZES)
    _, generate = FORMATS[trial.image_format]
    trial.content = generate(trial.number, next(sizes))
    while True:
        key = {"Idempotency-Key": f'"{trial.name}-{len(trial.content)}"'}
        files = {"file": (trial.name, trial.content)}
        answer = http.post(f"{url}/media", files=files, headers=key)
        if answer.status_code == 503 and time.monotonic() < deadline:
            time.sleep(int(answer.headers["Retry-After"]))
        elif code_of(answer) in TOO_LARGE and (size := next(sizes, None)):
            trial.content = generate(trial.number, size)
        else:
            break
    if answer.status_code == 202:
        trial.media_id = answer.json()["media_id"]
    else:
        trial.complaint = f"upload answered {answer.status_code}: {answer.text}"


def code_of(answer: httpx.Response) -> str:
    """The code of a problem document."""
    is_problem = "problem+json" in answer.headers.get("Content-Type", "")
    return str(answer.json().get("code")) if is_problem else ""


def wait(http: httpx.Client, args: argparse.Namespace, trial: Trial) -> None:
    """Ask until the image is stored or has failed, or the time is over."""
    deadline = time.monotonic() + args.timeout
    while trial.media_id and trial.record.get("status") not in ("stored", "failed"):
        answer = http.get(f"{args.url}/media/{trial.media_id}")
        trial.record = answer.json() if answer.is_success else trial.record
        if answer.status_code == 404:  # KEEP_ORIGINALS_DAYS is short: central has it
            receipt = http.get(f"{args.central}/media/{trial.media_id}/receipt")
            stored = {"status": "stored", "stored": receipt.json()}
            trial.record = stored if receipt.is_success else trial.record
        if time.monotonic() > deadline:
            trial.complaint = f"not stored after {args.timeout:g} s"
            return
        time.sleep(0.05)
    if error := trial.record.get("error"):
        trial.complaint = f"{error['code']}: {error['detail']}"


def result_complaint(http: httpx.Client, central: str, trial: Trial, log: list[str]) -> str:
    """What is wrong with the stored image or its line in the log; empty where nothing is."""
    answer = http.get(f"{central}/media/{trial.media_id}")
    if not answer.is_success:
        return f"central answered {answer.status_code}: {answer.text}"
    if hashlib.sha256(answer.content).hexdigest() != trial.record["stored"]["sha256"]:
        return "sha256 is not the record's"
    stored_name, worker = trial.record["stored"]["name"], trial.row()["worker"].replace("|", "_")
    lines = [line for line in log if line.endswith(f" IMAGE: {stored_name}")]
    entry = LOG_LINE.fullmatch(lines[0]) if len(lines) == 1 else None
    if entry is None or entry[1] != (worker or entry[1]):
        return f"not one line of {worker} in the log, but {lines}"
    notes = (trial.record.get("watermarked") or {}).get("notes")  # LOGO_MIN_IMAGE, say
    return watermark_complaint(trial, answer, passes_unmarked=bool(notes))


def watermark_complaint(
    trial: Trial, answer: httpx.Response, *, passes_unmarked: bool = False
) -> str:
    """What is wrong with the watermark, or with the rest of the image, which must be the same."""
    before, after = Image.open(BytesIO(trial.content)), Image.open(BytesIO(answer.content))
    sent_as = answer.headers["Content-Type"]
    if sent_as != Image.MIME.get(after.format or ""):
        return f"what is sent as {sent_as} is {after.format}"
    seen = [ImageOps.exif_transpose(image) for image in (before, after)]
    if seen[0].size != seen[1].size:
        return f"{seen[0].size} became {seen[1].size}"
    changed = difference(*seen)
    if not changed.getbbox(alpha_only=False):
        return "" if passes_unmarked else "no watermark to be seen"
    alike = share_below(ALIKE, changed.reduce(max(1, changed.width // AFAR)))
    if alike < LEAST_ALIKE:
        return f"it is another image: {alike:.0%} of it is as it was"
    if share_below(1, changed) > LEAST_ALIKE:  # or it was encoded anew, with some loss everywhere
        trial.changed = changed.getbbox(alpha_only=False)
    return ""


def difference(before: Image.Image, after: Image.Image) -> Image.Image:
    """Per pixel, as a person sees it: nothing where both are invisible, and over white where
    one format has no transparency."""
    pictures = [image.convert("RGBA") for image in (before, after)]
    if not after.has_transparency_data:
        white = Image.new("RGBA", before.size, "white")
        pictures = [Image.alpha_composite(white, picture) for picture in pictures]
    return ImageChops.difference(*(picture.convert("RGBa") for picture in pictures))


def share_below(level: int, changed: Image.Image) -> float:
    """The share of pixels that changed by less than level in all channels."""
    strongest = reduce(ImageChops.lighter, changed.split())
    return sum(strongest.histogram()[:level]) / (changed.width * changed.height)


def complain_of_strays(trials: Iterable[Trial]) -> None:
    """Images of the same size have their logo in the same place; complain of those that do not."""
    marked = [(trial, size_of(trial), trial.changed) for trial in trials if trial.changed]
    for trial, size, box in marked:
        others = [other for t, its_size, other in marked if t is not trial and its_size == size]
        if len(others) > 1 and not lies_within(box, others):
            trial.complaint = f"changed in {box}, where no other is: {others}"


def lies_within(box: Box, others: list[Box]) -> bool:
    lefts, tops, rights, bottoms = zip(*others, strict=True)
    starts, ends = (min(lefts) - MCU, min(tops) - MCU), (max(rights) + MCU, max(bottoms) + MCU)
    return all(s <= b for s, b in zip(starts + box[2:], box[:2] + ends, strict=True))


def size_of(trial: Trial) -> tuple[int, int]:
    return Image.open(BytesIO(trial.content)).size


def run(args: argparse.Namespace, console: Console) -> list[Trial]:
    """Post all, wait for all, check all. Whatever happens, remove all."""
    run_id = secrets.token_hex(4)
    trials = [
        Trial(f"smoke-{run_id}-{number}.{extension}", image_format, number)
        for number in range(max(1, args.count))
        for image_format, (extension, _) in FORMATS.items()
    ]
    verify = httpx.create_ssl_context()  # by SSL_CERT_FILE, too
    with (
        httpx.Client(timeout=30, trust_env=False, verify=verify) as http,
        Progress(console=console) as progress,
    ):
        for service in (args.url, args.central):
            http.get(f"{service}/ready").raise_for_status()
        try:
            for trial in progress.track(trials, description="posted"):
                post(http, args.url, trial, args.timeout)
            for trial in progress.track(trials, description="ended"):
                wait(http, args, trial)
            check(http, args, progress.track(trials, description="checked"))
            complain_of_strays(trials)
        finally:
            if not args.keep:
                for trial in progress.track(trials, description="removed"):
                    remove(http, args, trial)
    return trials


def check(http: httpx.Client, args: argparse.Namespace, trials: Iterable[Trial]) -> None:
    log = http.get(f"{args.central}/activity", params={"tail": 100_000}).text.splitlines()
    for trial in trials:
        trial.complaint = trial.complaint or result_complaint(http, args.central, trial, log)


def remove(http: httpx.Client, args: argparse.Namespace, trial: Trial) -> None:
    """Delete the media here and at central, once it has ended."""
    if trial.content and not trial.media_id and not trial.complaint:
        post(http, args.url, trial, args.timeout)  # Ctrl-C came before the answer, which has its id
    if not trial.media_id:
        return
    if not trial.complaint:  # on Ctrl-C it may still be on its way
        wait(http, args, trial)
    answer = http.delete(f"{args.url}/media/{trial.media_id}")
    if answer.status_code not in (204, 404):
        left = f"{trial.media_id} stays there, for its removal answered {answer.text}"
        trial.complaint = "; ".join(filter(None, (trial.complaint, left)))
        print(left, file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description="Post images to a deployment, check each result.")
    parser.add_argument("--url", default="http://localhost:8000", help="fast-server")
    parser.add_argument("--central", default="http://localhost:8003", help="central-server")
    parser.add_argument("--count", type=int, default=1, help="images of each format")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for an image")
    parser.add_argument("--keep", action="store_true", help="remove nothing, to look at it")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    args = parser.parse_args()
    interrupt_on_signals()
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
