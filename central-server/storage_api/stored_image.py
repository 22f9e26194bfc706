"""A stored image as the answer to a GET."""

import os
from pathlib import Path

from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

from shared.signatures import HEAD_BYTES
from storage_api import media_type


class OpenedImage(FileResponse):
    """The image as it was when it was asked for, even if it is deleted before it is sent; 304 to
    whoever has it already.

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            static = StaticFiles(check_dir=False)
            if static.is_not_modified(self.headers, Headers(scope=scope)):
                await NotModifiedResponse(self.headers)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
