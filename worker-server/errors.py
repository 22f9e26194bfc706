"""How a stage can fail. Each class says how many attempts it allows.

StageError
├── ImageRejected      the image is at fault: final at once
├── DecoderFailed      its decoder crashed or hung, perhaps for the machine: two attempts
├── DecoderKilled      its decoder was killed by a person, or for want of memory: ten attempts
├── Unavailable        central or the logo cannot be had now: five retries
│   └── LogoUnusable   the logo cannot work as it is: final at once
├── Unforeseen         a fault of this program: five retries
├── WorkerLost         ten attempts began and never ended: final at once
└── CentralRefused     central will not take it: final at once
"""

from shared import secrets


class StageError(Exception):
    """code is stable and for programs, detail a sentence for people."""

    attempts = 1
    backoff_factor = 1.0

    def __init__(self, code: str, detail: str, retry_after_s: float = 0) -> None:
        # It may quote a stranger's bytes, and goes to a record and the console.
        detail = secrets.masked(detail).encode(errors="backslashreplace").decode()
        super().__init__(code, detail, retry_after_s)  # pickle calls it with these
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.detail


class ImageRejected(StageError):
    """The image cannot be watermarked: broken, or larger than the limits."""


class DecoderFailed(StageError):
    """The decoder process crashed, or did not end in time."""

    attempts = 2


class DecoderKilled(StageError):
    """The decoder process got SIGKILL, so the decoder is not at fault."""

    attempts = 10
    backoff_factor = 0.1


class Unavailable(StageError):
    """Central or the logo cannot be had now."""

    attempts = 6


class LogoUnusable(Unavailable):
    """The logo that was asked for cannot work until somebody changes it."""

    attempts = 1


class Unforeseen(StageError):
    """An exception that no code expected."""

    attempts = 6

    def __init__(self, error: Exception) -> None:
        super().__init__("internal_error", f"{type(error).__name__}: {error}")


class WorkerLost(StageError):
    """Attempt after attempt began and never ended."""


class CentralRefused(StageError):
    """Central understood the request and said no."""
