"""What each worker tells in Redis every two seconds: that it lives, and what it is at."""

from typing import TypedDict

# A sorted set of the workers' names, by the time of their last report in seconds.
WORKERS_KEY = "media-processor:workers"
REPORT_S = 2.0
GONE_AFTER_S = 15


class Work(TypedDict):
    """A media that a worker is at. since is in RFC 3339."""

    media_id: str
    filename: str
    stage: str
    since: str


class WorkerReport(TypedDict):
    """The value of report_key(name), as JSON. memory_mb is that of all its processes."""

    worker: str
    version: str
    started_at: str
    memory_mb: int
    processes: int
    at: list[Work]
    stored_last_minute: int
    failed_last_minute: int
    unhealthy: str | None


def report_key(worker: str) -> str:
    """It expires GONE_AFTER_S after the last report."""
    return f"media-processor:worker:{worker}"
