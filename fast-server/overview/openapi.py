"""What FastAPI cannot derive of GET /stats: its text."""

from typing import Any

_TEXT = """\
12 wait, 1 worker does 140 a minute: about 5 s

waiting  12, the oldest for 4 s, about 5 s to go
failed   3
stored   1,203
queues   watermark 10, upload 2
"""
STATS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _TEXT}}}
}
