"""The console log: one line for each event, with an emoji, a verb and key=value pairs."""

import json
import logging
import math
import sys
import time
from datetime import datetime
from typing import Any

from shared import secrets
from shared.contract import is_hostile

RECEIVED = "📥 received"
REFUSED = "🚫 refused"
WATERMARKING = "🎨 watermarking"
WATERMARKED = "✅ watermarked"
UPLOADING = "🚚 uploading"
STORED = "📦 stored"
RETRY = "🔁 retry"
FAILED = "💀 failed"
READY = "🚀 ready"
NOTICE = "👀 notice"

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


class _Escaping(logging.Formatter):
    """Libraries' messages, which may quote what a stranger sent.

    So a message is one line, a traceback is indented, and control characters are escaped.
    """

    def formatTime(  # noqa: N802 - logging's name
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        return _at(record.created)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = _printable(secrets.masked(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return "\n".join(
            f"  {_printable(secrets.masked(line))}"
            for line in super().formatException(ei).split("\n")
        )


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() and not is_hostile(c) else ascii(c)[1:-1] for c in text)


def configure() -> None:
    """Let standard output take any character; libraries log there from WARNING on."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Escaping("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def event(what: str, **fields: object) -> None:
    """Log one event. Fields that are None are left out."""
    pairs = [f"{key}={_value(value)}" for key, value in fields.items() if value is not None]
    sys.stdout.write(f"{_at(time.time())} {what} {' '.join(pairs)}\n")
    sys.stdout.flush()


class RecurringNotice:
    """A fault that recurs, reported after 1, 2, 4 ... 60 s, and once more when it is over.

    One that has not recurred for a minute begins anew.
    """

    def __init__(self) -> None:
        self._pause_s = 0.0
        self._due = self._seen_at = -math.inf

    def report(self, **fields: object) -> None:
        now = time.monotonic()
        if now > self._seen_at + _LONGEST_PAUSE_S:
            self._pause_s = 0
        self._seen_at = now
        if self._pause_s == 0 or now >= self._due:
            event(NOTICE, **fields)
            self._pause_s = min(2 * self._pause_s or _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
            self._due = now + self._pause_s

    def clear(self, **fields: object) -> None:
        """Report that it is over, if it was reported."""
        if self._pause_s:
            event(NOTICE, **fields)
        self._pause_s = 0


def _at(time_s: float) -> str:
    """Local time with its offset from UTC: 2026-01-15T14:30:45.123+01:00"""
    return datetime.fromtimestamp(time_s).astimezone().isoformat(timespec="milliseconds")


def _value(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else secrets.masked(str(value))
    shown = text.isascii() or not any(is_hostile(char) for char in text)
    shown = shown and text.isprintable()
    plain = shown and not any(char in ' "=' for char in text)
    return text if text and plain else json.dumps(text, ensure_ascii=not shown)
