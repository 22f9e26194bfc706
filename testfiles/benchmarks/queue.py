"""What many waiting jobs cost, and how evenly idle workers share a few."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ulid import ULID

from benchmarks import records
from benchmarks.client import Form, Poster, Tail
from benchmarks.figures import Figure, compared
from benchmarks.rig import Bench
from local_stack.stack import Stack
from shared import contract, durable, jobs
from support.services import until

DEPTH, FAIRNESS = "Long queue", "Fairness, 12 large images at once on 3 idle workers"
BATCH = 1000  # media that share a file: file systems limit its links
SPARE = 50  # media, so that the last ones timed have some behind them
IMAGES, WORKERS, PROMISED_MOST = 12, 3, 5


def depth(bench: Bench) -> Iterator[Figure]:
    """Small images a second that one worker takes from the head of a queue.

    It starts for each round, and is timed once it has done as many: by then it has compared the
    queue with pending/ as well, which takes it about a second and happens once a minute.
    """
    waiting, rates = bench.effort.waiting, []
    with bench.product() as long, bench.product() as short:
        for stack in (long, short):
            stack["worker-1"].stop()
        bench.doing(f"queue depth, making {waiting} jobs")
        _fill(long, bench.small, waiting)
        for number in range(1, bench.effort.rounds + 1):
            bench.doing(f"queue depth, round {number} of {bench.effort.rounds}")
            order = (short, long) if number % 2 else (long, short)
            found = {stack.url: _rate(stack, bench) for stack in order}
            rates.append((found[long.url], found[short.url]))
    name = f"small images, {waiting} more behind them"
    yield compared(DEPTH, name, "a second", "none behind them", rates, at_least=0.9)


def _rate(stack: Stack, bench: Bench) -> float:
    """Of a worker that starts on these, or on as many that wait before them."""
    images = bench.effort.queued
    _fill(stack, bench.small, 2 * images + SPARE)
    tail = Tail(stack.activity_log)
    stack["worker-1"].start()
    tail.wait(2 * images, lambda done: bench.doing("", done, 2 * images))
    stack["worker-1"].stop()
    timed = tail.lines[images - 1 : 2 * images]
    return images / (timed[-1].seen_at - timed[0].seen_at)


def _fill(stack: Stack, content: bytes, number: int) -> None:
    """Queue media as the gateway leaves them, but for fsyncs and for pixels of their own."""
    asyncio.run(_pend(stack, content, number))
    os.sync()  # or what is measured next pays for it


async def _pend(stack: Stack, content: bytes, number: int) -> None:
    redis = jobs.connect(stack.redis_url, contract.WATERMARK_QUEUE, timeout_s=60, retries=1)
    for start in range(0, number, BATCH):
        original = stack.upload_dir / f"original-{ULID()}"
        original.write_bytes(content)
        media_ids = [_media(stack.upload_dir, original) for _ in range(min(BATCH, number - start))]
        original.unlink()
        await jobs.enqueue(redis, [(each, contract.Stage.WATERMARK, 1) for each in media_ids])
    await redis.aclose(close_connection_pool=True)


def _media(uploads: Path, original: Path) -> str:
    """The id of a new one in pending/."""
    media_id = str(ULID())
    folder = uploads / contract.PENDING / media_id
    folder.mkdir()
    name = f"{media_id}.jpg"
    (folder / name).hardlink_to(original)
    record = {
        "media_id": media_id,
        "filename": name,
        "content_type": "image/jpeg",
        "size": original.stat().st_size,
        "sha256": "",
        "width": None,
        "height": None,
        "received_at": contract.timestamp(datetime.now(UTC)),
        "format_version": 1,
    }
    durable.write_json(folder / contract.MEDIA_RECORD, record, fsync=False)
    return media_id


def fairness(bench: Bench) -> Iterator[Figure]:
    """The most that any of some idle workers does of some large images posted at once."""
    watermarked, delivered = 0, 0
    with bench.product(WORKERS=str(WORKERS)) as stack:
        for number in range(1, bench.effort.rounds + 1):
            bench.doing(f"fairness, round {number} of {bench.effort.rounds}")
            tail, before = Tail(stack.activity_log), _counts(stack)
            with Poster(f"{stack.url}/media", IMAGES) as poster:
                poster.post_all([Form.of(bench.large)] * IMAGES)
                tail.wait(IMAGES)
            until(lambda: not any((stack.upload_dir / contract.PENDING).iterdir()))
            watermarked = max(watermarked, *(_counts(stack) - before).values())
            delivered = max(delivered, *Counter(line.worker for line in tail.lines).values())
    evenly = f"evenly: {IMAGES / WORKERS:g}"
    for did, most in (("watermarked", watermarked), ("delivered", delivered)):
        name = f"the most that one {did}"
        yield Figure(FAIRNESS, name, most, "images", evenly, at_most=PROMISED_MOST)


def _counts(stack: Stack) -> Counter[str]:
    """How many each worker has watermarked."""
    return Counter({worker: len(ends) for worker, ends in records.watermarked(stack).items()})
