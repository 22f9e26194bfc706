"""The settings, from the environment. Built at start-up, never at import."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from shared.central_address import CentralAddress
from shared.contract import MIB
from shared.jobs import RedisAddress
from shared.web.host_and_origin import HttpSettings

PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(RedisAddress, CentralAddress, HttpSettings):
    """fast-server's settings; the README's table explains each."""

    upload_dir: Path = Path("uploads")
    max_upload_mb: PositiveNumber = 50
    max_megapixels: PositiveNumber = 100
    max_queue_depth: PositiveInt = 100_000
    min_free_mb: NonNegativeInt = 512

    @property
    def max_upload_bytes(self) -> int:
        return int(self.max_upload_mb * MIB)

    @property
    def max_pixels(self) -> int:
        return int(self.max_megapixels * 1_000_000)
