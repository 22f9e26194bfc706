"""Settings that fast-server and the workers read alike; the README's table explains each."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AnyHttpUrl
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.environment import PositiveNumber

_UPLOAD_PATH = "/upload-final"


def _of_uploads(url: AnyHttpUrl) -> AnyHttpUrl:
    """Accept the address of central itself, too, and a slash at the end."""
    parts = urlsplit(str(url))
    path = parts.path.rstrip("/") or _UPLOAD_PATH
    return AnyHttpUrl(parts._replace(path=path).geturl())


class CentralAddress(BaseSettings):
    """CENTRAL_SERVER_URL: the address of central's uploads."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    central_server_url: Annotated[AnyHttpUrl, AfterValidator(_of_uploads)] = AnyHttpUrl(
        f"http://host.docker.internal:8003{_UPLOAD_PATH}"
    )


class UploadSettings(BaseSettings):
    """Where the uploads are, and how large an image may be."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    upload_dir: Path = Path("uploads")
    max_megapixels: PositiveNumber = 100

    @property
    def max_pixels(self) -> int:
        return int(self.max_megapixels * 1_000_000)
