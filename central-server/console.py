"""The console log: one line an event, an emoji, a verb, then key=value.

The copies in the three services are byte-identical; testfiles/test_copies.py compares them.
"""

import json
import logging
import sys

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

_log = logging.getLogger("media")


def configure() -> None:
    """Send events and warnings to standard output; libraries speak from WARNING on."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _log.setLevel(logging.INFO)
    # Nothing of this is in a line, and finding it out takes half of a line's time (Python's
    # logging HOWTO, "Optimization").
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def event(what: str, **fields: object) -> None:
    """Log one event. Fields that are None are left out."""
    pairs = (f"{key}={_value(value)}" for key, value in fields.items() if value is not None)
    _log.info("%s %s", what, " ".join(pairs))


def _value(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    plain = text.isprintable() and not any(char in ' "=' for char in text)
    return text if text and plain else json.dumps(text, ensure_ascii=not text.isprintable())
