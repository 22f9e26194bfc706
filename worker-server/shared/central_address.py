"""Where central-server is: CENTRAL_SERVER_URL."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AnyHttpUrl
from pydantic_settings import BaseSettings, SettingsConfigDict

_UPLOAD_PATH = "/upload-final"


def _of_uploads(url: AnyHttpUrl) -> AnyHttpUrl:
    """A host alone is central's; a slash at the end is a slip."""
    parts = urlsplit(str(url))
    path = parts.path.rstrip("/") or _UPLOAD_PATH
    return AnyHttpUrl(parts._replace(path=path).geturl())


class CentralAddress(BaseSettings):
    """Central's other addresses lie beside that of its uploads."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    central_server_url: Annotated[AnyHttpUrl, AfterValidator(_of_uploads)] = AnyHttpUrl(
        f"http://host.docker.internal:8003{_UPLOAD_PATH}"
    )
