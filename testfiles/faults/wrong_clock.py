"""Gives a process a wrong clock by libfaketime, from Debian's package of that name."""

from pathlib import Path

_FOUND = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def is_to_be_had() -> bool:
    return bool(_FOUND)


class WrongClock:
    """The clock of a process that has env in its environment. set() takes effect in a second."""

    def __init__(self, file: Path, ahead_s: float = 0) -> None:
        self._file = file
        self.set(ahead_s)

    @property
    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_FOUND[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",  # seconds; it looks at the file again then
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # a wrong clock leaves it right
            "NO_FAKE_STAT": "1",  # the times of files are the kernel's
        }

    def set(self, ahead_s: float) -> None:
        self._file.write_text(f"{ahead_s:+.0f}\n")
