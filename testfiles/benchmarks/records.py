"""Who watermarked what, by the media's own records: the log names who delivered it."""

import json
from collections import defaultdict
from contextlib import suppress
from datetime import datetime

from local_stack.stack import Stack


def watermarked(stack: Stack) -> dict[str, list[float]]:
    """When each worker finished an image, in order."""
    found = defaultdict[str, list[float]](list)
    # In the order in which a media moves: one that does meanwhile is seen twice, not missed.
    records = {
        path.parent.name: path
        for state in ("pending", "done")
        for path in (stack.upload_dir / state).glob("*/progress.json")
    }
    for path in records.values():
        with suppress(FileNotFoundError):  # it moved on just now
            for attempt in json.loads(path.read_bytes())["attempts"]:
                if attempt["stage"] == "watermark" and attempt["ended_at"] and not attempt["error"]:
                    ended = datetime.fromisoformat(attempt["ended_at"]).timestamp()
                    found[attempt["worker"]].append(ended)
    return {worker: sorted(times) for worker, times in found.items()}
