"""The settings, from the environment. Built at start-up, never at import."""

from pathlib import Path

from pydantic import Field, NonNegativeInt

from shared.contract import MIB
from shared.web.host_and_origin import HttpSettings


class Settings(HttpSettings):
    """central-server's settings; the README's table explains each."""

    storage_dir: Path = Path("central_storage")
    activity_log: Path = Path("worker_activity.log")
    max_store_mb: float = Field(default=200, gt=0, allow_inf_nan=False)
    min_free_mb: NonNegativeInt = 512
    keep_receipts_days: float | None = Field(default=None, gt=0, le=36500)

    @property
    def max_store_bytes(self) -> int:
        return int(self.max_store_mb * MIB)
