"""How a stage can fail. Each says how many attempts it is worth.

StageError
├── ImageRejected      the image's own fault: final at once
├── DecoderFailed      its decoder crashed or hung: perhaps the machine's fault, two attempts
├── DecoderKilled      somebody killed its decoder, or the kernel did for memory: ten attempts
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
        # It may quote a stranger, and is written to a record and a console.
        detail = secrets.masked(detail).encode(errors="backslashreplace").decode()
        super().__init__(code, detail, retry_after_s)  # all of them, for pickle
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.detail


class ImageRejected(StageError):
    """The image cannot be watermarked: broken, or larger than the limits."""


class DecoderFailed(StageError):
    """The child process that decoded the image crashed, or did not end in time."""

    attempts = 2


class DecoderKilled(StageError):
    """The child process that decoded the image was ended by SIGKILL, which no decoder does."""

    attempts = 10
    backoff_factor = 0.1


class Unavailable(StageError):
    """Central or the logo cannot be had now."""

    attempts = 6


class LogoUnusable(Unavailable):
    """The logo that was asked for cannot work, until somebody mends it."""

    attempts = 1


class Unforeseen(StageError):
    """An exception that nobody thought of."""

    attempts = 6

    def __init__(self, error: Exception) -> None:
        super().__init__("internal_error", f"{type(error).__name__}: {error}")


class WorkerLost(StageError):
    """Attempt after attempt began and never ended."""


class CentralRefused(StageError):
    """Central understood the request and said no."""
