"""What goes from the uploads volume in time: broken uploads, and what was kept long enough."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from ulid import ULID

from shared.contract import DONE, FAILED, INCOMING, is_media_id
from shared.spool import MediaBusy, MediaGone, Spool

_UNFINISHED_KEPT_S = 3600
_DAY_S = 86_400


def sweep(spool: Spool, keep_originals_days: float | None, keep_failed_days: float | None) -> None:
    """Remove uploads that broke off an hour ago, and originals and failed media this old.

    An original's age counts from its reception, a failed media's from its failure; None keeps
    them for ever. Raises OSError.
    """
    for path in [*_media_in(spool.root / INCOMING), *spool.root.glob(".probe-*")]:
        if time.time() - _last_change(path) > _UNFINISHED_KEPT_S:
            shutil.rmtree(path, ignore_errors=True)
    if keep_originals_days is not None:
        for path in _received_before(spool.root / DONE, keep_originals_days):
            _remove(spool, path.name, DONE)
    if keep_failed_days is not None:
        for path in _received_before(spool.root / FAILED, keep_failed_days):
            if time.time() - _last_change(path) > keep_failed_days * _DAY_S:
                _remove(spool, path.name, FAILED)


def _media_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if is_media_id(path.name))


def _received_before(folder: Path, days: float) -> Iterator[Path]:
    oldest_kept_s = datetime.now(UTC).timestamp() - days * _DAY_S
    return (p for p in _media_in(folder) if ULID.from_str(p.name).timestamp < oldest_kept_s)


def _last_change(folder: Path) -> float:
    """When anything in folder last changed, in seconds since the epoch; now if it just went."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except (FileNotFoundError, NotADirectoryError):
        return time.time()


def _remove(spool: Spool, media_id: str, state: str) -> None:
    with suppress(MediaBusy, MediaGone, OSError), spool.hold(media_id) as media:
        if media.state == state:
            shutil.rmtree(media.path, ignore_errors=True)
