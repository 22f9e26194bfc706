"""Lists of very many media: how fast the index is made, with uploads beside it, and pages."""

import json
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil  # type: ignore[import-untyped]
from ulid import ULID

from benchmarks.client import form, post_all
from benchmarks.figures import Figure, short
from benchmarks.rig import MB, Bench
from local_stack.stack import Stack
from shared.contract import FAILURE_CODES, MEDIA_RECORD, PROGRESS_RECORD, timestamp
from shared.records import new_progress
from shared.spool import Spool
from support.images import jpeg

PART = "Very many media"
STATES = {"done": 95, "failed": 4, "pending": 1}  # in percent
LEAST_A_SECOND = 1_000_000 / 600  # a million in ten minutes
UPLOADS_AT_ONCE = 400
PAGES = 500


def measure(bench: Bench) -> Iterator[Figure]:
    """The gateway starts with the folders of so many media, and without an index."""
    number, stack = bench.effort.listed, bench.product(WORKERS="0", MAX_QUEUE_DEPTH="10000000")
    bench.doing(f"lists, making {number} media")
    batches = fill(stack.upload_dir, number)
    bench.doing("lists, reading the folders")
    with stack:
        seconds = _until_complete(stack)
        yield _rate("the index made, nothing else to do", number / seconds)
        bench.doing("lists, reading the folders beside uploads")
        shutil.rmtree(stack.upload_dir / ".index")
        began, during = time.monotonic(), [_uploads_a_second(stack)]
        while not _page(stack)["complete"]:
            during.append(_uploads_a_second(stack))
        yield _rate("the index made beside uploads", number / (time.monotonic() - began))
        after = median(_uploads_a_second(stack) for _ in range(5))
        beside, ratio = f"without: {short(after)}", median(during) / after
        yield Figure(PART, "uploads beside it", median(during), "a second", beside, ratio, 0.8)
        bench.doing("lists, pages")
        pages_ms = _pages_ms(stack, batches)
        yield Figure(PART, f"a page of {number}, p50", median(pages_ms), "ms")
        p99 = quantiles(pages_ms, n=100)[-1]
        yield Figure(PART, f"a page of {number}, p99", p99, "ms", at_most=20)
        used = psutil.Process(stack["gateway"].pid).memory_info().rss / MB
        yield Figure(PART, f"gateway's memory with {number}", used, "MB", at_most=160)


def _rate(name: str, a_second: float) -> Figure:
    return Figure(PART, name, a_second, "media a second", at_least=LEAST_A_SECOND)


def fill(uploads: Path, number: int) -> list[str]:
    """Folders of media as the services leave them, of the last 30 days. Returns their batches."""
    Spool(uploads).prepare()
    chance, now_ms = random.Random(1), int(time.time() * 1000)
    batches = [str(ULID()) for _ in range(max(1, number // 1000))]
    for n in range(number):
        ms = now_ms - (number - n) * 30 * 86_400_000 // number
        media_id = str(ULID.from_int((ms << 80) | chance.getrandbits(80)))
        [state] = chance.choices(list(STATES), list(STATES.values()))
        folder = f"{uploads}/{state}/{media_id}"
        Path(folder).mkdir()
        record, progress = _records(media_id, state, n, chance.choice(batches))
        for name, content in ((MEDIA_RECORD, record), (PROGRESS_RECORD, progress)):
            with open(f"{folder}/{name}", "w") as file:
                json.dump(content, file)
    return batches


def _records(
    media_id: str, state: str, n: int, batch: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    at, name = timestamp(ULID.from_str(media_id).datetime), f"IMG_{n % 10_000:04}.jpg"
    record = {
        "media_id": media_id,
        "filename": name,
        "content_type": "image/jpeg",
        "size": 77_000 + n % 1000,
        "sha256": f"{n:064x}",
        "width": 320,
        "height": 240,
        "received_at": at,
        "format_version": 1,
        "ref": f"album/{n}",
        "batch": batch,
    }
    attempt = {"stage": "watermark", "worker": "w", "started_at": at, "ended_at": at, "error": None}
    status = {"done": "stored", "failed": "failed", "pending": "watermarked"}[state]
    progress = {**new_progress(), "status": status, "attempts": [attempt], "filename": name}
    if state == "failed":
        progress["error"] = {"code": FAILURE_CODES[n % 7], "detail": "It did not work."}
    return record, progress


def _until_complete(stack: Stack) -> float:
    began = time.monotonic()
    while not _page(stack)["complete"]:
        time.sleep(0.05)
    return time.monotonic() - began


def _uploads_a_second(stack: Stack) -> float:
    forms = [form(jpeg(size=(64, 48)))] * UPLOADS_AT_ONCE
    return UPLOADS_AT_ONCE / post_all(f"{stack.url}/media", forms)


def _page(stack: Stack) -> dict[str, Any]:
    with closing(HTTPConnection(urlsplit(stack.url).netloc)) as connection:
        connection.request("GET", "/media?limit=1")
        page: dict[str, Any] = json.load(connection.getresponse())
        return page


def _pages_ms(stack: Stack, batches: list[str]) -> list[float]:
    """Of all kinds of query, at any depth."""
    chance, taken = random.Random(2), list[float]()
    with closing(HTTPConnection(urlsplit(stack.url).netloc)) as connection:
        for _ in range(PAGES):
            query = urlencode(_anything(chance, batches))
            began = time.perf_counter()
            connection.request("GET", f"/media?{query}")
            answer = connection.getresponse()
            answer.read()
            taken.append(1000 * (time.perf_counter() - began))
            assert answer.status == 200, query
    return taken


def _anything(chance: random.Random, batches: list[str]) -> dict[str, str]:
    back_ms = chance.randrange(30 * 86_400_000)
    deep = str(ULID.from_int((int(time.time() * 1000) - back_ms) << 80))
    query = {
        "state": chance.choice(list(STATES)),
        "status": chance.choice(["stored", "failed", "queued"]),
        "code": chance.choice(FAILURE_CODES[:7]),
        "batch": chance.choice(batches),
        "ref": f"album/{chance.randrange(100)}",
        "name": chance.choice(["i", "IMG_", "img_0", "img_00", "img_123", "IMG_0042.jpg", "x"]),
        "after": deep,
        "order": "oldest",
    }
    return {name: value for name, value in query.items() if chance.random() < 0.25}
