"""Settings that fast-server and the workers read alike; the README's table explains each."""

from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.environment import PositiveNumber


class UploadSettings(BaseSettings):
    """Where the uploads are, and how large an image may be."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    upload_dir: Path = Path("uploads")
    max_megapixels: PositiveNumber = 100

    @property
    def max_pixels(self) -> int:
        return int(self.max_megapixels * 1_000_000)
