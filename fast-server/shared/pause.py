"""Whether the workers pause: a file in the uploads folder, so that an empty Redis changes nothing.

While it is there uploads are taken, and workers finish what they have and take no more.
"""

import json
import os
from datetime import datetime
from pathlib import Path

from shared import clock, durable
from shared.contract import timestamp

_FILE = ".paused"


def begin(root: Path) -> None:
    """Pause, unless it is paused already. Raises OSError."""
    if since(root) is None:
        durable.write_json(root / _FILE, {"since": timestamp(clock.now())}, fsync=True)
        durable.fsync_dir(root)


def end(root: Path) -> None:
    """Go on. Raises OSError."""
    (root / _FILE).unlink(missing_ok=True)
    durable.fsync_dir(root)


def is_on(root: Path) -> bool:
    return os.path.lexists(f"{root}/{_FILE}")


def since(root: Path) -> str | None:
    """Since when in RFC 3339; None where it is not paused, "" where nobody knows."""
    if not is_on(root):
        return None
    try:
        at = json.loads(durable.read_bytes(root / _FILE))["since"]
        return at if datetime.fromisoformat(at).tzinfo else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
