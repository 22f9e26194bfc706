"""A stored image as the answer to a GET."""

import os
from pathlib import Path
from typing import Any

from fastapi.responses import FileResponse

from shared.signatures import HEAD_BYTES
from storage_api import media_type


class OpenedImage(FileResponse):
    """The image as it was when it was asked for, even if it is deleted before it is sent.

    FileResponse opens its path only after it has sent the headers.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._file = path.open("rb")
        super().__init__(
            f"/dev/fd/{self._file.fileno()}",
            filename=path.name,
            content_disposition_type="inline",
            media_type=media_type.guess(self._file.peek(HEAD_BYTES), path.name),
            stat_result=os.fstat(self._file.fileno()),
            headers={"X-Content-Type-Options": "nosniff"},
        )

    async def __call__(self, *args: Any) -> None:
        with self._file:
            await super().__call__(*args)
