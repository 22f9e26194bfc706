"""The settings, from the environment. Built at start-up, never at import."""

from pathlib import Path

from pydantic import Field

from shared.contract import MIB
from shared.environment import PositiveNumber
from shared.web.host_and_origin import HttpSettings


class Settings(HttpSettings):
    """central-server's settings; the README's table explains each."""

    storage_dir: Path = Path("central_storage")
    activity_log: Path = Path("worker_activity.log")
    max_store_mb: PositiveNumber = 200
    keep_receipts_days: float | None = Field(default=None, gt=0, le=36500)

    @property
    def max_store_bytes(self) -> int:
        return int(self.max_store_mb * MIB)
