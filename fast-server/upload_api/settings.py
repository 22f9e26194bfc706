"""The settings, from the environment. Built at start-up, never at import."""

from pathlib import Path
from typing import ClassVar

from pydantic import PositiveInt

from shared.common_settings import CentralAddress, UploadSettings
from shared.contract import MIB
from shared.environment import PositiveNumber
from shared.redis.jobs import RedisAddress
from shared.web.host_and_origin import OWN_PATHS, HttpSettings


class Settings(RedisAddress, CentralAddress, HttpSettings, UploadSettings):
    """fast-server's settings; the README's table explains each."""

    own_paths: ClassVar[tuple[str, ...]] = (*OWN_PATHS, "batches", "archive", "page")

    max_upload_mb: PositiveNumber = 50
    max_queue_depth: PositiveInt = 100_000
    index_dir: Path | None = None

    @property
    def index_folder(self) -> Path:
        return self.index_dir or self.upload_dir / ".index"

    @property
    def max_upload_bytes(self) -> int:
        return int(self.max_upload_mb * MIB)
